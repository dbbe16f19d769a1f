"""Video models of our own in the shapes of sam2 and transformers: starts, shared features, memory, state, mistakes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_samples import moving_patch, target
from foreign_video_packages import SAM2, TRANSFORMERS

from trackbench.errors import TrackerError
from trackbench.regions import Box, Mask
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.registry import find_tracker

FRAMES = moving_patch(30, 72, 128)
BOXES = [Box(10, 15, 32, 24), Box(60, 30, 30, 40)]
NAME = "sam2:configs/tiny/t.yaml"

#: Writes the masks of the package's own loop over the whole video, of each target by a predictor of its own.
LOOP = """
import sys
import numpy as np, torch
from sam2 import sam2_video_predictor as home
from sam2.build_sam import build_sam2_video_predictor
from trackbench.trackers.foreign.worker.sam2 import prepared

frames = np.load("frames.npy")
home.tqdm = lambda frames, desc: frames
masks = []
for box in np.load("boxes.npy"):
    predictor = build_sam2_video_predictor("configs/tiny/t.yaml", "t.pt", "cpu", hydra_overrides_extra=sys.argv[1:])
    home.load_video_frames = lambda video_path: ([prepared(f, predictor) for f in frames], *frames.shape[1:3])
    with torch.inference_mode():
        state = predictor.init_state("")
        predictor.add_new_points_or_box(state, 0, 0, box)
        masks.append([(logits[0, 0] > 0).numpy() for _, _, logits in predictor.propagate_in_video(state)])
np.save("masks.npy", masks)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, a checkpoint ``t.pt``, and the video."""
    folder = tmp_path_factory.mktemp("packages")
    for name, text in (SAM2 | TRANSFORMERS).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    torch.save({"model": {"gain": torch.tensor(9.0)}}, folder / "t.pt")
    np.save(folder / "frames.npy", np.array(FRAMES))
    np.save(folder / "boxes.npy", [[box.x, box.y, box.x + box.w, box.y + box.h] for box in BOXES])
    return folder


def built(folder: Path, name: str = NAME, weights: str = "t.pt", **options: Any) -> ForeignModel:
    model = find_tracker(name, options={"repo": str(folder), **options}, weights=folder / weights).build("cpu")
    assert isinstance(model, ForeignModel)
    return model


def masks_of(model: ForeignModel, boxes: list[Box]) -> list[list[np.ndarray]]:
    """Return the masks of targets that are followed at once, target by target."""
    states = model.start([FRAMES[0]] * len(boxes), [target(box, len(FRAMES)) for box in boxes])
    steps = [model.step([frame] * len(boxes), states) for frame in FRAMES[1:]]
    return [[whole(step[i].mask) for step in steps] for i in range(len(boxes))]


def whole(mask: Mask | None) -> np.ndarray:
    assert mask is not None
    return mask.window(0, 0, 128, 72)


@pytest.mark.slow  # two processes with torch for each
@pytest.mark.parametrize("overrides", [[], ["++stateful=true"]], ids=["sam2", "samurai"])
def test_masks_are_those_of_the_whole_video_loop_and_each_frame_is_encoded_once(
    folder: Path, tmp_path: Path, overrides: list[str]
) -> None:
    """What a predictor keeps of its target on itself, as SAMURAI's does, is no other target's."""
    subprocess.run([sys.executable, "-c", LOOP, *overrides], cwd=folder, check=True)
    expected = np.load(folder / "masks.npy")
    assert 0.1 < expected.mean() < 0.9
    assert (expected[:, 2:] != expected[:, 1:-1]).any((2, 3)).mean() > 0.8
    model = built(folder, overrides=overrides, log=str(tmp_path / "log"))
    assert model.record()["memory_frames"] == ("all" if overrides else 5)
    assert np.array_equal(masks_of(model, BOXES), expected[:, 1:])
    encoded = (tmp_path / "log").read_text().splitlines()
    assert encoded.count("encoded frame 7") == 1
    if not overrides:
        assert np.array_equal(masks_of(model, BOXES[1:]), expected[1:, 1:])


@pytest.fixture
def transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of that name."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "transformers", raising=False)

    yield importlib.import_module("transformers")
    sys.modules.pop("transformers", None)


def hf(name: str = "model", **options: Any) -> ForeignModel:
    model = find_tracker(f"hf:{name}", options={"isolated": False, **options}).build("cpu")
    assert isinstance(model, ForeignModel)
    return model


def test_models_of_transformers_keep_what_they_look_back_at_and_nothing_else(transformers: Any) -> None:
    model = hf()
    together = masks_of(model, BOXES)
    assert list(range(30)) == transformers.ENCODED  # once for both targets
    assert np.array_equal(together, [masks_of(model, [box])[0] for box in BOXES])
    assert 0.1 < np.mean(together) < 0.9
    assert (np.array(together)[:, 1:] != np.array(together)[:, :-1]).any((2, 3)).mean() > 0.8
    states = model.start([FRAMES[0]], [target(BOXES[0], 30)])
    for frame in FRAMES[1:]:
        model.step([frame], states)
    session = model._peer._service._states[states[0].number].session  # type: ignore[union-attr]
    outputs = session.output_dict_per_obj[0]["non_cond_frame_outputs"]
    assert (list(outputs), session.processed_frames) == (list(range(14, 30)), {})
    assert not any("high_res_masks" in output for output in outputs.values())


@pytest.mark.parametrize("init", [None, "box"])
def test_a_mask_starts_a_model_unless_a_box_is_asked_for(transformers: Any, init: str | None) -> None:
    model = hf(**({} if init is None else {"init": init}))
    mask = Mask(np.eye(24, 32, dtype=bool), 10, 15)
    states = model.start([FRAMES[0]], [target(mask, 30)])
    session = model._peer._service._states[states[0].number].session  # type: ignore[union-attr]
    assert (session.prompt > 0).sum() == (24 if init is None else 24 * 24)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nowhere", {}, r"no model at 'nowhere': .*local_files_only is True; expected a folder of save_pretrained"),
        ("text", {}, r"is a model of type bert; expected one of sam2_video"),
        ("model", {"init": "mask"}, r"--set init=mask: the data set has no mask to start on"),
    ],
)
def test_a_model_that_does_not_fit_is_told(transformers: Any, name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(TrackerError, match=message):
        hf(name, **options).start([FRAMES[0]], [target(BOXES[0])])


def test_a_plus_in_the_name_of_a_configuration_calls_no_refiner(folder: Path) -> None:
    """That of the second largest model has one."""
    name = "sam2:configs/sam2.1/sam2.1_hiera_b+.yaml"
    assert find_tracker(name, weights=folder / "t.pt").name == name
    refined = find_tracker(name + "+alpharefine", weights=folder / "t.pt", random_weights=True)
    assert refined.name == name + "+alpharefine"


@pytest.mark.slow  # a process with torch for each
@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("sam2:configs/tiny/x.yaml", None, r"no configuration 'configs/tiny/x.yaml' \(there: configs/tiny/t.yaml\)$"),
        (NAME, {"net": {}}, r"wrong.pt has no entry 'model' \(there: net\)"),
        (NAME, {"model": {"x": torch.ones(1)}}, r"the checkpoint does not fit its Predictor: 1 weights are missing"),
    ],
)
def test_a_predictor_that_cannot_be_built_is_told(folder: Path, name: str, document: Any, message: str) -> None:
    torch.save(document or {}, folder / "wrong.pt")
    with pytest.raises(TrackerError, match=message) as caught:
        built(folder, name, weights="wrong.pt" if document else "t.pt")
    assert "\n" not in str(caught.value)

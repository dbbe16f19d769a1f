"""OpenCV's trackers give what a plain loop over OpenCV gives, and fail in one clear line."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from trackbench.errors import TrackerError, UsageError
from trackbench.frames import read_frame
from trackbench.regions import Box, Polygon, Special
from trackbench.trackers.base import Target, Tracker, TrackerModel
from trackbench.trackers.external.opencv import installed, needed_files
from trackbench.trackers.external.opencv_names import from_stubs
from trackbench.trackers.registry import find_tracker, load_model
from trackbench.trackers.status import list_trackers

SIZE = (120, 160)


def scene(frames: int, seed: int = 0) -> list[np.ndarray]:
    """Make frames in which a textured 24x32 patch moves by 2 and 1 pixels over a textured background."""
    rng = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8), (7, 7), 0)
    patch = cv2.GaussianBlur(rng.integers(0, 256, (32, 24, 3), dtype=np.uint8), (3, 3), 0)
    out = []
    for index in range(frames):
        frame = ground.copy()
        frame[30 + index : 62 + index, 40 + 2 * index : 64 + 2 * index] = patch
        out.append(frame)
    return out


START = Box(40, 30, 24, 32)


def follow(model: TrackerModel[Any], frames: list[np.ndarray], region: Box = START) -> list[Any]:
    """Return what the tracker says about the frames after the first."""
    tracker = Tracker(model)
    tracker.init(frames[0], region)
    return [tracker.track(frame).region for frame in frames[1:]]


def nano(reference: Path, **files: str) -> dict[str, str]:
    """Return the options that name NanoTrack V2's files, or those in ``files`` instead."""
    models = reference / "models"
    return {
        "backbone": str(models / files.get("backbone", "nanotrack_v2_backbone.onnx")),
        "neckhead": str(models / files.get("neckhead", "nanotrack_v2_head.onnx")),
    }


class Fake:
    """Stands in for an OpenCV tracker: records what it is given, and finds the target in every second frame."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []
        self.box: Any = None

    def init(self, image: np.ndarray, box: Any) -> None:
        self.images.append(image)
        self.box = box

    def update(self, image: np.ndarray) -> tuple[bool, tuple[int, ...]]:
        self.images.append(image)
        found = len(self.images) % 2 == 0
        return found, (len(self.images), 2, 3, 4) if found else (0, 0, 0, 0)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """Add ``opencv:fake``; the list receives the objects as they are made."""
    made: list[Fake] = []

    def create() -> Fake:
        made.append(Fake())
        return made[-1]

    monkeypatch.setattr(cv2, "TrackerFake_create", create, raising=False)
    return made


def test_nano_gives_the_recorded_boxes(reference: Path) -> None:
    frames = [read_frame(path) for path in sorted((reference / "sequences" / "Crossing" / "img").glob("*.jpg"))]
    expected = np.loadtxt(reference / "models" / "nanotrack_v2_Crossing.txt", delimiter=",")
    boxes = follow(load_model("opencv:nano", options=nano(reference)), frames, Box.of(expected[0]))
    assert len(frames) == 120
    np.testing.assert_array_equal([box.numbers() for box in boxes], expected[1:])


def test_nano_scores_and_says_nothing_on_standard_error(reference: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frames = scene(2)
    tracker = Tracker(load_model("opencv:nano", options=nano(reference)))
    tracker.init(frames[0], START)
    score = tracker.track(frames[1]).score
    assert score is not None
    assert 0 < score <= 1
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="seeds the C library as it is on Linux and macOS")
def test_mil_gives_the_boxes_of_a_plain_loop() -> None:
    frames = scene(8)
    ctypes.CDLL(None).srand(1)
    cv2.setRNGSeed(0)
    plain: Any = cv2.TrackerMIL_create()  # type: ignore[attr-defined]  # missing in OpenCV's stubs
    plain.init(frames[0][..., ::-1].copy(), (40, 30, 24, 32))
    expected = [Box.of(plain.update(frame[..., ::-1].copy())[1]) for frame in frames[1:]]
    assert follow(load_model("opencv:mil"), frames) == expected


def test_mil_depends_on_its_seed_alone() -> None:
    scenes = [scene(5, seed) for seed in range(2)]
    model = load_model("opencv:mil")
    alone = [follow(model, frames) for frames in scenes]
    assert alone == [follow(load_model("opencv:mil"), frames) for frames in scenes]
    states = model.start([frames[0] for frames in reversed(scenes)], [Target(START)] * 2)
    together = [model.step([frames[i] for frames in reversed(scenes)], states) for i in range(1, 5)]
    for number, boxes in enumerate(reversed(alone)):
        assert [predictions[number].region for predictions in together] == boxes


def test_the_runs_seed_and_the_option_add_up() -> None:
    # Random features decide which of many equal spots wins on a frame without any structure.
    frames = [np.full((*SIZE, 3), 90, np.uint8)] + [scene(1, seed)[0] for seed in range(1, 5)]
    boxes = []
    for options, seed in (({}, 0), ({}, 5), ({"seed": 5}, 0), ({"seed": 2}, 3)):
        model = load_model("opencv:mil", options=options)
        model.seed(seed)
        boxes.append(follow(model, frames))
    assert boxes[0] != boxes[1]
    assert boxes[1] == boxes[2] == boxes[3]


def test_opencv_gets_bgr_and_whole_numbers(fake: list[Fake]) -> None:
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[..., 0] = 200  # red
    Tracker(load_model("opencv:fake")).init(frame, Polygon([[10.4, 20.6], [31.0, 20.6], [31.0, 29.9], [10.4, 29.9]]))
    image = fake[0].images[0]
    assert image[0, 0].tolist() == [0, 0, 200]
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert fake[0].box == (10, 21, 21, 9)
    assert all(type(number) is int for number in fake[0].box)


def test_a_lost_target_stays_where_it_was_and_is_marked(fake: list[Fake]) -> None:
    frame = np.zeros((*SIZE, 3), np.uint8)
    tracker = Tracker(load_model("opencv:fake"))
    tracker.init(frame, START)
    found, lost = tracker.track(frame), tracker.track(frame)
    assert (found.region, found.score, dict(found.extras)) == (Box(2, 2, 3, 4), None, {})
    assert (lost.region, lost.score, dict(lost.extras)) == (Box(2, 2, 3, 4), 0.0, {"lost": True})


@pytest.mark.parametrize("frame", [np.zeros(SIZE, np.uint8), np.zeros((*SIZE, 3), np.float32)])
def test_images_that_opencv_would_misread_are_refused(fake: list[Fake], frame: np.ndarray) -> None:
    with pytest.raises(TrackerError, match=r"opencv:fake: the frame is .*expected uint8 \(H, W, 3\), RGB"):
        Tracker(load_model("opencv:fake")).init(frame, START)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 4), (3, 5), (5, 3), (2, 10), (10, 2), (1, 60)])
def test_mil_refuses_boxes_on_which_opencv_would_never_return(size: tuple[int, int]) -> None:
    with pytest.raises(TrackerError, match=rf"opencv:mil cannot start on the {size[0]}x{size[1]} box .* too small"):
        Tracker(load_model("opencv:mil")).init(scene(1)[0], Box(40, 30, *size))


@pytest.mark.parametrize("size", [(2, 11), (11, 2), (3, 6), (6, 3), (4, 5), (5, 4)])
def test_mil_starts_on_the_smallest_boxes(size: tuple[int, int]) -> None:
    assert len(follow(load_model("opencv:mil"), scene(2), Box(40, 30, *size))) == 1


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (Box(160, 10, 20, 20), "the 20x20 box at (160, 10) of a 160x120 frame: it lies outside the frame"),
        (Box(-20, 10, 20, 20), "the 20x20 box at (-20, 10) of a 160x120 frame: it lies outside the frame"),
        (Box(-9, 10, 20, 20), "the 20x20 box at (-9, 10) of a 160x120 frame: it leaves the frame"),
        (Box(0, 0, 160, 120), "the 160x120 box at (0, 0) of a 160x120 frame: (-215:Assertion failed) !posSamples"),
        (Box(10, 10, 0.4, 20), "the 0x20 box at (10, 10) of a 160x120 frame: it has no area in whole pixels"),
        (Box(10, 10, 0, 20), "expected finite numbers and a positive area"),
        (Special(0), "expected finite numbers and a positive area"),
    ],
)
def test_boxes_that_mil_cannot_start_on(region: Any, message: str) -> None:
    with pytest.raises(TrackerError) as caught:
        Tracker(load_model("opencv:mil")).init(scene(1)[0], region)
    assert message in str(caught.value)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown tracker 'opencv:nanno'; did you mean 'nano'\? .*has: .*mil, .*nano"):
        find_tracker("opencv:nanno")


def test_names_ignore_case() -> None:
    assert find_tracker("opencv:MIL").name == "opencv:mil"


def test_missing_files_name_the_options() -> None:
    with pytest.raises(UsageError, match=r"^tracker 'opencv:nano' needs --set backbone=FILE --set neckhead=FILE$"):
        find_tracker("opencv:nano")


def test_files_that_are_not_there_or_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'backbone' is '.*none.onnx': path does not point to a file"):
        find_tracker("opencv:nano", options={"backbone": str(tmp_path / "none.onnx")})
    (tmp_path / "some.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"'opencv:mil' takes no file 'net' \(its files: none\)"):
        find_tracker("opencv:mil", options={"net": str(tmp_path / "some.onnx")})


def test_relative_files_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    spec = find_tracker("opencv:nano", options={"backbone": "a.onnx", "neckhead": "b.onnx"})
    assert spec.options.files == {"backbone": tmp_path / "a.onnx", "neckhead": tmp_path / "b.onnx"}  # type: ignore[attr-defined]
    assert set(spec.identity()["files_sha256"]) == {"backbone", "neckhead"}


def test_a_network_that_does_not_load_or_run_is_one_clear_line(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    frames = scene(2)
    broken = Tracker(load_model("opencv:nano", options=nano(reference, backbone=str(tmp_path / "broken.onnx"))))
    with pytest.raises(TrackerError, match=r"^opencv:nano cannot load its network: .*broken\.onnx, nanotrack_v2_head"):
        broken.init(frames[0], START)
    swapped = nano(reference, backbone="nanotrack_v2_head.onnx", neckhead="nanotrack_v2_backbone.onnx")
    with pytest.raises(TrackerError, match=r"^opencv:nano .*\(network: nanotrack_v2_head.onnx, .*\)$") as caught:
        follow(load_model("opencv:nano", options=swapped), frames)
    assert "\n" not in str(caught.value)


def test_the_list_tells_what_is_ready() -> None:
    rows = {row["name"]: row for row in list_trackers()}
    assert rows["opencv:mil"]["ready"]
    assert rows["opencv:nano"]["why_not"] == "needs --set backbone=FILE --set neckhead=FILE"


def test_the_stubs_name_the_trackers_that_opencv_has() -> None:
    assert cv2.__file__ is not None
    stubs = from_stubs(Path(cv2.__file__).parent)
    assert stubs == {name: needed_files(name) for name in installed()}
    assert stubs
    assert from_stubs(Path(cv2.__file__).parent / "data") is None

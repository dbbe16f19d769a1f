"""Frames and targets as they come in the field: black, flat or noisy, targets of a pixel, images that change size.

Whatever a tracker makes of them, it answers with finite numbers, and with the same ones alone and in a batch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_trackers import SMALL_TRACKERS, scene

from trackbench.frames import read_frame
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Prediction, Target, TrackerModel

Frames = list[NDArray[np.uint8]]


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (90, 120)) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array(colour, np.uint8), (*size, 3)).copy()


def noise(seed: int, size: tuple[int, int] = (90, 120)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def resized() -> Frames:
    """Return frames of changing size; the first and the last are the same."""
    frames, _ = scene(1, 1)
    return [frames[0], frames[0][:80, :110].copy(), np.tile(frames[0], (2, 2, 1)), frames[0]]


TEXTURED = scene(0, 4)[0]
CASES: dict[str, tuple[Frames, Box]] = {
    "black": ([plain((0, 0, 0))] * 4, Box(40, 30, 20, 16)),
    "one colour": ([plain((200, 90, 10))] * 4, Box(40, 30, 20, 16)),
    "white after texture": ([TEXTURED[0], *[plain((255, 255, 255), (120, 160))] * 3], Box(50, 40, 32, 24)),
    "fading to black": ([(frame // (4**i)).astype(np.uint8) for i, frame in enumerate(TEXTURED)], Box(50, 40, 32, 24)),
    "noise": ([noise(seed) for seed in range(4)], Box(40, 30, 20, 16)),
    "target of 1x1": (TEXTURED, Box(60, 50, 1, 1)),
    "target of 2x2": (TEXTURED, Box(60, 50, 2, 2)),
    "target of 3x3": (TEXTURED, Box(60, 50, 3, 3)),
    "target of 1x3 in a corner": (TEXTURED, Box(0, 0, 1, 3)),
    "target of 60x1": (TEXTURED, Box(30, 50, 60, 1)),
    "target larger than the image": (TEXTURED, Box(-40, -30, 260, 200)),
    "target at the edge": (TEXTURED, Box(140, 100, 30, 30)),
    "frames of changing size": (resized(), Box(50, 40, 32, 24)),
    "image of 16x12": ([frame[40:52, 50:66].copy() for frame in TEXTURED], Box(4, 3, 6, 5)),
}


def follow(model: TrackerModel[Any], cases: list[tuple[Frames, Box]]) -> list[list[Prediction]]:
    """Return the answers, [target][step], of targets side by side."""
    states = model.start([frames[0] for frames, _ in cases], [Target(box) for _, box in cases])
    steps = [
        model.step([frames[index] for frames, _ in cases], states) for index in range(1, min(len(f) for f, _ in cases))
    ]
    return [list(target) for target in zip(*steps, strict=True)]


def boxes(predictions: list[Prediction]) -> NDArray[np.float64]:
    return np.array([region_to_box(prediction.region).numbers() for prediction in predictions])


SLOW = ("siamattn", "alpharefine", "one-branch")
#: The trackers; those that take long here are slow.
HOSTILE = [
    pytest.param(name, marks=pytest.mark.slow) if any(part in name for part in SLOW) else name
    for name in SMALL_TRACKERS
    if name != "static"
]


@pytest.fixture(scope="module", params=HOSTILE)
def model(request: pytest.FixtureRequest) -> TrackerModel[Any]:
    return SMALL_TRACKERS[request.param]("cpu")


def test_answers_are_finite_and_the_same_alone_and_in_a_batch(model: TrackerModel[Any]) -> None:
    together = follow(model, list(CASES.values()))
    for name, case, batched in zip(CASES, CASES.values(), together, strict=True):
        (alone,) = follow(model, [case])
        assert np.isfinite(boxes(alone)).all(), name
        np.testing.assert_allclose(boxes(batched), boxes(alone), rtol=0, atol=1e-2, err_msg=name)
        for prediction in alone:
            assert prediction.score is None or math.isfinite(prediction.score), name
            extras = [value for value in prediction.extras.values() if isinstance(value, float)]
            assert np.isfinite(extras).all(), name


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255), (17, 200, 90)])
def test_dcf_stays_still_where_there_is_nothing_to_see(colour: tuple[int, int, int]) -> None:
    box, dcf = Box(40, 30, 20, 16), SMALL_TRACKERS["dcf"]("cpu")
    flat = [plain(colour)] * 6
    for frames in (flat, [noise(3), *flat]):
        (answers,) = follow(dcf, [(frames, box)])
        np.testing.assert_allclose(boxes(answers), [box.numbers()] * (len(frames) - 1), rtol=0, atol=1e-9)


def test_dcf_finds_the_target_again_after_black_frames() -> None:
    frames, box = scene(0, 3)
    dark = [frames[0], *[plain((0, 0, 0), (120, 160))] * 20, frames[1]]
    (answers,) = follow(SMALL_TRACKERS["dcf"]("cpu"), [(dark, box)])
    found = region_to_box(answers[-1].region)
    assert [found.x, found.y] == pytest.approx([box.x + 2, box.y + 1], abs=1.5)


@pytest.mark.exhaustive
def test_frames_of_8000_by_6000(model: TrackerModel[Any]) -> None:
    small, _ = scene(2, 3)
    frames = [np.tile(frame, (50, 50, 1)) for frame in small]
    for box in (Box(4050, 3040, 32, 24), Box(100, 100, 7800, 5800)):
        (answers,) = follow(model, [(frames, box)])
        assert np.isfinite(boxes(answers)).all()


@pytest.mark.parametrize("kind", ["grey", "grey16", "rgb16", "rgba", "cmyk", "rotated", "palette", "one-bit"])
def test_images_of_every_kind_become_frames_that_a_tracker_takes(kind: str, tmp_path: Path) -> None:
    colour = TEXTURED[0] // 2 + 60
    path, height, width = tmp_path / f"{kind}.png", *colour.shape[:2]
    image = Image.fromarray(colour)
    expected: NDArray[Any] = colour
    match kind:
        case "grey" | "one-bit":
            image = image.convert("L" if kind == "grey" else "1")
            expected = np.repeat(np.asarray(image.convert("L"))[..., None], 3, 2)
            image.save(path)
        case "grey16":
            cv2.imwrite(str(path), colour[..., 0].astype(np.uint16) * 256)
            expected = np.repeat(colour[..., :1], 3, 2)
        case "rgb16":
            cv2.imwrite(str(path), colour[..., ::-1].astype(np.uint16) * 256)
        case "rgba":
            image.putalpha(128)  # what is behind a frame is not known: its colours count
            image.save(path)
        case "palette":
            image = image.quantize(200)
            expected = np.asarray(image.convert("RGB"))
            image.save(path)
        case "cmyk":
            path = path.with_suffix(".jpg")
            image.convert("CMYK").save(path, quality=100, subsampling=0)
        case "rotated":
            path, exif = path.with_suffix(".jpg"), Image.Exif()
            exif[274] = 6  # "turn clockwise to see it upright", as telephones write it
            image.rotate(90, expand=True).save(path, quality=100, subsampling=0, exif=exif)
    frame = read_frame(path)
    assert frame.dtype == np.uint8
    assert frame.shape == (height, width, 3)
    assert np.abs(frame.astype(int) - expected).mean() < 6
    (answers,) = follow(SMALL_TRACKERS["dcf"]("cpu"), [([frame, frame], Box(50, 40, 32, 24))])
    np.testing.assert_allclose(boxes(answers), [[50, 40, 32, 24]], atol=1)

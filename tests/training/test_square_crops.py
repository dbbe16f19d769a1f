"""STARK's jittered crops, their labels and the whole pre-processing against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recorded import recording, unpacked

from trackbench.training.crops.square import Augmentation, Crop, CropView, crop_label, cut, jittered, make_crops
from trackbench.training.draws import RandomDraws

SEARCH = {
    "simtrack": CropView(4.0, 224, 0.5, 3.5),
    "sbt": CropView(5.0, 256, 0.5, 4.5),
    "aiatrack": CropView(5.0, 320, 0.5, 4.5),
}
TEMPLATE = {"simtrack": CropView(2.0, 112), "sbt": CropView(2.0, 128), "aiatrack": CropView(5.0, 320)}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Recorded:
    """Gives recorded draws and counts them."""

    def __init__(self, coins: np.ndarray, normal: np.ndarray, uniform: np.ndarray, bright: np.ndarray) -> None:
        self.queues = [list(coins), list(normal.ravel()), list(uniform.ravel()), list(bright)]
        self.used = [0, 0, 0, 0]

    def _take(self, queue: int, count: int = 1) -> list[float]:
        self.used[queue] += 1  # normal and uniform numbers are counted in pairs
        return [self.queues[queue].pop(0) for _ in range(count)]

    def coin(self) -> float:
        return self._take(0)[0]

    def normal(self, count: int) -> np.ndarray:
        return np.array(self._take(1, count), np.float32)

    def uniform(self, count: int) -> np.ndarray:
        return np.array(self._take(2, count), np.float32)

    def brightness(self) -> float:
        return self._take(3)[0]


@pytest.fixture(scope="module")
def frames(reference: Path) -> np.ndarray:
    with np.load(reference / "parity" / "sequence.npz") as file:
        return np.array(file["frames"])


def normalised(crop: Crop) -> np.ndarray:
    values = np.clip(crop.image.astype(np.float64) * crop.brightness / 255, 0, 1)
    return ((values - MEAN) / STD).transpose(2, 0, 1)


@pytest.mark.parametrize("tracker", SEARCH)
def test_jittered_crops_and_labels_are_the_official_ones(reference: Path, frames: np.ndarray, tracker: str) -> None:
    record, view = recording(reference, tracker), SEARCH[tracker]
    for case, box in enumerate(record["jitter_box"]):
        extract = jittered(box, view, record["jitter_normal"][case], record["jitter_uniform"][case])
        np.testing.assert_allclose(extract, record["jitter_extract"][case], rtol=0, atol=2e-5)
        crop = cut(frames[3], box, extract, view)
        assert crop is not None
        assert crop.factor == pytest.approx(record["jitter_factor"][case], rel=1e-12)
        np.testing.assert_allclose(crop.label, record["jitter_label"][case], rtol=0, atol=2e-6)
        size = view.size
        np.testing.assert_array_equal(crop.padded().ravel(), unpacked(record["jitter_mask"][case], size * size))
        np.testing.assert_array_equal(crop.image[::16, ::16], record["jitter_sub"][case])
        np.testing.assert_allclose(crop.image.mean((0, 1)), record["jitter_mean"][case], rtol=0, atol=1e-9)


@pytest.mark.parametrize("tracker", SEARCH)
def test_the_whole_preprocessing_is_the_official_one(reference: Path, frames: np.ndarray, tracker: str) -> None:
    record = recording(reference, tracker)
    names = sorted({name.split("_")[1] for name in record if name.startswith("pipe_") and name != "pipe_frame_index"})
    assert {"a", "b", "c", "reject"} < set(names)
    search, template = SEARCH[tracker], TEMPLATE[tracker]
    three = tracker == "aiatrack"
    views, order = ([template, search, search], [[2], [0, 1]]) if three else ([template, search], [[0], [1]])
    for name in names:
        of = {
            key: record[f"pipe_{name}_{key}"]
            for key in ("boxes", "coins", "normal", "uniform", "bright", "valid", "used")
        }
        draws = Recorded(of["coins"], of["normal"], of["uniform"], of["bright"])
        images = [frames[index] for index in record["pipe_frame_index"]]
        crops = make_crops(images, of["boxes"], views, order, Augmentation(), draws)
        assert (crops is not None) == bool(of["valid"]), name
        if crops is None:
            continue  # what a rejected sample has drawn does not matter: another is drawn
        assert draws.used == of["used"].tolist(), name
        sides = {"reference": crops[:2], "search": crops[2:]} if three else {"template": crops[:1], "search": crops[1:]}
        for side, found in sides.items():
            wanted = {key: record[f"pipe_{name}_{side}_{key}"] for key in ("anno", "mean", "sub", "att")}
            for index, crop in enumerate(found):
                atol = 1e-5 if name == "small" else 2e-6
                np.testing.assert_allclose(crop.label, wanted["anno"][index], rtol=0, atol=atol)
                image = normalised(crop)
                np.testing.assert_allclose(image[:, ::32, ::32], wanted["sub"][index], rtol=0, atol=2e-6)
                np.testing.assert_allclose(image.mean((1, 2)), wanted["mean"][index], rtol=0, atol=2e-5)
                size = len(crop.image) ** 2
                np.testing.assert_array_equal(crop.padded().ravel(), unpacked(wanted["att"][index], size))


def test_the_label_of_an_exact_crop_is_its_middle() -> None:
    box = np.array([10, 20, 30, 40], np.float32)
    label = crop_label(box, box, 2.0, 100) * 100
    np.testing.assert_allclose(label + np.array([label[2] / 2, label[3] / 2, 0, 0]), [49.5, 49.5, 60, 80])


def test_samples_of_one_seed_are_equal(frames: np.ndarray) -> None:
    boxes = np.array([[100, 80, 40, 50], [110, 85, 42, 48]], np.float32)
    made = [
        make_crops(
            list(frames[:2]),
            boxes,
            [CropView(2.0, 64), CropView(4.0, 128, 0.5, 3.5)],
            [[0], [1]],
            Augmentation(),
            RandomDraws(np.random.default_rng([1, 2, 3])),
        )
        for _ in range(2)
    ]
    assert made[0] is not None
    assert made[1] is not None
    np.testing.assert_array_equal(made[0][1].image, made[1][1].image)

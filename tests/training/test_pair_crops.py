"""The crops of SparseTT and SiamAttn against the official code."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded import recording

from trackbench.training.crops.siamattn import (
    CutAugmentation,
    blur_kernel,
    colour_noise,
    context_image,
    cut_branch,
    cut_window,
    window,
)
from trackbench.training.crops.sparsett import is_odd, make_pair

TEMPLATE, SEARCH = CutAugmentation(4, 0.05), CutAugmentation(64, 0.18)


@pytest.fixture(scope="module")
def frames(reference: Path) -> np.ndarray:
    with np.load(reference / "parity" / "sequence.npz") as file:
        return np.array(file["frames"])


def test_sparsett_crops_are_the_official_ones(reference: Path, frames: np.ndarray) -> None:
    record = recording(reference, "sparsett")
    for case, draws in enumerate(record["crop_uniform"]):
        tries = iter(draws.reshape(-1, 6))
        used: list[int] = []

        def uniform(tries=tries, used=used) -> np.ndarray:
            used.append(next(tries))
            return np.asarray(used[-1])

        boxes = np.stack([record["crop_template"][case], record["crop_search"][case]])
        made = make_pair((frames[0], frames[4]), boxes, uniform)
        assert 6 * len(used) == record["crop_used"][case]
        np.testing.assert_allclose(made.template_box, record["crop_bbox_z"][case], rtol=0, atol=5e-5)
        np.testing.assert_allclose(made.search_box, record["crop_bbox_x"][case], rtol=0, atol=5e-5)
        np.testing.assert_allclose(made.matrices, record["crop_affine"][case], rtol=0, atol=1e-4)
        for image, name, step in ((made.template, "z", 16), (made.search, "x", 32)):
            np.testing.assert_allclose(image.mean((0, 1)), record[f"crop_mean_{name}"][case], rtol=0, atol=2e-3)
            levels = np.abs(image[::step, ::step].astype(int) - record[f"crop_sub_{name}"][case])
            assert levels.max() <= 1


def test_sparsett_leaves_out_the_boxes_that_the_official_filter_rejects(reference: Path) -> None:
    record = recording(reference, "sparsett")
    found = [is_odd(w, h) for _, _, w, h in record["filter_xywh"]]
    assert found == record["filter_rejected"].tolist()


def test_siamattn_windows_and_cuts_are_the_official_ones(reference: Path, frames: np.ndarray) -> None:
    record = recording(reference, "siamattn")
    image = cv2.resize(frames[5], (511, 511))
    for row, (output, augmentation) in enumerate(((127, TEMPLATE), (255, SEARCH))):
        for case in range(8):
            corners, box = window(
                record["crop_box_in"][row, case], 511, output, augmentation, record["crop_draws"][row, case]
            )
            cut = cut_window(image, corners, output)
            if record["crop_flipped"][row, case]:
                cut, box = cut[:, ::-1], np.array([output - 1 - box[2], box[1], output - 1 - box[0], box[3]])
            np.testing.assert_allclose(box, record["crop_box_out"][row, case], rtol=0, atol=2e-6)
            np.testing.assert_allclose(cut.mean((0, 1)), record["crop_mean"][row, case], rtol=0, atol=1e-9)


def test_siamattn_windows_stay_in_small_images(reference: Path) -> None:
    record = recording(reference, "siamattn")
    k = 127 / np.sqrt((60 + 51) * (42 + 51))
    half = np.array([60, 42]) * k / 2
    for draws, wanted in zip(record["crop_draws"][1, :4], record["crop_small_box_out"], strict=True):
        _, box = window(np.concatenate([135 - half, 135 + half]), 271, 255, SEARCH, draws)
        np.testing.assert_allclose(box, wanted, rtol=0, atol=2e-6)


def test_siamattn_colour_noise_is_the_official_one(reference: Path) -> None:
    record = recording(reference, "siamattn")
    np.testing.assert_allclose(colour_noise(record["color_normal"]), record["color_added"], rtol=0, atol=2e-6)


def test_a_blur_keeps_the_mean() -> None:
    kernel = blur_kernel(7, 0.3)
    assert kernel.sum() == pytest.approx(1)
    assert np.count_nonzero(kernel) == 13


def test_target_and_mask_of_a_siamattn_cut_belong_together(frames: np.ndarray) -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[80:130, 100:160] = 1
    source = context_image(frames[0], np.array([100.0, 80, 60, 50]), mask)
    for seed in range(6):
        cut = cut_branch(source, 255, CutAugmentation(64, 0.18, 0.5, 0.5, 0.5), False, np.random.default_rng(seed))
        assert cut.mask is not None
        rows, columns = np.flatnonzero(cut.mask.any(1)), np.flatnonzero(cut.mask.any(0))
        inside = np.clip(cut.box, 0, 254)
        np.testing.assert_allclose([columns[0], rows[0], columns[-1], rows[-1]], inside, atol=2.5)

"""SiamAttn's targets and losses against the parts of the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from recorded import assert_gradient, cases, close, leaf, recording, unpacked

from trackbench.trackers.zoo.siamattn.anchors import anchor_boxes, decode
from trackbench.training.losses.siamattn import anchor_loss, classification_loss, mask_loss, refinement_loss
from trackbench.training.losses.siamattn_targets import (
    anchor_candidates,
    anchor_overlaps,
    anchor_targets,
    mask_targets,
    negative_candidates,
    negative_targets,
    proposal_corners,
    region_overlaps,
    region_targets,
)

RATIOS, STDS = (0.33, 0.5, 1.0, 2.0, 3.0), (0.1, 0.1, 0.2, 0.2)


def anchors() -> np.ndarray:
    boxes = anchor_boxes(25, 8, RATIOS, (8.0,)).numpy().astype(np.float64).reshape(5, 25, 25, 4)
    boxes[..., :2] += 127
    return boxes


def test_anchors_are_labelled_as_officially(reference: Path) -> None:
    record, grid = recording(reference, "siamattn"), anchors()
    np.testing.assert_array_equal(grid[:, [0, 12, 24], [0, 12, 24]].transpose(2, 0, 1), record["anchor_grid_center"])
    for case, corners in enumerate(record["anchor_boxes"]):
        overlaps = anchor_overlaps(grid, corners)
        np.testing.assert_allclose(overlaps[:, ::3, ::3], record["anchor_overlap"][case], rtol=0, atol=2e-6)
        np.testing.assert_array_equal(anchor_candidates(overlaps), record["anchor_candidates"][case])
        made = anchor_targets(grid, corners, np.random.RandomState(100 + case))
        np.testing.assert_array_equal(made.labels, record["anchor_selected"][case])
        np.testing.assert_allclose(made.weights, record["anchor_weight"][case], rtol=0, atol=2e-6)
        places = made.deltas[:, :, [3, 12, 20], [5, 12, 22]]
        np.testing.assert_allclose(places, record["anchor_delta"][case], rtol=2e-6, atol=2e-6)


def test_negative_pairs_are_labelled_as_officially(reference: Path) -> None:
    record, grid = recording(reference, "siamattn"), anchors()
    for case, corners in enumerate(record["anchor_boxes"]):
        candidates = negative_candidates(grid, corners, 255, 8)
        np.testing.assert_array_equal(candidates, record["negpair_candidates"][case])
        made = negative_targets(grid, corners, 255, 8, np.random.RandomState(200 + case))
        np.testing.assert_array_equal(made.labels, record["negpair_selected"][case])
        assert not made.weights.any()


def test_terms_and_gradients_are_the_official_ones(reference: Path) -> None:
    record = recording(reference, "siamattn")
    for case in cases(record, "loss_", "_seed"):
        of = {
            name.removeprefix(f"loss_{case}_"): value
            for name, value in record.items()
            if name.startswith(f"loss_{case}_")
        }
        count = len(of["label_cls"])
        random = np.random.default_rng(int(of["seed"]))
        cls = leaf(random.normal(0, 1.3, (count, 10, 25, 25)).astype(np.float32))
        loc = leaf(random.normal(0, 0.5, (count, 20, 25, 25)).astype(np.float32))
        np.testing.assert_array_equal(cls.detach().numpy()[:, :, 0, :3], of["cls_pred_head"])
        box, mask = leaf(of["bbox_pred"]), leaf(of["mask_pred"])
        ground_truth = torch.from_numpy(unpacked(of["mask_gt"], 3 * 12 * 12).reshape(count, 3, 12, 12))
        first = classification_loss(cls, torch.from_numpy(of["label_cls"]))
        second = anchor_loss(loc, torch.from_numpy(of["label_loc"]), torch.from_numpy(of["label_weight"]))
        third = refinement_loss(box, torch.from_numpy(of["bbox_gt"]), torch.from_numpy(of["bbox_weight"]))
        fourth = mask_loss(mask, ground_truth, torch.from_numpy(of["mask_weight"]))
        terms = (first, second, third, fourth.loss)
        for term, name in zip(terms, ("cls", "loc", "bbox", "mask"), strict=True):
            close(term.detach(), of[f"{name}_term"])
        np.testing.assert_allclose(fourth.iou.numpy(), of["iou"], rtol=0, atol=2e-6)
        weights = {"config": (5, 1.2, 1, 0.5), "code": (1, 1.2, 1, 0.4), "paper": (1, 0.2, 0.2, 0.1)}
        for name, factors in weights.items():
            total = sum(factor * term for factor, term in zip(factors, terms, strict=True))
            close(total.detach(), of[f"total_{name}"])  # type: ignore[union-attr]
        sum(factor * term for factor, term in zip(weights["config"], terms, strict=True)).backward()  # type: ignore[union-attr]
        for name, tensor in (("cls", cls), ("loc", loc)):
            wanted = np.zeros(tensor.shape, np.float32)
            wanted[tuple(of[f"grad_{name}_index"].T)] = of[f"grad_{name}_value"]
            assert_gradient(tensor.grad, wanted)
        assert_gradient(box.grad, of["grad_bbox"])
        assert_gradient(mask.grad, of["grad_mask"])


def proposals(record: dict[str, np.ndarray]) -> np.ndarray:
    """Return the corners of all decoded proposals of the three recorded images, (3, 3125, 4)."""
    random = np.random.default_rng(31)
    loc = np.asarray(random.normal(0, 0.3, (3, 20, 25, 25)), np.float32)
    loc[1] += np.float32(0.8)
    loc[2] *= np.float32(0.2)
    boxes = decode(torch.from_numpy(loc), anchor_boxes(25, 8, RATIOS, (8.0,)))
    return proposal_corners(boxes.numpy(), 255)


def test_regions_are_chosen_as_officially(reference: Path) -> None:
    record = recording(reference, "siamattn")
    boxes = proposals(record)
    np.testing.assert_allclose(boxes[:, ::25].transpose(0, 2, 1), record["roi_boxes_sample"], rtol=0, atol=5e-5)
    random = np.random.RandomState(7)
    for index, corners in enumerate(record["roi_gt"]):
        candidates = region_overlaps(np.concatenate([boxes[index], corners[None]]), corners) >= 0.5
        np.testing.assert_array_equal(candidates, unpacked(record[f"roi_candidates_{index}"], 3126))
        made = region_targets(boxes[index], corners, 16, STDS, random)
        np.testing.assert_allclose(made.regions, record["roi_rois"][index], rtol=0, atol=5e-5)
        np.testing.assert_allclose(made.deltas, record["roi_targets"][index], rtol=0, atol=5e-6)


def test_few_regions_are_repeated_as_officially(reference: Path) -> None:
    record = recording(reference, "siamattn")
    far = np.tile(np.array([0, 0, 30, 30], np.float32), (3121, 1))
    boxes = np.concatenate([far, record["roi_few_boxes"].T])
    made = region_targets(boxes, record["roi_gt"][0], 16, STDS, np.random.RandomState(8))
    np.testing.assert_allclose(made.regions, record["roi_few_rois"][0], rtol=0, atol=5e-5)
    np.testing.assert_allclose(made.deltas, record["roi_few_targets"][0], rtol=0, atol=5e-6)


def test_masks_are_cut_as_officially(reference: Path) -> None:
    record = recording(reference, "siamattn")
    y, x = np.mgrid[:255, :255]
    masks = [
        ((x - 125) / 45) ** 2 + ((y - 125) / 55) ** 2 < 1,
        (np.abs(x - 40) < 50) & (np.abs(y - 85) < 45),
        np.zeros((255, 255), bool),
    ]
    for index, mask in enumerate(masks):
        found = mask_targets(mask.astype(np.uint8), record["roi_rois"][index], 64)
        np.testing.assert_array_equal(found.reshape(16, -1), unpacked(record["mask_targets"][index], 4096))
    edges = mask_targets(masks[0].astype(np.uint8), record["mask_edge_rois"][0], 64)
    np.testing.assert_array_equal(edges.reshape(6, -1), unpacked(record["mask_edge_targets"], 4096))

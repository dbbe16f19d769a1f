"""SparseTT's labels and losses against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from recorded import assert_gradient, cases, close, leaf, recording

from trackbench.training.losses.sparsett import cell_labels, focal_loss, iou_loss


def test_cells_are_labelled_as_officially(reference: Path) -> None:
    record = recording(reference, "sparsett")
    for corners, classes, boxes in zip(record["label_boxes"], record["label_cls"], record["label_box"], strict=True):
        made = cell_labels(corners, 19, 16)
        np.testing.assert_array_equal(made.classes, classes[0])
        np.testing.assert_array_equal(made.boxes, boxes)
        np.testing.assert_array_equal(cell_labels(corners, 19, 16, negative=True).classes, classes[1])


def test_losses_and_gradients_are_the_official_ones(reference: Path) -> None:
    record = recording(reference, "sparsett")
    for case in cases(record, "loss_", "_cls_gt"):
        of = {
            name.removeprefix(f"loss_{case}_"): value
            for name, value in record.items()
            if name.startswith(f"loss_{case}_")
        }
        classes = torch.from_numpy(of["cls_gt"][..., 0].astype(np.int64))
        total = torch.zeros(())
        leaves = {}
        for head, name, focal, overlap in (("fc", "FC", 1.4, 0.6), ("conv", "Conv", 0.5, 2.0)):
            leaves[f"cls_{head}"], leaves[f"bbox_{head}"] = leaf(of[f"cls_{head}"]), leaf(of[f"bbox_{head}"])
            first = focal * focal_loss(leaves[f"cls_{head}"][..., 0], classes)
            second = iou_loss(leaves[f"bbox_{head}"], torch.from_numpy(of["box_gt"]), classes)
            close(first.detach(), of[f"FocalLoss{name}"])
            close(overlap * second.loss.detach(), of[f"IOULoss{name}"])
            close(second.iou, of[f"iou_{head}"])
            total = total + first + overlap * second.loss
        close(total.detach(), of["total"])
        total.backward()
        for name, tensor in leaves.items():
            assert_gradient(tensor.grad, of[f"grad_{name}"])

"""SBT's labels and loss against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from recorded import assert_gradient, cases, close, leaf, recording, unpacked

from trackbench.training.losses.sbt import token_labels, token_loss


def test_tokens_are_labelled_as_officially_boxes_beyond_the_border_included(reference: Path) -> None:
    record = recording(reference, "sbt")
    for box, mask in zip(record["label_boxes"], record["label_mask"], strict=True):
        np.testing.assert_array_equal(token_labels(box, 32), unpacked(mask, 1024))


def test_a_box_beyond_the_left_border_keeps_its_tokens_on_demand() -> None:
    box = np.array([-0.125, 0.25, 0.375, 0.25], np.float32)
    assert not token_labels(box, 16).any()
    assert token_labels(box, 16, clip=True).sum() == 4 * 4


def test_terms_and_gradients_are_the_official_ones(reference: Path) -> None:
    record = recording(reference, "sbt")
    found = cases(record, "loss_", "_logits")
    assert len([case for case in found if not case.endswith("_grad")]) == 5
    for case in found:
        if case.endswith("_grad"):
            continue
        of = {
            name.removeprefix(f"loss_{case}_"): value
            for name, value in record.items()
            if name.startswith(f"loss_{case}_")
        }
        logits, boxes = leaf(of["logits"]), leaf(of["pred"])
        positive = np.stack([token_labels(box, 16) for box in of["gt"]])
        assert positive.sum() == of["positives"]
        loss = token_loss(logits, boxes, torch.from_numpy(of["gt"]), torch.from_numpy(positive))
        for name, value in (("ce", loss.classification), ("bbox", loss.l1), ("giou", loss.giou), ("iou", loss.iou)):
            close(value.detach(), of[name])
        total = 120 * loss.classification + 70 * loss.l1 + 50 * loss.giou
        close(total.detach(), of["total"])
        total.backward()
        assert_gradient(logits.grad, of["grad_logits"])
        assert_gradient(boxes.grad, of["grad_pred"])

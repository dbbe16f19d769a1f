"""The loss of the corner head, AiATrack's proposals and regions, against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from recorded import assert_gradient, cases, close, leaf, recording, unpacked

from trackbench.training.losses.aiatrack import make_proposals, target_region
from trackbench.training.losses.corner import corner_loss


@pytest.mark.parametrize("tracker", ["simtrack", "aiatrack"])
def test_terms_and_gradients_are_the_official_ones(reference: Path, tracker: str) -> None:
    record = recording(reference, tracker)
    found = cases(record, "loss_", "_pred")
    assert {"plain", "inverted", "inverted_tiny", "border", "disjoint_zero", "exact"} == set(found)
    for case in found:
        of = {name: record[f"loss_{case}_{name}"] for name in ("pred", "gt", "giou", "l1", "mean_iou", "total", "grad")}
        predicted = leaf(of["pred"])
        loss = corner_loss(predicted[:, 0], torch.from_numpy(of["gt"]))
        absolute = 3e-7 if case == "exact" else 2e-7
        for name, value in (("giou", loss.giou), ("l1", loss.l1), ("mean_iou", loss.iou)):
            close(value.detach(), of[name], absolute)
        total = 2 * loss.giou + 5 * loss.l1
        if tracker == "aiatrack":
            iou = leaf(record[f"loss_{case}_pred_iou"])
            total = total + 2 * F.mse_loss(iou, torch.from_numpy(record[f"loss_{case}_gt_iou"]))
        close(total.detach(), of["total"], 1e-6)
        total.backward()
        if case == "exact":
            continue
        assert_gradient(predicted.grad, of["grad"])
        if tracker == "aiatrack":
            assert_gradient(iou.grad, record[f"loss_{case}_grad_iou"])


def test_only_the_inverted_box_is_left_out_on_demand() -> None:
    predicted = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, -0.1, 0.2]], requires_grad=True)
    target = torch.tensor([[0.4, 0.4, 0.2, 0.2], [0.4, 0.4, 0.2, 0.2]])
    assert corner_loss(predicted, target).giou == 0
    assert corner_loss(predicted, target, "box").iou == pytest.approx(0.5)


def test_a_prediction_that_is_no_number_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="not numbers"):
        corner_loss(torch.tensor([[torch.nan, 0, 1, 1]]), torch.tensor([[0.0, 0, 1, 1]]))


def test_proposals_are_the_official_ones(reference: Path) -> None:
    record = recording(reference, "aiatrack")
    for index, box in enumerate(record["prop_box"]):
        made = make_proposals(box, record["prop_choice"][index], record["prop_normal"][index])
        np.testing.assert_array_equal(made.tries, record["prop_tries"][index])
        np.testing.assert_allclose(made.boxes, record["prop_boxes"][index], rtol=0, atol=2e-6)
        np.testing.assert_allclose(made.targets, record["prop_target"][index], rtol=0, atol=2e-6)


def test_regions_are_the_official_ones(reference: Path) -> None:
    record = recording(reference, "aiatrack")
    empty = 0
    for case in cases(record, "pipe_", "_region"):
        for box, region in zip(record[f"pipe_{case}_reference_anno"], record[f"pipe_{case}_region"], strict=True):
            found = target_region(box, 20)
            np.testing.assert_array_equal(found, unpacked(region, 400))
            empty += not found.any()
    assert empty == 1

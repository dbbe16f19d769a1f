"""What is measured while training: steps from the true previous box, and tracking of a few sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trackbench.datasets.catalogue import open_dataset, select
from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import UsageError
from trackbench.frames import read_frame
from trackbench.metrics.alignment import SequenceGroundTruth
from trackbench.metrics.conventions import convention
from trackbench.metrics.ope import evaluate
from trackbench.regions import region_to_box
from trackbench.trackers.base import Target, TrackerModel
from trackbench.training.data.clips import with_area
from trackbench.training.recipe import ValidationOptions
from trackbench.training.session import Session


class Validation:
    """The held-out sequences of a recipe.

    Args:
        session: the training.
        options: of the recipe.
        device: torch device.

    Raises:
        UsageError: the data set is not found.
    """

    def __init__(self, session: Session, options: ValidationOptions, device: str = "cpu") -> None:
        if options.dataset is None:
            raise UsageError("validation.every is set, but no validation.dataset")
        self.session, self.options, self.device = session, options, device
        patterns = list(options.sequences) or None
        self.sequences = select(open_dataset(options.dataset), patterns).sequences

    def __call__(self, weights: dict[str, Tensor]) -> dict[str, float]:
        """Return the mean IoU and size ratio of single steps, and the success AUC of each sequence and their mean.

        A size ratio is the square root of the predicted over the true area: above 1 where boxes grow.
        """
        on_cpu = {name: tensor.cpu().clone() for name, tensor in weights.items()}
        tracker = cast(Any, self.session.model)(self.session.settings.options, self.device, weights=on_cpu)
        ious, ratios = one_steps(tracker, self.sequences, self.options.pairs)
        scores = {f"auc_{sequence.name}": track(tracker, sequence) for sequence in self.sequences}
        mean = float(np.mean(list(scores.values()))) if scores else float("nan")
        return {"one_step_iou": ious, "size_ratio": ratios, "auc": mean, **scores}


def one_steps(tracker: TrackerModel[Any], sequences: Sequence[VideoSequence], pairs: int) -> tuple[float, float]:
    """Return mean IoU and geometric mean size ratio of steps from the true box of the frame before.

    The target is shown in the first frame of its sequence; the steps are spread evenly over all frames.

    Args:
        tracker: whose states hold the last box as ``box``, or as ``x``, ``y`` of its centre, ``w`` and ``h``.
        sequences: where.
        pairs: steps in all.
    """
    places = [
        (sequence, index)
        for sequence in sequences
        for index in range(1, len(sequence))
        if with_area(sequence.ground_truth.boxes[[index - 1, index]]).all()
    ]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(pairs, len(places))).astype(int)).tolist()
    ious, ratios = [], []
    started: VideoSequence | None = None
    state: Any = None
    for sequence, index in (places[place] for place in chosen):
        if sequence is not started:
            (state,) = tracker.start([read_frame(sequence.frames[0])], [Target(sequence.initial_region())])
            started = sequence
        _place(state, sequence.ground_truth.boxes[index - 1])
        (prediction,) = tracker.step([read_frame(sequence.frames[index])], [state])
        box = region_to_box(prediction.region).array()
        truth = sequence.ground_truth.boxes[index]
        ious.append(_iou(box, truth))
        ratios.append(float(np.sqrt(max(box[2:].prod(), 1e-6) / truth[2:].prod())))
    return float(np.mean(ious or [np.nan])), float(np.exp(np.mean(np.log(ratios or [np.nan]))))


def track(tracker: TrackerModel[Any], sequence: VideoSequence) -> float:
    """Return the success AUC of a sequence, tracked from its first frame to its last."""
    states = tracker.start([read_frame(sequence.frames[0])], [Target(sequence.initial_region())])
    boxes = [region_to_box(sequence.initial_region()).array()]
    for path in sequence.frames[1:]:
        (prediction,) = tracker.step([read_frame(path)], states)
        boxes.append(region_to_box(prediction.region).array())
    annotation = sequence.ground_truth
    judged = SequenceGroundTruth(sequence.name, annotation.boxes, annotation.absent)
    return float(evaluate([judged], [np.stack(boxes)], convention("matlab")).mean().success_auc)


def _place(state: Any, box: NDArray[np.float64]) -> None:
    """Put the target's last box where it is."""
    if hasattr(state, "box"):
        state.box = np.array(box)
    else:
        state.x, state.y = (box[:2] + box[2:] / 2).tolist()
        state.w, state.h = box[2:].tolist()


def _iou(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    size = np.minimum(first[:2] + first[2:], second[:2] + second[2:]) - np.maximum(first[:2], second[:2])
    intersection = np.maximum(size, 0).prod()
    return float(intersection / (first[2:].prod() + second[2:].prod() - intersection))

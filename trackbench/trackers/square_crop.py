"""The skeleton of trackers that cut square crops and predict one box in each, as STARK and its successors do.

A subclass says what is kept of a template (:meth:`SquareCropTracker.encode_template`) and where the target is in a
search region (:meth:`SquareCropTracker.locate`). Cropping, normalising, batching, the way back to the frame and the
single read from the device are here::

    class MyState(SquareCropState):
        tokens: Tensor

    class MyTracker(SquareCropTracker[MyState]):
        def encode_template(self, images, crops, boxes, targets):
            return [MyState(box, tokens.clone()) for box, tokens in zip(boxes, self.network.encode(images))]

        def locate(self, images, crops, states):
            output = self.network(images, torch.stack([state.tokens for state in states]))
            return Located(output.boxes, output.scores)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trackbench.nn.crops.resample import resample_squares
from trackbench.nn.crops.square import SquareCrops, described, next_boxes, square_around, square_crop, square_windows
from trackbench.nn.staging import HostCopy
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Prediction, Target
from trackbench.trackers.networks import NetworkModel, inference

UPLOADED = 2
"""Windows with more than so many times the pixels of their crops are resampled on the host."""


@dataclass
class SquareCropState:
    """One target. Subclasses add what their network keeps of it, on the model's device."""

    box: NDArray[np.float64]
    """Where it was last, (4,) x, y, w, h in pixels, not rounded."""


S = TypeVar("S", bound=SquareCropState)


class SquareView(NamedTuple):
    """How a square is cut."""

    factor: float
    """Side of the square over ``sqrt(w * h)`` of the target."""
    size: int
    """Side of the crop in pixels."""


class Located(NamedTuple):
    """Where a network sees the targets of a batch; tensors are on the model's device."""

    boxes: Tensor
    """(B, 4): centre x and y, width and height over the side of the search region; sizes can be negative."""
    scores: Tensor | None = None
    """(B,): confidences; None where the tracker has none."""
    extras: Mapping[str, Tensor] = {}
    """Further numbers for each target's ``Prediction.extras``, (B,) each; integers become ``int``."""
    context: Any = None
    """What :meth:`SquareCropTracker.update` needs."""


class SquareCropTracker(NetworkModel[S]):
    """A network tracker on square crops; see the module's text."""

    @property
    def template_view(self) -> SquareView:
        """Return how the template is cut; by default from the options ``template_factor`` and ``template_size``."""
        return SquareView(self.options.template_factor, self.options.template_size)

    @property
    def search_view(self) -> SquareView:
        """Return how the search region is cut; by default from the options ``search_factor`` and ``search_size``."""
        return SquareView(self.options.search_factor, self.options.search_size)

    @abstractmethod
    def encode_template(
        self, images: Tensor, crops: SquareCrops[Any], boxes: NDArray[np.float64], targets: list[Target]
    ) -> list[S]:
        """Return the state of each target.

        Args:
            images: normalised templates (B, 3, T, T).
            crops: how they were cut.
            boxes: the targets in their frames, (B, 4) x, y, w, h in pixels.
            targets: all that the data set says of them, such as a sentence.
        """

    @abstractmethod
    def locate(self, images: Tensor, crops: SquareCrops[Any], states: list[S]) -> Located:
        """Find the targets.

        Args:
            images: normalised search regions (B, 3, S, S).
            crops: how they were cut.
            states: the targets; their boxes are those of the frame before.
        """

    def update(self, states: list[S], context: Any, scores: list[float | None]) -> None:
        """Learn from a frame whose boxes are known; by default nothing.

        Args:
            states: the targets, with their new boxes.
            context: what :meth:`locate` gave.
            scores: the confidences that it gave.
        """

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[S]:
        """Read each target's template.

        Raises:
            TrackerError: a box without area, or whose surroundings lie outside of the frame.
        """
        boxes = np.stack([region_to_box(target.region).array() for target in targets])
        crops = self._crop(frames, boxes, self.template_view)
        return self.encode_template(self.normalise(crops.images), crops, boxes, targets)

    def step(self, frames: list[Frame], states: list[S]) -> list[Prediction]:
        """Find each target in its next frame."""
        return self.launch(frames, states)()

    @inference
    def launch(self, frames: list[Frame], states: list[S]) -> Callable[[], list[Prediction]]:
        """Cut the crops and let the device begin; what is returned waits for it."""
        boxes = np.stack([state.box for state in states])
        crops = self._crop(frames, boxes, self.search_view)
        located = self.locate(self.normalise(crops.images), crops, states)
        columns = [located.boxes, *(column[:, None] for column in self._columns(located))]
        # The only read of a step: the host waits for the device once.
        answers = HostCopy(torch.cat([column.double() for column in columns], 1))
        return lambda: self._finish(frames, states, boxes, crops, located, answers)

    @inference
    def _finish(
        self,
        frames: list[Frame],
        states: list[S],
        boxes: NDArray[np.float64],
        crops: SquareCrops[Any],
        located: Located,
        answers: HostCopy,
    ) -> list[Prediction]:
        numbers = answers.array()
        boxes = next_boxes(numbers[:, :4].astype(np.float32), boxes, crops.factors, self.search_view.size, frames)
        for state, box in zip(states, boxes, strict=True):
            state.box = box
        first = 4 if located.scores is None else 5
        scores: list[float | None] = [None] * len(states) if first == 4 else numbers[:, 4].tolist()
        self.update(states, located.context, scores)
        whole = [not column.is_floating_point() for column in located.extras.values()]
        predictions = []
        for box, score, row in zip(self._reported(boxes), scores, numbers[:, first:].tolist(), strict=True):
            values = [int(value) if integer else value for value, integer in zip(row, whole, strict=True)]
            predictions.append(Prediction(Box.of(box), score, dict(zip(located.extras, values, strict=True))))
        return predictions

    def search_window(self, state: S) -> Box:
        """Return the square that is cut around the last box."""
        left, top, side = square_around(state.box.tolist(), self.search_view.factor)
        return Box(left, top, side, side)

    def _crop(self, frames: list[Frame], boxes: NDArray[np.float64], view: SquareView) -> SquareCrops[Any]:
        """Return crops; those of a GPU are resampled there, to the same pixels, unless the windows are far larger."""
        with self.cropping():
            if self.device == "cpu":
                return square_crop(frames, boxes, *view)
            windows = square_windows(frames, boxes, view.factor)
            images = [window.image for window in windows]
            if sum(image.size for image in images) > UPLOADED * len(images) * 3 * view.size**2:
                return square_crop(frames, boxes, *view)
            return described(windows, resample_squares(images, view.size, self.device))

    @staticmethod
    def _columns(located: Located) -> list[Tensor]:
        scores = [] if located.scores is None else [located.scores]
        return [*scores, *located.extras.values()]

    def _reported(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes as they are reported: truncated where the option ``integer_boxes`` asks for it."""
        return np.trunc(boxes) if getattr(self.options, "integer_boxes", False) else boxes

"""Alpha-Refine: the pixels of a target near a box that a tracker has found.

Source: Yan et al., "Alpha-Refine: Boosting Tracking Performance by Precise Bounding Box Estimation", CVPR 2021, in the
form that its authors entered in the VOT2020 challenge: 384 pixels, mask head only. The target of the first frame
becomes a kernel once. Each later frame is cut around the tracker's box, compared with the kernel, and the mask of the
crop is brought back to the frame. Nothing goes back to the tracker.

Where this differs from the official code: crops are normalised in float32 instead of float64, which moves no pixel of
the recorded masks; a box whose crop would show nothing, or be far too large, is left without a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.errors import TrackerError
from trackbench.nn.staging import upload
from trackbench.regions import Box, Mask
from trackbench.trackers.base import Frame, Options
from trackbench.trackers.networks import Networked, NetworkOptions, inference
from trackbench.trackers.refiner import Refiner
from trackbench.trackers.zoo.alpharefine.checkpoint import KEYS
from trackbench.trackers.zoo.alpharefine.crop import Rectangle, rectangle_around
from trackbench.trackers.zoo.alpharefine.network import AlphaRefineNetwork


class AlphaRefineOptions(NetworkOptions):
    """Options of :class:`AlphaRefine`."""

    size: int = Field(384, ge=64, le=1024, multiple_of=64)
    """Side of the crops in pixels; the reference has (size / 32)^2 places, and the network's neck as many channels."""
    factor: float = Field(2.0, ge=1.0, le=8.0)
    """Width and height of what is cut, over those of the box."""
    threshold: float = Field(0.65, ge=0.0, le=1.0)
    """Pixels with a higher probability belong to the target (VOT2020: 0.65)."""


@dataclass
class Reference:
    """What is known of one target."""

    kernel: Tensor
    """Its features at the first frame, float32 (P * P, 1024) on the refiner's device."""


class AlphaRefine(Networked, Refiner[Reference]):
    """The mask refiner; see the module's text."""

    Options: ClassVar[type[Options]] = AlphaRefineOptions
    options: AlphaRefineOptions
    network: AlphaRefineNetwork

    @classmethod
    def build_network(cls, options: AlphaRefineOptions) -> AlphaRefineNetwork:
        """Return the network with initial weights."""
        return AlphaRefineNetwork(options.size)

    @classmethod
    def key_map(cls, options: AlphaRefineOptions) -> KeyMap:
        """Return how official names become ours."""
        return KEYS

    def prepare(self, network: AlphaRefineNetwork) -> AlphaRefineNetwork:
        """Fold the batch norms and lay the weights out as the device wants them."""
        return network.for_inference(cpu=self.packs)

    @inference
    def start(self, frames: list[Frame], boxes: list[Box]) -> list[Reference]:
        """Learn each target from its first frame.

        Raises:
            TrackerError: a box without area, with a number that is not finite, far too large, or outside of the frame.
        """
        size = self.options.size
        rectangles = []
        for frame, box in zip(frames, boxes, strict=True):
            rectangle = rectangle_around(box, self.options.factor, frame)
            if rectangle is None:
                rows, columns = frame.shape[:2]
                raise TrackerError(
                    f"alpharefine cannot start on box x={box.x:g} y={box.y:g} w={box.w:g} h={box.h:g} of a frame of "
                    f"{columns}x{rows} pixels: expected finite numbers, a positive width and height, and an overlap"
                )
            rectangles.append(rectangle)
        targets = np.stack([r.box_within(box, size) for r, box in zip(rectangles, boxes, strict=True)])
        kernels = self.network.reference(self._crops(frames, rectangles), upload(targets, self.device))
        return [Reference(kernel.clone()) for kernel in kernels]

    @inference
    def refine(self, frames: list[Frame], boxes: list[Box], states: list[Reference]) -> list[Mask | None]:
        """Return the pixels of each target; None for a box without area, or too large, or outside of the frame."""
        masks: list[Mask | None] = [None] * len(frames)
        rectangles = [
            rectangle_around(box, self.options.factor, frame) for frame, box in zip(frames, boxes, strict=True)
        ]
        seen = {index: rectangle for index, rectangle in enumerate(rectangles) if rectangle is not None}
        if not seen:
            return masks
        kernels = torch.stack([states[index].kernel for index in seen])
        crops = self._crops([frames[index] for index in seen], list(seen.values()))
        logits = self.on_device(self.network.logits, kernels, crops)
        probabilities = logits[:, 0].float().sigmoid().cpu().numpy()
        for (index, rectangle), probability in zip(seen.items(), probabilities, strict=True):
            rows, columns = frames[index].shape[:2]
            masks[index] = rectangle.paste(probability, self.options.threshold, (columns, rows))
        return masks

    def _crops(self, frames: list[Frame], rectangles: list[Rectangle]) -> Tensor:
        """Return normalised crops (B, 3, S, S)."""
        size = self.options.size
        images = np.stack([r.cut(frame, size) for frame, r in zip(frames, rectangles, strict=True)])
        crops: Tensor = self.normalise(images)
        return crops

"""SimTrack as a tracker: an exemplar at the first frame, a search image around the last box, a box from two corners.

There is no window, no penalty, no template update and no confidence: the last box is all that changes (Sec. 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.square import SquareCrops
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.packed_conv import pack_convolutions
from trackbench.nn.staging import upload
from trackbench.trackers.base import Options, Target
from trackbench.trackers.maps import MapReader
from trackbench.trackers.square_crop import Located, SquareCropState, SquareCropTracker
from trackbench.trackers.zoo.simtrack.checkpoint import checkpoint_keys
from trackbench.trackers.zoo.simtrack.initialisation import initialise_backbone
from trackbench.trackers.zoo.simtrack.maps import simtrack_maps
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.vit_backbone import Memory


@dataclass
class SimTrackState(SquareCropState):
    """One target."""

    memory: Memory
    """What its exemplar gives to every frame; tensors without the batch dimension, on the model's device."""


class SimTrackTracker(SquareCropTracker[SimTrackState]):
    """The tracker; predictions have no score."""

    Options: ClassVar[type[Options]] = SimTrackOptions
    options: SimTrackOptions
    network: SimTrack

    @classmethod
    def build_network(cls, options: SimTrackOptions) -> SimTrack:
        """Return the network with random weights, its backbone with those of ``options.backbone_file`` if there is one.

        Raises:
            DataError: the file does not fit.
        """
        network = SimTrack(options)
        initialise_backbone(network, options)
        return network

    @classmethod
    def key_map(cls, options: SimTrackOptions) -> KeyMap:
        """Return how official checkpoints name the parameters."""
        return checkpoint_keys(options)

    def prepare(self, network: SimTrack) -> nn.Module:
        """Fold the predictor's norms; on a CPU bring its and the backbone's weights into their layout."""
        fold_batch_norms(network.box_head)
        if self.packs:
            network.backbone.for_inference()
            pack_convolutions(network.box_head, network.grid)
        return network

    def encode_template(
        self, images: Tensor, crops: SquareCrops[Any], boxes: NDArray[np.float64], targets: list[Target]
    ) -> list[SimTrackState]:
        """Return the exemplars' tokens that no later frame changes."""
        inside = exemplar_boxes(boxes, crops.factors, self.options.template_size)
        memory = self.network.exemplar(images, upload(inside, self.device))
        return [SimTrackState(box, tuple(part[index].clone() for part in memory)) for index, box in enumerate(boxes)]

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps that SimTrack offers."""
        return simtrack_maps(self.network)

    def locate(self, images: Tensor, crops: SquareCrops[Any], states: list[SimTrackState]) -> Located:
        """Read the box from the two corners."""
        memory = tuple(torch.stack(parts) for parts in zip(*(state.memory for state in states), strict=True))
        return Located(self.on_device(self.network.locate, images, memory).boxes)


def exemplar_boxes(boxes: NDArray[np.float64], factors: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """Return where targets are in their exemplars, (N, 4) float32, x, y, w, h in units of the exemplar's side.

    The official code cuts the corner to a whole pixel, towards zero, and computes all of it in float32.

    Args:
        boxes: (N, 4), the targets in their frames.
        factors: (N,), pixels of the exemplar for each pixel of the frame.
        size: side of the exemplars in pixels.

    Example:
        >>> exemplar_boxes(np.array([[0.0, 0.0, 10.0, 200.0]]), np.array([112 / 90]), 112) * 112
        array([[ 49.      , -68.      ,  12.444445, 248.8889  ]], dtype=float32)
    """
    sizes = boxes[:, 2:].astype(np.float32) * factors.astype(np.float32)[:, None]
    corners = np.trunc(np.float32(size / 2) - sizes / np.float32(2))
    return np.asarray(np.concatenate([corners, sizes], 1) / np.float32(size), np.float32)

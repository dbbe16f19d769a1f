"""SparseTT: search around the last box, decode the search region by what the template says, pick a cell.

The template is encoded once, on the first frame, and never renewed. All targets of a step go through the network
together. Boxes follow the official convention: the centre of a box is ``x + (w - 1) / 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.aligned import aligned_crop
from trackbench.nn.crops.context import context_side
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.layers.siamrpn import change_penalty
from trackbench.nn.layers.windows import hann_window
from trackbench.nn.staging import HostCopy, upload
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.maps import MapReader
from trackbench.trackers.networks import NetworkModel, NetworkOptions, inference
from trackbench.trackers.targets import start_box
from trackbench.trackers.zoo.sparsett.checkpoint import official_keys, start_from_imagenet
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.head import Heads
from trackbench.trackers.zoo.sparsett.maps import sparsett_maps
from trackbench.trackers.zoo.sparsett.network import FocusNetwork, NetworkSize, SparseTTNetwork

TEMPLATE, SEARCH = 127, 289
"""Sides of template and search region in pixels; learned positions fix them."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's red, green and blue, in grey levels."""
MIN_SIZE = 10.0
"""Least width and height of a box in pixels."""

Floats = NDArray[np.float64]


class SparseTTOptions(NetworkOptions):
    """Options of :class:`SparseTT`."""

    encoder_layers: int = Field(2, ge=0, le=6)
    """Layers of the encoder, N (table 1)."""
    decoder_layers: int = Field(2, ge=1, le=6)
    """Layers of the decoder, M (table 2)."""
    top_k: int = Field(32, ge=1, le=361)
    """Keys that each query of the sparse attention keeps, K (table 3); 361, all of them, is plain attention."""
    heads: Heads = "double"
    """Heads of the predictor: both, or only the convolutional (``conv``) or the fully connected one (``fc``)."""
    context: float = Field(0.5, ge=0.0, le=2.0)
    """Context around a target of width w and height h, over w + h; a template covers it all."""
    test_lr: float = Field(0.95, ge=0.0, le=1.0)
    """Weight of a new size, times its penalty and score."""
    window_influence: float = Field(0.21, ge=0.0, le=1.0)
    """Weight of the cosine window in the choice of a cell."""
    penalty_k: float = Field(0.04, ge=0.0, le=1.0)
    """Strength of the penalty on changes of size and shape."""
    backbone_file: Path | None = None
    """Classification weights of Swin-T as published (``swin_tiny_patch4_window7_224.pth``), from which the backbone of
    a network without a checkpoint starts."""


@dataclass
class SparseTTState:
    """One target. Geometry is in pixels of the frame, the centre of its first pixel being 0."""

    x: float
    """Centre of the box."""
    y: float
    w: float
    h: float
    border: tuple[int, ...]
    """Mean colour of the first frame, for what lies outside of any frame."""
    memory: Tensor
    """Keys and values of the encoded template, (M, 2, heads, 64, 32), on the model's device."""


class SparseTT(NetworkModel[SparseTTState]):
    """The tracker; see the module's text."""

    Options: ClassVar[type[Options]] = SparseTTOptions
    options: SparseTTOptions
    network: FocusNetwork

    def __init__(self, options: SparseTTOptions, device: str = "cpu", **weights: Any) -> None:
        super().__init__(options, device, **weights)
        self._window = hann_window((self.network.search_side,) * 2, torch.float64, device).flatten()

    @classmethod
    def build_network(cls, options: Any) -> FocusNetwork:
        """Return the network of the options' layers, sparseness and heads."""
        network = SparseTTNetwork(network_size(options))
        start_from_imagenet(network.backbone, options.backbone_file)
        return network

    @classmethod
    def normaliser(cls) -> Normaliser:
        """Return ImageNet's normalisation in grey levels."""
        return Normaliser(MEAN, STD, levels=1)

    @classmethod
    def key_map(cls, options: SparseTTOptions) -> KeyMap:
        """Return how the official names become ours."""
        return official_keys(options.heads)

    def prepare(self, network: FocusNetwork) -> FocusNetwork:
        """Fold batch norms, drop what tracking never computes."""
        return network.for_inference(cpu=self.packs)

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[SparseTTState]:
        """Encode each target's template.

        Raises:
            TrackerError: a region without area, or with a number that is not finite.
        """
        boxes = [start_box("sparsett", target.region) for target in targets]
        # The official code rounds annotations to float32, and the centres that it computes from them.
        numbers = np.array([box.numbers() for box in boxes], np.float32)
        centres = (numbers[:, :2] + (numbers[:, 2:] - 1) / 2).astype(np.float64)
        sizes = numbers[:, 2:].astype(np.float64)
        borders = [tuple(int(level) for level in frame.mean((0, 1))) for frame in frames]
        crops = aligned_crop(frames, centres, _side(TEMPLATE, self._scale(sizes)), TEMPLATE, borders)
        memory = self.network.encode(self.normalise(crops))
        return [
            SparseTTState(x, y, w, h, border, memory[i].clone())
            for i, ((x, y), (w, h), border) in enumerate(zip(centres.tolist(), sizes.tolist(), borders, strict=True))
        ]

    def step(self, frames: list[Frame], states: list[SparseTTState]) -> list[Prediction]:
        """Follow each target into its next frame. The score is the chosen cell's, penalised and windowed.

        ``extras`` has the chosen ``cell``, row by row, and its ``fused_score`` before penalty and window.
        """
        return self.launch(frames, states)()

    @inference
    def launch(self, frames: list[Frame], states: list[SparseTTState]) -> Callable[[], list[Prediction]]:
        """Cut the crops and let the device begin; what is returned waits for it."""
        centres = np.array([(state.x, state.y) for state in states])
        sizes = np.array([(state.w, state.h) for state in states])
        scales = self._scale(sizes)
        with self.cropping():
            crops = aligned_crop(frames, centres, _side(SEARCH, scales), SEARCH, [state.border for state in states])
        limits = np.array([frame.shape[1::-1] for frame in frames])
        geometry = np.concatenate([centres, sizes, limits, scales[:, None]], 1)
        images, memory = self.normalise(crops), torch.stack([state.memory for state in states])
        answers = HostCopy(self.on_device(self._track, images, memory, upload(geometry, self.device)))
        return lambda: self._finish(states, answers)

    def _track(self, images: Tensor, memory: Tensor, geometry: Tensor) -> Tensor:
        scores, boxes = self.network.track(images, memory)
        return self._choose(scores.double(), boxes.double(), geometry)

    def _finish(self, states: list[SparseTTState], answers: HostCopy) -> list[Prediction]:
        predictions = []
        for state, (x, y, w, h, rank, score, cell) in zip(states, answers.array().tolist(), strict=True):
            state.x, state.y, state.w, state.h = x, y, w, h
            extras = {"cell": int(cell), "fused_score": score}
            predictions.append(Prediction(Box(x - (w - 1) / 2, y - (h - 1) / 2, w, h), rank, extras))
        return predictions

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps that SparseTT offers."""
        return sparsett_maps(self.network)

    def search_window(self, state: SparseTTState) -> Box:
        """Return the square around the last centre."""
        side = float(_side(SEARCH, self._scale(np.array([(state.w, state.h)])))[0])
        return Box(state.x + 0.5 - side / 2, state.y + 0.5 - side / 2, side, side)

    def _choose(self, scores: Tensor, boxes: Tensor, geometry: Tensor) -> Tensor:
        """Choose a cell for each target and move its box there; the size follows slowly.

        Args:
            scores: float64 (B, cells).
            boxes: corners in pixels of the search regions, float64 (B, cells, 4).
            geometry: centre and size of each target in its frame, width and height of the frame, pixels of the search
                region over those of the frame, float64 (B, 7).

        Returns:
            New centre and size, penalised and windowed score, score before that, and the cell, float64 (B, 7).
        """
        options = self.options
        centres, sizes, limits, scales = geometry[:, :2], geometry[:, 2:4], geometry[:, 4:6], geometry[:, 6:]
        extents = boxes[..., 2:] - boxes[..., :2] + 1
        penalties = change_penalty(extents, (sizes * scales)[:, None], options.penalty_k)
        ranks = penalties * scores * (1 - options.window_influence) + self._window * options.window_influence
        cells = ranks.argmax(1, keepdim=True)
        rank, penalty, score = (numbers.gather(1, cells) for numbers in (ranks, penalties, scores))
        box, extent = (
            pairs.gather(1, cells[..., None].expand(-1, -1, pairs.shape[2]))[:, 0] for pairs in (boxes, extents)
        )
        shifts = (box[:, :2] + box[:, 2:]) / 2 - SEARCH // 2
        rate = penalty * score * options.test_lr
        new_centres = (centres + shifts / scales).clamp_min(0).minimum(limits)
        new_sizes = (sizes * (1 - rate) + extent / scales * rate).clamp_min(MIN_SIZE).minimum(limits)
        return torch.cat([new_centres, new_sizes, rank, score, cells.double()], 1)

    def _scale(self, sizes: Floats) -> Floats:
        """Return pixels of a crop over those of the frame for targets of width and height (B, 2): (B,)."""
        return TEMPLATE / np.array([context_side(w, h, self.options.context) for w, h in sizes.tolist()])


def network_size(options: SparseTTOptions) -> NetworkSize:
    """Return the sizes of the network that options describe."""
    focus = FocusSize(options.encoder_layers, options.decoder_layers, options.top_k)
    return NetworkSize(focus, options.heads, TEMPLATE, SEARCH)


def _side(pixels: int, scales: Floats) -> Floats:
    """Return the sides of the windows that become crops of ``pixels``, rounded half to even.

    They have two pixels at least, of which targets smaller than a pixel have less: a window of one has no extent.
    """
    return np.maximum(np.rint(pixels / scales), 2)

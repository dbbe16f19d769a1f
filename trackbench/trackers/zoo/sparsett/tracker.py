"""SparseTT: search around the last box, decode the search region by what the template says, pick a cell.

The template is encoded once, on the first frame, and never renewed. All targets of a step go through the network
together. Boxes follow the official convention: the centre of a box is ``x + (w - 1) / 2``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.aligned import aligned_crop
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.networks import NetworkModel, NetworkOptions, inference
from trackbench.trackers.targets import start_box
from trackbench.trackers.zoo.sparsett.checkpoint import official_keys
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.head import Heads
from trackbench.trackers.zoo.sparsett.network import FocusNetwork, SparseTTNetwork

TEMPLATE, SEARCH = 127, 289
"""Sides of template and search region in pixels; learned positions fix them."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of ImageNet's red, green and blue, in grey levels."""
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
        self._set_constants()

    def _set_constants(self) -> None:
        line = np.hanning(self.network.search_side)
        self._window = np.outer(line, line).ravel()
        self._mean, self._std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (MEAN, STD))

    @classmethod
    def build_network(cls, options: Any) -> FocusNetwork:
        """Return the network of the options' layers, sparseness and heads."""
        size = FocusSize(options.encoder_layers, options.decoder_layers, options.top_k)
        return SparseTTNetwork(size, options.heads, template=TEMPLATE, search=SEARCH)

    @classmethod
    def key_map(cls, options: SparseTTOptions) -> KeyMap:
        """Return how the official names become ours."""
        return official_keys(options.heads)

    def prepare(self, network: FocusNetwork) -> FocusNetwork:
        """Fold batch norms, drop what tracking never computes."""
        return network.for_inference(cpu=self.device == "cpu")

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
        memory = self.network.encode(self._normalised(crops))
        return [
            SparseTTState(x, y, w, h, border, memory[i].clone())
            for i, ((x, y), (w, h), border) in enumerate(zip(centres.tolist(), sizes.tolist(), borders, strict=True))
        ]

    @inference
    def step(self, frames: list[Frame], states: list[SparseTTState]) -> list[Prediction]:
        """Follow each target into its next frame. The score is the chosen cell's, penalised and windowed.

        ``extras`` has the chosen ``cell``, row by row, and its ``fused_score`` before penalty and window.
        """
        centres = np.array([(state.x, state.y) for state in states])
        sizes = np.array([(state.w, state.h) for state in states])
        scales = self._scale(sizes)
        crops = aligned_crop(frames, centres, _side(SEARCH, scales), SEARCH, [state.border for state in states])
        scores, boxes = self.network.track(self._normalised(crops), torch.stack([state.memory for state in states]))
        found = torch.cat([scores[..., None], boxes], 2).double().cpu().numpy()
        cells, chosen, ranks = self._choose(found[..., 0], found[..., 1:], sizes, scales, frames, centres)
        predictions = []
        for i, state in enumerate(states):
            state.x, state.y, state.w, state.h = x, y, w, h = chosen[i].tolist()
            extras = {"cell": int(cells[i]), "fused_score": float(found[i, cells[i], 0])}
            predictions.append(Prediction(Box(x - (w - 1) / 2, y - (h - 1) / 2, w, h), float(ranks[i]), extras))
        return predictions

    def _choose(
        self, scores: Floats, boxes: Floats, sizes: Floats, scales: Floats, frames: list[Frame], centres: Floats
    ) -> tuple[NDArray[np.intp], Floats, Floats]:
        """Choose a cell for each target and move its box there; the size follows slowly.

        Args:
            scores: (B, cells).
            boxes: corners in pixels of the search regions, (B, cells, 4).
            sizes: last widths and heights in pixels of the frames, (B, 2).
            scales: pixels of the search regions over those of the frames, (B,).
            frames: for their sizes.
            centres: of the search regions, in pixels of the frames, (B, 2).

        Returns:
            Cells (B,), new centres and sizes (B, 4), penalised and windowed scores of the cells (B,).
        """
        options, targets = self.options, np.arange(len(scores))
        extents = boxes[..., 2:] - boxes[..., :2] + 1
        last = (sizes * scales[:, None])[:, None]
        growth = _padded_side(extents) / _padded_side(last)
        stretch = (last[..., 0] / last[..., 1]) / (extents[..., 0] / extents[..., 1])
        change = np.maximum(growth, 1 / growth) * np.maximum(stretch, 1 / stretch)
        penalties = np.exp((1 - change) * options.penalty_k)
        ranks = penalties * scores * (1 - options.window_influence) + self._window * options.window_influence
        cells = ranks.argmax(1)

        box, extent = boxes[targets, cells], extents[targets, cells]
        shifts = (box[:, :2] + box[:, 2:]) / 2 - SEARCH // 2
        limits = np.array([frame.shape[1::-1] for frame in frames], np.float64)
        rate = (penalties[targets, cells] * scores[targets, cells] * options.test_lr)[:, None]
        new_centres = np.clip(centres + shifts / scales[:, None], 0, limits)
        new_sizes = np.clip(sizes * (1 - rate) + extent / scales[:, None] * rate, MIN_SIZE, limits)
        return cells, np.concatenate([new_centres, new_sizes], 1), ranks[targets, cells]

    def _scale(self, sizes: Floats) -> Floats:
        """Return pixels of a crop over those of the frame for targets of width and height (B, 2): (B,)."""
        return TEMPLATE / _padded_side(sizes, self.options.context)

    def _normalised(self, crops: NDArray[np.uint8]) -> Tensor:
        """Return crops (B, H, W, 3) as the network takes them, (B, 3, H, W) on its device, channels last in memory."""
        images = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float()
        return images.sub_(self._mean).div_(self._std)


def _padded_side(sizes: Floats, context: float = 0.5) -> Floats:
    """Return the side of the square that has the area of targets (..., 2) with their context: (...,)."""
    padded = sizes + context * sizes.sum(-1, keepdims=True)
    return np.asarray(np.sqrt(padded.prod(-1)), np.float64)


def _side(pixels: int, scales: Floats) -> Floats:
    """Return the sides of the windows that become crops of ``pixels``, rounded half to even.

    They have two pixels at least, of which targets smaller than a pixel have less: a window of one has no extent.
    """
    return np.maximum(np.rint(pixels / scales), 2)

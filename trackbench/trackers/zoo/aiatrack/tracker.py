"""AiATrack as a tracker (section 3.3): crop, predict a box and its IoU, remember frames whose predicted IoU is high."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.square import SquareCrops
from trackbench.nn.layers.corner_head import centre_form
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.staging import upload
from trackbench.trackers.base import Options, Target
from trackbench.trackers.maps import MapReader
from trackbench.trackers.networks import NetworkOptions
from trackbench.trackers.square_crop import Located, SquareCropState, SquareCropTracker, SquareView
from trackbench.trackers.starting import resnet_keys, start_backbone
from trackbench.trackers.zoo.aiatrack.checkpoint import KEY_MAP
from trackbench.trackers.zoo.aiatrack.maps import aiatrack_maps
from trackbench.trackers.zoo.aiatrack.memory import Memory, MemoryFrame, split_counts
from trackbench.trackers.zoo.aiatrack.network import LONG, SHORT, STRIDE, AiATrackNetwork, Architecture, Encoded
from trackbench.trackers.zoo.aiatrack.transformer import References


class AiATrackOptions(NetworkOptions):
    """Options of :class:`AiATrack`."""

    network: Architecture = Architecture()
    search_factor: float = Field(5.0, ge=1.0, le=10.0)
    """Side of the crop over sqrt(w * h) of the target."""
    cache_size: int = Field(100, ge=2)
    """Frames in the memory at most, the initial one counted."""
    ensemble: int = Field(3, ge=1)
    """Number of short-term references (Table 5)."""
    threshold: float = Field(0.7, ge=-1.0, le=1.0)
    """A frame is remembered when the IoU head's output is above: 2 * IoU - 1, so that 0.7 means an IoU of 0.85."""
    backbone_file: Path | None = None
    """Classification weights of torchvision's ResNet-50 (``resnet50-19c8e357.pth``), from which the backbone of a
    network without a checkpoint starts."""
    integer_boxes: bool = False
    """Whether reported boxes are truncated to integers towards zero, as in the official result files, from which the
    published numbers were computed. What the tracker goes on with is never rounded."""


@dataclass
class AiATrackState(SquareCropState):
    """One target."""

    frame: int
    """Index of the last frame that was seen; the first is 0."""
    initial: MemoryFrame
    """The initial frame as the reference of the long-term branch."""
    memory: Memory
    """The frames of the short-term branch; of the only branch where the branches are not split."""


class AiATrack(SquareCropTracker[AiATrackState]):
    """The tracker; a prediction's score is the IoU head's output, about 2 * IoU - 1."""

    Options: ClassVar[type[Options]] = AiATrackOptions
    options: AiATrackOptions
    network: AiATrackNetwork

    @classmethod
    def build_network(cls, options: Any) -> AiATrackNetwork:
        """Return the network with its initial weights."""
        network = AiATrackNetwork(options.network)
        start_backbone(network.backbone, options.backbone_file, resnet_keys(last=3))
        return network

    @classmethod
    def key_map(cls, options: Any) -> KeyMap:
        """Return how official names become ours."""
        return KEY_MAP

    def prepare(self, network: AiATrackNetwork) -> AiATrackNetwork:
        """Fold batch norms into convolutions and lay their weights out as crops lie in memory."""
        fold_batch_norms(network)
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return network

    @property
    def template_view(self) -> SquareView:
        """Return how the template is cut: as the search region."""
        return self.search_view

    @property
    def search_view(self) -> SquareView:
        """Return how the search region is cut."""
        return SquareView(self.options.search_factor, self.options.network.search_size)

    def encode_template(
        self, images: Tensor, crops: SquareCrops[Any], boxes: NDArray[np.float64], targets: list[Target]
    ) -> list[AiATrackState]:
        """Encode the first frame of each target."""
        size = np.float32(self.search_view.size)
        # Where the target is in its own crop, in float32 and around the middle pixel as the official code has it.
        sides = boxes[:, 2:].astype(np.float32) * crops.factors.astype(np.float32)[:, None]
        corners = ((size - 1) / 2 - np.float32(0.5) * sides) / size
        encoded, inside = self._encode(images, crops, np.concatenate([corners, sides / size], 1))
        cells = self._region_cells(inside)
        first, *others = [self.network.refer(branch, encoded.memory, cells) for branch in self.network.branches]
        states = []
        for i, box in enumerate(boxes):
            positions = encoded.positions[i].clone()
            initial, entry = (MemoryFrame(0, part[i].clone(), positions) for part in (first, (others or [first])[0]))
            memory = Memory(self.options.cache_size, self.options.ensemble, [entry])
            states.append(AiATrackState(box, 0, initial, memory))
        return states

    def locate(self, images: Tensor, crops: SquareCrops[Any], states: list[AiATrackState]) -> Located:
        """Decode what the references say of the search regions; the scores are those of the IoU head."""
        sampled = self._sample(states)
        # At most one branch has more than one reference, and counts.
        counts = [branch.log_counts for branch in sampled if branch.log_counts is not None]
        encoded, log_counts = self._encode(images, crops, *counts)
        references = [branch.stacked(log_counts) for branch in sampled]
        boxes, scores, cells = self.on_device(self._decode, encoded, references)
        return Located(boxes, scores, context=(encoded, cells))

    def _decode(self, encoded: Encoded, references: list[References]) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, their scores and the cells that they cover."""
        decoded = self.network.decode(encoded, references)
        corners = self.network.box_head(decoded).boxes
        scores = self.network.iou_head(decoded, corners[:, None])
        boxes = centre_form(corners)
        return boxes, scores[:, 0], self._region_cells(torch.cat([corners[:, :2], boxes[:, 2:]], 1).float())

    def update(self, states: list[AiATrackState], context: Any, scores: list[float | None]) -> None:
        """Add the frames with scores above the threshold to their memories."""
        encoded, cells = context
        for state in states:
            state.frame += 1
        if not self.options.network.short_refer:
            return
        sure = [index for index, score in enumerate(scores) if score is not None and score > self.options.threshold]
        if not sure:
            return
        memory, regions = (torch.stack([part[index] for index in sure]) for part in (encoded.memory, cells))
        projected = self.network.refer(self.network.branches[-1], memory, regions)
        for index, keys_values in zip(sure, projected, strict=True):
            state = states[index]
            state.memory.admit(MemoryFrame(state.frame, keys_values.clone(), encoded.positions[index].clone()))

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps that AiATrack offers."""
        return aiatrack_maps(self.network, self.options.search_factor)

    def _encode(
        self, images: Tensor, crops: SquareCrops[Any], *geometry: NDArray[np.float32]
    ) -> tuple[Encoded, Tensor]:
        """Return encoded crops, and the arrays (B, N) of ``geometry`` side by side, on the device; one upload."""
        padded = [lines[:, ::STRIDE].astype(np.float32) for lines in (crops.padded_rows, crops.padded_columns)]
        uploaded = upload(np.concatenate([*padded, *geometry], 1), self.device)
        cells = self.options.network.cells
        rows, columns = uploaded[:, :cells].bool(), uploaded[:, cells : 2 * cells].bool()
        encoded = self.on_device(self.network.encode, images, rows[:, :, None] | columns[:, None])
        return encoded, uploaded[:, 2 * cells :]

    def _region_cells(self, boxes: Tensor) -> Tensor:
        """Return the cells of boxes, float32 (N, 4), x, y, w, h over the side of the crop: bool (N, L).

        x, y, w and h are rounded each for itself, half to even; a box that is empty or inverted has no cells.
        """
        cells = self.options.network.cells
        x, y, w, h = (boxes * cells).round().unbind(1)
        place = torch.arange(cells, device=boxes.device, dtype=boxes.dtype)
        columns, rows = (
            (place >= start[:, None]) & (place < (start + length)[:, None]) for start, length in ((x, w), (y, h))
        )
        return (rows[:, :, None] & columns[:, None]).flatten(1)

    def _sample(self, states: list[AiATrackState]) -> list[Sampled]:
        """Return what each branch of the decoder looks at."""
        if LONG not in self.network.branches:
            # One branch for all: the initial frame, and once more where the ensemble has it too.
            return [Sampled.of([[(state.initial, 1), *state.memory.sample()] for state in states])]
        branches = [Sampled.of([[(state.initial, 1)] for state in states])]
        if SHORT in self.network.branches:
            branches.append(Sampled.of([state.memory.sample() for state in states]))
        return branches


class Sampled(NamedTuple):
    """The references that one branch looks at in a batch: as many for each target."""

    entries: list[list[MemoryFrame]]
    """(B)(R)."""
    log_counts: NDArray[np.float32] | None
    """(B, R): logarithm of how often each is meant; None where all of a target are meant equally often."""

    @classmethod
    def of(cls, items: list[list[tuple[MemoryFrame, int]]]) -> Sampled:
        """Return the references of targets, with as few repetitions as lists of one length allow."""
        length = max(map(len, items))
        items = [split_counts(item, length) for item in items]
        counts = np.array([[count for _, count in item] for item in items], np.float32)
        entries = [[entry for entry, _ in item] for item in items]
        return cls(entries, None if (counts == counts[:, :1]).all() else np.log(counts))

    def stacked(self, log_counts: Tensor) -> References:
        """Return them as one batch; ``log_counts``, on the device, are used where there are any."""
        projected = torch.stack([torch.stack([entry.projected for entry in item], 3) for item in self.entries])
        positions = torch.stack([torch.stack([entry.positions for entry in item]) for item in self.entries])
        return References(projected, positions, None if self.log_counts is None else log_counts)

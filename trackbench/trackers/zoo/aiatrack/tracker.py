"""AiATrack as a tracker (section 3.3): crop, predict a box and its IoU, remember frames whose predicted IoU is high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.normalise import imagenet_tensor
from trackbench.nn.crops.square import next_boxes, square_crop
from trackbench.nn.layers.corner_head import centre_form
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.networks import NetworkModel, NetworkOptions, inference
from trackbench.trackers.zoo.aiatrack.checkpoint import KEY_MAP
from trackbench.trackers.zoo.aiatrack.memory import Entry, Memory, split_counts
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
    integer_boxes: bool = False
    """Whether reported boxes are truncated to integers towards zero, as in the official result files, from which the
    published numbers were computed. What the tracker goes on with is never rounded."""


@dataclass
class AiATrackState:
    """One target."""

    box: NDArray[np.float64]
    """x, y, w, h in pixels, not rounded."""
    frame: int
    """Index of the last frame that was seen; the first is 0."""
    initial: Entry
    """The initial frame as the reference of the long-term branch."""
    memory: Memory
    """The frames of the short-term branch; of the only branch where the branches are not split."""


class AiATrack(NetworkModel[AiATrackState]):
    """The tracker; a prediction's score is the IoU head's output, about 2 * IoU - 1."""

    Options: ClassVar[type[Options]] = AiATrackOptions
    options: AiATrackOptions
    network: AiATrackNetwork

    @classmethod
    def build_network(cls, options: Any) -> AiATrackNetwork:
        """Return the network with its initial weights."""
        return AiATrackNetwork(options.network)

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

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[AiATrackState]:
        """Encode the first frame of each target.

        Raises:
            TrackerError: a region without area, with a number that is not finite, or far outside of its frame.
        """
        boxes = np.stack([region_to_box(target.region).array() for target in targets])
        encoded, factors = self._encode(frames, boxes)
        size = np.float32(self.options.network.search_size)
        # Where the target is in its own crop, in float32 and around the middle pixel as the official code has it.
        sides = boxes[:, 2:].astype(np.float32) * factors.astype(np.float32)[:, None]
        corners = ((size - 1) / 2 - np.float32(0.5) * sides) / size
        found = self._regions(np.concatenate([corners, sides / size], 1))
        first, *others = [self.network.refer(branch, encoded.memory, found) for branch in self.network.branches]
        states = []
        for i, box in enumerate(boxes):
            positions = encoded.positions[i].clone()
            initial, memory = (Entry(0, kept[i].clone(), positions) for kept in (first, (others or [first])[0]))
            kept_frames = Memory(self.options.cache_size, self.options.ensemble, [memory])
            states.append(AiATrackState(box, 0, initial, kept_frames))
        return states

    @inference
    def step(self, frames: list[Frame], states: list[AiATrackState]) -> list[Prediction]:
        """Follow each target into its next frame, and remember those that are surely found."""
        size = self.options.network.search_size
        boxes = np.stack([state.box for state in states])
        encoded, factors = self._encode(frames, boxes)
        decoded = self.network.decode(encoded, self._references(states))
        corners = self.network.box_head(decoded).boxes
        scores = self.network.iou_head(decoded, corners[:, None])
        found = torch.cat([centre_form(corners), corners[:, :2], scores], 1).float().cpu().numpy()

        boxes = next_boxes(found[:, :4], boxes, factors, size, frames)
        for state, box in zip(states, boxes, strict=True):
            state.box = box
            state.frame += 1
        self._remember(states, encoded, np.concatenate([found[:, 4:6], found[:, 2:4]], 1), found[:, 6])
        reported = np.trunc(boxes) if self.options.integer_boxes else boxes
        return [Prediction(Box.of(box), float(score)) for box, score in zip(reported, found[:, 6], strict=True)]

    def _encode(self, frames: list[Frame], boxes: NDArray[np.float64]) -> tuple[Encoded, NDArray[np.float64]]:
        """Return crops around boxes, encoded, and pixels of the crop for each pixel of the frame, (B,)."""
        crops = square_crop(frames, boxes, self.options.search_factor, self.options.network.search_size)
        padded = crops.padded_rows[:, ::STRIDE, None] | crops.padded_columns[:, None, ::STRIDE]
        images = imagenet_tensor(crops.images, self.device)
        return self.network.encode(images, torch.from_numpy(padded).to(self.device)), crops.factors

    def _regions(self, boxes: NDArray[np.float32]) -> Tensor:
        """Return the cells of boxes, (N, 4), x, y, w, h over the side of the crop: bool (N, L).

        x, y, w and h are rounded each for itself, half to even; a box that is empty or inverted has no cells.
        """
        cells = self.options.network.cells
        x, y, w, h = np.rint(boxes * np.float32(cells)).astype(np.int64).T[..., None]
        place = np.arange(cells)
        columns, rows = (place >= x) & (place < x + w), (place >= y) & (place < y + h)
        return torch.from_numpy((rows[:, :, None] & columns[:, None]).reshape(len(boxes), -1)).to(self.device)

    def _references(self, states: list[AiATrackState]) -> list[References]:
        """Return what each branch of the decoder looks at."""
        if LONG not in self.network.branches:
            # One branch for all: the initial frame, and once more where the ensemble has it too.
            return [_stack([[(state.initial, 1), *state.memory.sample()] for state in states])]
        references = [_stack([[(state.initial, 1)] for state in states])]
        if SHORT in self.network.branches:
            sampled = [state.memory.sample() for state in states]
            references.append(_stack(sampled))
        return references

    def _remember(
        self, states: list[AiATrackState], encoded: Encoded, boxes: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> None:
        """Add the frames with scores above the threshold to their memories; ``boxes`` lie in the crops."""
        sure = np.flatnonzero(scores > self.options.threshold)
        if not sure.size or not self.options.network.short_refer:
            return
        chosen = torch.from_numpy(sure).to(self.device)
        projected = self.network.refer(self.network.branches[-1], encoded.memory[chosen], self._regions(boxes[sure]))
        for index, keys_values in zip(sure.tolist(), projected, strict=True):
            state = states[index]
            state.memory.admit(Entry(state.frame, keys_values.clone(), encoded.positions[index].clone()))


def _stack(items: list[list[tuple[Entry, int]]]) -> References:
    """Return the references of a batch, with as few repetitions as lists of one length allow."""
    length = max(map(len, items))
    items = [split_counts(item, length) for item in items]
    projected = torch.stack([torch.stack([entry.projected for entry, _ in item], 3) for item in items])
    positions = torch.stack([torch.stack([entry.positions for entry, _ in item]) for item in items])
    counts = np.array([[count for _, count in item] for item in items], np.float32)
    if (counts == counts[:, :1]).all():
        return References(projected, positions)
    return References(projected, positions, torch.from_numpy(np.log(counts)).to(projected.device))

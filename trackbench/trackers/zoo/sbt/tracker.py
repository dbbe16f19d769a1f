"""SBT as a tracker: a template at the first frame, a search window around the last box, the best token's box.

There is no template update, no penalty and no smoothing; a Hann window is blended into the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.normalise import imagenet_tensor
from trackbench.nn.crops.square import next_boxes, square_crop
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.networks import NetworkModel, inference
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone, TemplateFeatures
from trackbench.trackers.zoo.sbt.checkpoint import OFFICIAL
from trackbench.trackers.zoo.sbt.initialisation import initialise_backbone
from trackbench.trackers.zoo.sbt.network import SBTNetwork
from trackbench.trackers.zoo.sbt.options import SBTOptions


@dataclass
class SBTState:
    """One target."""

    box: NDArray[np.float64]
    """Where it was last, (4,) x, y, w, h in pixels."""
    template: TemplateFeatures
    """What of its template no search image changes; a batch of one, on the model's device."""


class Responses(NamedTuple):
    """What the network says about the tokens of N search windows."""

    boxes: NDArray[np.float32]
    """(N, tokens, 4): centre x and y, width and height over the side of the window."""
    scores: NDArray[np.float32]
    """(N, tokens): probability of the target."""
    fused: NDArray[np.float64]
    """(N, tokens): the same, blended with the window."""
    factors: NDArray[np.float64]
    """(N,): pixels of the search window for each pixel of the frame."""


class SBT(NetworkModel[SBTState]):
    """See the module's text."""

    Options: ClassVar[type[Options]] = SBTOptions
    options: SBTOptions
    network: SBTNetwork

    @classmethod
    def build_network(cls, options: SBTOptions) -> SBTNetwork:
        """Return the network with random weights, its backbone with those of ``options.backbone_file`` if there is one.

        Raises:
            DataError: the file does not fit.
        """
        network = SBTNetwork(options)
        initialise_backbone(network, options)
        return network

    @classmethod
    def key_map(cls, options: SBTOptions) -> KeyMap:
        """Return how official checkpoints name the parameters."""
        return OFFICIAL

    def prepare(self, network: SBTNetwork) -> nn.Module:
        """Lay weights out as the device wants them; fold the norms, which only the networks of Table 7 have."""
        fold_batch_norms(network)
        backbone = network.backbone
        if self.device == "cpu" and isinstance(backbone, SBTBackbone):
            backbone.pack(self.options.search_size)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[SBTState]:
        """Read each target's template.

        Raises:
            TrackerError: a box without area, or whose surroundings lie outside of the frame.
        """
        options = self.options
        boxes = np.stack([region_to_box(target.region).array() for target in targets])
        crops = square_crop(frames, boxes, options.template_factor, options.template_size)
        templates = self.network.template(imagenet_tensor(crops.images, self.device)).targets()
        return [SBTState(box, template) for box, template in zip(boxes, templates, strict=True)]

    @inference
    def step(self, frames: list[Frame], states: list[SBTState]) -> list[Prediction]:
        """Find each target in its next frame. The score is the probability of the token that was chosen.

        ``extras`` holds ``fused_score``, by which it was chosen, and ``token``, its index, row by row.
        """
        boxes = np.stack([state.box for state in states])
        found = self.respond(frames, states)
        best = found.fused.argmax(1)
        every = np.arange(len(best))
        boxes = next_boxes(found.boxes[every, best], boxes, found.factors, self.options.search_size, frames)
        for state, box in zip(states, boxes, strict=True):
            state.box = box
        reported = np.trunc(boxes) if self.options.integer_boxes else boxes
        chosen = zip(reported, found.scores[every, best], found.fused[every, best], best, strict=True)
        return [
            Prediction(Box.of(box), float(score), {"fused_score": float(fused), "token": int(token)})
            for box, score, fused, token in chosen
        ]

    def respond(self, frames: list[Frame], states: list[SBTState]) -> Responses:
        """Return what the network says about the search windows around the targets' last boxes."""
        options = self.options
        boxes = np.stack([state.box for state in states])
        crops = square_crop(frames, boxes, options.search_factor, options.search_size)
        template = TemplateFeatures.stacked([state.template for state in states])
        output = self.network(imagenet_tensor(crops.images, self.device), template)
        # One transfer from the device: the box and the probability of each token.
        tokens = torch.cat([output.boxes, output.logits.softmax(2)[..., :1]], 2).float().cpu().numpy()
        scores = tokens[..., 4]
        weight = options.window_weight
        # The published numbers come from a product in float32 and a sum in float64.
        fused = scores * np.float32(1 - weight) + weight * hann_window(round(scores.shape[1] ** 0.5))
        return Responses(tokens[..., :4], scores, fused, crops.factors)


def hann_window(side: int) -> NDArray[np.float64]:
    """Return the outer product of two symmetric Hann windows, (side * side,), zero at the border."""
    line = np.hanning(side)
    return np.outer(line, line).ravel()

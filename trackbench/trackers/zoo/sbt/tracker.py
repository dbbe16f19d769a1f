"""SBT as a tracker: a template at the first frame, a search window around the last box, the best token's box.

There is no template update, no penalty and no smoothing; a Hann window is blended into the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.square import SquareCrops
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.windows import hann_window
from trackbench.trackers.base import Options, Target
from trackbench.trackers.maps import MapReader
from trackbench.trackers.square_crop import Located, SquareCropState, SquareCropTracker
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone, TemplateFeatures
from trackbench.trackers.zoo.sbt.checkpoint import OFFICIAL
from trackbench.trackers.zoo.sbt.initialisation import initialise_backbone
from trackbench.trackers.zoo.sbt.maps import sbt_maps
from trackbench.trackers.zoo.sbt.network import SBTNetwork
from trackbench.trackers.zoo.sbt.options import SBTOptions


@dataclass
class SBTState(SquareCropState):
    """One target."""

    template: TemplateFeatures
    """What of its template no search image changes; a batch of one, on the model's device."""


class TokenResponses(NamedTuple):
    """What the network says about the tokens of N search windows."""

    boxes: Tensor
    """(N, tokens, 4): centre x and y, width and height over the side of the window."""
    scores: Tensor
    """float32 (N, tokens): probability of the target."""
    fused: Tensor
    """float64 (N, tokens): the same, blended with the window."""


class SBT(SquareCropTracker[SBTState]):
    """The tracker. A prediction's score is the probability of the token that was chosen.

    ``extras`` holds ``fused_score``, by which it was chosen, and ``token``, its index, row by row.
    """

    Options: ClassVar[type[Options]] = SBTOptions
    options: SBTOptions
    network: SBTNetwork

    def __init__(self, options: SBTOptions, device: str = "cpu", **weights: Any) -> None:
        super().__init__(options, device, **weights)
        self._window = options.window_weight * hann_window((self.network.side,) * 2, torch.float64, device).flatten()

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
        if self.packs and isinstance(backbone, SBTBackbone):
            backbone.pack(self.options.search_size)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def encode_template(
        self, images: Tensor, crops: SquareCrops[Any], boxes: NDArray[np.float64], targets: list[Target]
    ) -> list[SBTState]:
        """Return the features of templates that no search image changes."""
        features = self.network.template(images).targets()
        return [SBTState(box, template) for box, template in zip(boxes, features, strict=True)]

    def locate(self, images: Tensor, crops: SquareCrops[Any], states: list[SBTState]) -> Located:
        """Choose the token with the best blended score."""
        template = TemplateFeatures.stacked([state.template for state in states])
        boxes, scores, fused, best = self.on_device(self._choose, images, template)
        return Located(boxes, scores, {"fused_score": fused, "token": best})

    def _choose(self, images: Tensor, template: TemplateFeatures) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return box, score, blended score and index of the best tokens."""
        responses = self._respond(images, template)
        best = responses.fused.argmax(1, keepdim=True)
        boxes = responses.boxes.gather(1, best[..., None].expand(-1, -1, 4))[:, 0]
        scores, fused = (numbers.gather(1, best)[:, 0] for numbers in (responses.scores, responses.fused))
        return boxes, scores, fused, best[:, 0]

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps that SBT offers."""
        return sbt_maps(self.network, self._window, 1 - self.options.window_weight)

    def respond(self, images: Tensor, states: list[SBTState]) -> TokenResponses:
        """Return what the network says about normalised search windows (B, 3, S, S)."""
        return self._respond(images, TemplateFeatures.stacked([state.template for state in states]))

    def _respond(self, images: Tensor, template: TemplateFeatures) -> TokenResponses:
        output = self.network(images, template)
        scores = output.logits.softmax(2)[..., 0].float()
        # The published numbers come from a product in float32 and a sum in float64.
        fused = (scores * float(np.float32(1 - self.options.window_weight))).double() + self._window
        return TokenResponses(output.boxes, scores, fused)

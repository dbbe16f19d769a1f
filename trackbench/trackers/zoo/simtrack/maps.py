"""Maps of SimTrack: target-relevant attention (paper Figs. 4 and 5, Eq. 8) and the corners."""

from __future__ import annotations

import torch
from torch import Tensor

from trackbench.nn.layers.vit import Block
from trackbench.trackers.maps import MapReader, ModuleCall, as_square, attention_weights, numbered
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone


def simtrack_maps(network: SimTrack) -> dict[str, MapReader]:
    """Return the maps that SimTrack offers.

    ``attention:k`` is A*(s^k) of Eq. 8 in the k-th layer, counted from 1, of a vision transformer: the weights that
    each search token gives to the exemplar's tokens (and the foveal window's), their mean over these and heads. Layers
    without interaction have none. ``top-left`` and ``bottom-right`` are the corners' probabilities.
    """
    maps = {
        "top-left": MapReader(network.box_head, lambda call: _probability(call.output.top_left)),
        "bottom-right": MapReader(network.box_head, lambda call: _probability(call.output.bottom_right)),
    }
    backbone = network.backbone
    if not isinstance(backbone, ViTBackbone):
        return maps
    count = network.grid**2

    def read(block: Block, call: ModuleCall) -> Tensor:
        return target_attention(block, call, count)

    layers = numbered("attention", backbone.visual.blocks, read)
    seen = {name: layer for (name, layer), joint in zip(layers.items(), backbone.interacting, strict=True) if joint}
    return seen | maps


def target_attention(block: Block, call: ModuleCall, count: int) -> Tensor:
    """Return A* of Eq. 8, (B, grid, grid), of a block whose first ``count`` tokens are the search image's.

    One more token behind them is the class token's; the others, or those that are only attended to, are the exemplar's.
    """
    named = dict(call.named) | dict(zip(("x", "memory", "queries", "projected"), call.arguments, strict=False))
    projected = named.get("projected")
    q, k, _ = (block.project(named["x"]) if projected is None else projected).unbind(1)
    exemplar = k[:, :, count + 1 :]
    if (memory := named.get("memory")) is not None:
        exemplar = memory[:, 0]
        k = torch.cat([k, exemplar], 2)
    weights = attention_weights(q[:, :, :count], k)
    return as_square(weights[..., -exemplar.shape[2] :].mean((1, 3)))


def _probability(logits: Tensor) -> Tensor:
    return logits.float().flatten(1).softmax(1).view(logits.shape)

"""Maps of AiATrack: correlation vectors before and after the attention in attention (paper Fig. 4), and the corners."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.trackers.maps import MapReader, ModuleCall, as_square
from trackbench.trackers.zoo.aiatrack.attention import Attention
from trackbench.trackers.zoo.aiatrack.network import LONG, SHORT, AiATrackNetwork


def aiatrack_maps(network: AiATrackNetwork, factor: float) -> dict[str, MapReader]:
    """Return the maps that AiATrack offers.

    ``correlation:k`` and ``attention:k`` are the correlations of the search region's places with the keys where the
    target was, before and after the inner attention of the encoder's k-th layer, the mean over heads and those keys
    (raw products, before the softmax). With ``long`` and ``short`` for k the keys are those of the initial frame and of
    the latest short-term reference. ``top-left`` and ``bottom-right`` are the corners' probabilities.

    Args:
        network: the network.
        factor: side of the search region over that of the target.
    """
    layers = {str(k): layer.blocks[0].self_attn for k, layer in enumerate(network.encoder, 1)}  # type: ignore[union-attr,index]
    for branch in network.branches:
        name = {LONG: "long", SHORT: "short"}.get(branch, "all")
        layers[name] = network.decoder.blocks[0].get_submodule(branch)
    maps = {}
    for name, attention in layers.items():
        assert isinstance(attention, Attention)
        maps[f"correlation:{name}"] = _reader(attention, factor, refined=False)
        if attention.inner_attn is not None:
            maps[f"attention:{name}"] = _reader(attention, factor, refined=True)
    head: nn.Module = network.box_head
    maps["top-left"] = MapReader(head, lambda call: _probability(call.output.top_left))
    maps["bottom-right"] = MapReader(head, lambda call: _probability(call.output.bottom_right))
    return maps


def _reader(attention: Attention, factor: float, refined: bool) -> MapReader:
    return MapReader(attention, lambda call: target_correlations(attention, call, factor, refined))


def target_correlations(attention: Attention, call: ModuleCall, factor: float, refined: bool) -> Tensor:
    """Return the correlations of queries with the keys in the middle of the last reference, (B, cells, cells).

    Args:
        attention: whose call it is.
        call: of the attention.
        factor: the middle is ``1 / factor`` of the side, where the crop has its target.
        refined: whether after the inner attention.
    """
    queries, references, reference_positions, query_positions = call.arguments[:4]
    keys = references[:, 0]
    weight, bias = attention.in_proj_weight.chunk(3)[0], attention.in_proj_bias.chunk(3)[0]
    projected = F.linear(queries, weight, bias)
    projected = projected.view(*projected.shape[:2], attention.heads, -1).transpose(1, 2)
    correlations = attention.correlate(projected * (1 / math.sqrt(keys.shape[-1])), keys)
    if refined:
        correlations = correlations + attention.residual(correlations, reference_positions, query_positions)
    cells = math.isqrt(keys.shape[3])
    first = round((cells - cells / factor) / 2)
    last = max(first + 1, cells - first)
    middle = torch.unflatten(correlations[:, :, -1], 2, (cells, cells))[:, :, first:last, first:last]
    return as_square(middle.mean((1, 2, 3)))


def _probability(logits: Tensor) -> Tensor:
    return logits.float().flatten(1).softmax(1).view(logits.shape)

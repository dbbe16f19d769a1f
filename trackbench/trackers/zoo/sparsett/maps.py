"""Maps of SparseTT: sparse self-attention of search regions (paper Fig. 5), chosen keys, and scores."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from trackbench.trackers.maps import MapReader, ModuleCall, as_square, numbered
from trackbench.trackers.zoo.sparsett.attention import Attention, similarities
from trackbench.trackers.zoo.sparsett.focus import DecoderLayer
from trackbench.trackers.zoo.sparsett.network import FocusNetwork


def sparsett_maps(network: FocusNetwork) -> dict[str, MapReader]:
    """Return the maps that SparseTT offers.

    Of the self-attention of the search region in the decoder's k-th layer, from 1: ``attention:k`` is the weight that
    each place gets, the mean over queries and heads, as in Fig. 5 (with ``top_k = 361`` of naive attention); ``keys:k``
    the share of queries and heads that chose it among their K keys. ``confidence`` is each cell's fused score.
    """
    layers = [cast(DecoderLayer, layer).slf_attn for layer in network.decoder.layers]
    maps = numbered("attention", layers, lambda layer, call: as_square(sparse_weights(layer, call).mean((1, 2))))
    maps |= numbered(
        "keys", layers, lambda layer, call: as_square((sparse_weights(layer, call) > 0).float().mean((1, 2)))
    )
    head = network.head
    branch = head.conv if head.conv is not None else head.fc
    assert branch is not None
    maps["confidence"] = MapReader(branch.features, lambda call: as_square(head.scores_and_boxes(call.arguments[0])[0]))
    return maps


def sparse_weights(attention: Attention, call: ModuleCall) -> Tensor:
    """Return the weights of a call of self-attention, (B, heads, N, N); keys that were not chosen have 0."""
    tokens = call.arguments[0]
    scores = similarities(attention.queries(tokens), attention.keys_values(tokens)[:, 0])
    if attention.top_k is None or attention.top_k >= scores.shape[-1]:
        return scores.softmax(-1)
    strongest, keys = scores.topk(attention.top_k, -1)
    return torch.zeros_like(scores).scatter_(-1, keys, strongest.softmax(-1))

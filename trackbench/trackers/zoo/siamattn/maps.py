"""Maps of SiamAttn: confidence (paper Fig. 4) and spatial attention (Eq. 1)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from trackbench.trackers.maps import MapReader, ModuleCall, numbered
from trackbench.trackers.zoo.siamattn.attention import SpatialAttention
from trackbench.trackers.zoo.siamattn.network import SiamAttn, map_sizes


def siamattn_maps(network: SiamAttn, instance_size: int, response: int, stride: int) -> dict[str, MapReader]:
    """Return the maps that SiamAttn offers.

    ``confidence`` is the probability of the target at each place, of the anchor with the highest one (Fig. 4; with
    ``self_attention = cross_attention = false`` that of the network without attention); ``attention:k`` what each place
    of the search region gets of the spatial self-attention of the k-th level, from 1, the mean over queries.
    """
    maps = {"confidence": MapReader(network, confidence, response * stride / instance_size)}
    spatial = [attention.spatial for attention in network.attention]
    if all(isinstance(each, SpatialAttention) for each in spatial):
        share = map_sizes(instance_size)[0] * stride / instance_size
        for name, reader in numbered("attention", spatial, spatial_attention).items():  # type: ignore[arg-type]
            maps[name] = reader._replace(share=share)
    return maps


def confidence(call: ModuleCall) -> Tensor:
    """Return the highest probability of all anchors at each place, (B, R, R), from a call of the network."""
    cls = call.output.cls
    scores: Tensor = cls.float().unflatten(1, (2, -1)).softmax(1)[:, 1]
    return scores.amax(1)


def spatial_attention(attention: Any, call: ModuleCall) -> Tensor:
    """Return the mean weight that queries give to each place, (B, h, w)."""
    features = call.arguments[0]
    projections = (attention.query_conv, attention.key_conv)
    query, key = (conv(features).float().flatten(2).transpose(1, 2) for conv in projections)
    weights: Tensor = (query @ key.transpose(1, 2)).softmax(-1)
    return weights.mean(1).view(len(features), *features.shape[2:])

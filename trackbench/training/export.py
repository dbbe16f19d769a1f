"""Weights under the official names, so that official programs, ``weights add`` and ``--weights`` take them.

What official files hold besides the network's parameters is a constant and not written: the places in Swin's windows
and the cells' centres (SparseTT), CLIP's unused projection (SimTrack). The inverse of each tracker's key map; the
round trip is tested on the official names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from trackbench.trackers.networks import Networked
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack
from trackbench.trackers.zoo.sbt.tracker import SBT
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnTracker
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker
from trackbench.trackers.zoo.sparsett.tracker import SparseTT

Renames = tuple[tuple[str, str], ...]

_SIMTRACK: Renames = ((r"\.attn\.in_proj\.", ".attn.in_proj_"),)

_SBT: Renames = (
    (r"\.mlp\.position\.", ".mlp.dwconv.dwconv."),
    (r"^head\.", "box_head."),
    (r"^(box_head\..*)\.channel\.", r"\1.layers_channle."),
    (r"^(box_head\..*)\.spatial\.", r"\1.layers_spatial."),
)

_AIATRACK: Renames = (
    (r"\.inner_attn\.([qk])_proj\.(weight|bias)$", r".inner_attn.corr_attn.\1_proj_\2"),
    (r"\.inner_attn\.out_proj\.", ".inner_attn.corr_attn.out_proj."),
    (r"^backbone\.", "backbone.0.body."),
    (r"^((?:encoder\.\d+|decoder)\.)blocks\.0\.norm\.", r"\1norm1."),
    (r"^((?:encoder\.\d+|decoder)\.)blocks\.0\.", r"\1"),
    (r"^((?:encoder\.\d+|decoder)\.)feed_forward\.norm\.", r"\1norm2."),
    (r"^((?:encoder\.\d+|decoder)\.)feed_forward\.", r"\1"),
    (r"^encoder\.(\d+)\.", r"transformer.encoder.layers.\1."),
    (r"^decoder\.norm\.", "transformer.decoder.norm."),
    (r"^decoder\.", "transformer.decoder.layers.0."),
)

_SIAMATTN: Renames = (
    (r"^attention\.(\d)\.spatial\.", r"feature_enhance.pams.\1."),
    (r"^attention\.(\d)\.convolution\.", r"feature_enhance.deform_convs.\1."),
    (r"^attention\.(\d)\.", r"feature_enhance.cam_uses.\1."),
    (r"^box_features\.", "feature_fusion."),
    (r"^mask_features\.lateral_convs\.", "feature_fusion.lateral_convs."),
    (r"^box_head\.roi_pool\.", "bbox_head.roi_pool_b."),
    (r"^mask_head\.roi_pool\.", "mask_head.roi_pool_m."),
    (r"^box_head\.", "bbox_head."),
    (r"^((?:feature_fusion|mask_head)\..*)\.norm\.", r"\1.BN256."),
    *((rf"^neck\.{level}\.", f"neck.downsample{level + 2}.downsample.") for level in range(3)),
    *((rf"^rpn\.levels\.{level}\.", f"rpn_head.rpn{level + 2}.") for level in range(3)),
    (r"^rpn\.", "rpn_head."),
)

_SPARSETT: Renames = (
    (r"^(backbone\..*\.attn)\.", r"\1.w_msa."),
    (r"^(backbone\..*)\.mlp\.fc1\.", r"\1.ffn.layers.0.0."),
    (r"^(backbone\..*)\.mlp\.fc2\.", r"\1.ffn.layers.1."),
    (r"^backbone\.patch_embed\.proj\.", "backbone.patch_embed.projection."),
    (r"^backbone\.", "basemodel.net."),
    (r"^(encoder|decoder)\.layers\.", r"neck.\1.\1_layers."),
    (r"^(encoder|decoder)\.positions\.", r"neck.\1.spatial_position_encoding."),
    (r"^head\.(fc|conv)\.(cls|reg)\.", r"head.\1_branch_\2."),
    (r"^head\.(fc|conv)\.features\.", r"head.\1_branch."),
    (r"^head\.(fc|conv)\.(si|bi)$", r"head.\2_\1"),
)


def official_weights(model: type[Networked], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's state dict under the official names.

    Args:
        model: the tracker's class.
        weights: its network's state dict.
    """
    if issubclass(model, SparseTT):
        return _renamed(_joined(weights), _SPARSETT)
    for kind, renames in (
        (SimTrackTracker, _SIMTRACK),
        (SBT, _SBT),
        (AiATrack, _AIATRACK),
        (SiamAttnTracker, _SIAMATTN),
    ):
        if issubclass(model, kind):
            return _renamed(weights, renames)
    return dict(weights)


def _renamed(weights: Mapping[str, Tensor], renames: Renames) -> dict[str, Tensor]:
    official = {}
    for name, tensor in weights.items():
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        official[name] = tensor
    return official


def _joined(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return SparseTT's weights with queries, keys and values packed and patch mergings in the official order."""
    joined = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"((?:encoder|decoder)\..*)\.(query|key_value)\.(weight|bias)", name):
            block, part, kind = match.groups()
            if part == "query":
                joined[f"{block}.in_proj_{kind}"] = torch.cat([tensor, weights[f"{block}.key_value.{kind}"]])
        elif re.search(r"\.downsample\.(norm\.(weight|bias)|reduction\.weight)$", name):
            shape = tensor.shape
            joined[name] = tensor.reshape(*shape[:-1], 4, -1).transpose(-1, -2).reshape(shape).contiguous()
        else:
            joined[name] = tensor
    return joined

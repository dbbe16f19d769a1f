"""How official SimTrack checkpoints name what our network holds.

The official repository saves under the names that our network has. The published files come from another code base of
the authors, in which names "may need to change"; since the parts below have names of their own, whatever a file puts
before them is accepted, and anything else is reported by the strict matching.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trackbench.checkpoints.key_map import Convert, KeyMap
from trackbench.trackers.zoo.simtrack.network import HEAD_CHANNELS
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions

TEXT_TOWER = (
    r"(?:.*\.)?(?:token_embedding|ln_final)\.(?:weight|bias)",
    r"(?:backbone\.)?(?:positional_embedding|text_projection|logit_scale)",
    r"(?:backbone\.)?transformer\.resblocks\..*",
)
"""CLIP's text encoder; its transformer and positions are not below ``visual``."""

IN_PROJ = (r"\.attn\.in_proj_", ".attn.in_proj.")


TIMM = (
    (r"^cls_token$", "class_embedding"),
    (r"^pos_embed$", "positional_embedding"),
    (r"^patch_embed\.proj\.", "conv1."),
    (r"^norm\.", "ln_post."),
    (r"^blocks\.", "transformer.resblocks."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.", ".attn.in_proj."),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
"""Names of timm's vision transformers -> CLIP's."""

_VISUAL = "backbone.visual."
_TIMM_PARTS = (
    *((rf"^(?:.*\.)?{name[1:]}", _VISUAL + ours) for name, ours in TIMM[:3]),
    (r"^(?:.*\.)?blocks\.", f"{_VISUAL}transformer.resblocks."),
    (r"^(?:backbone\.(?:\w+\.)?)?norm\.", f"{_VISUAL}ln_post."),
    *TIMM[5:],
)
"""The same below whatever a SimTrack file puts before them: MAE's transformer is timm's."""


def checkpoint_keys(options: SimTrackOptions) -> KeyMap:
    """Return how the names of a SimTrack checkpoint become ours."""
    return KeyMap(
        rename=(
            *(_TIMM_PARTS if options.backbone == "vit" else ()),
            IN_PROJ,
            (r"^.*?\bvisual\.", "backbone.visual."),
            (r"^.*?\bpos_fc\.", "backbone.pos_fc."),
            (r"^.*?\b(conv[1-5]_(?:tl|br)\.)", r"box_head.\1"),
            (r"^.*?\bbottleneck\.", "bottleneck."),
        ),
        unused=(r"(?:.*\.)?visual\.proj", *TEXT_TOWER),
        convert=_bottleneck(options.width[-1]),
    )


def _bottleneck(width: int) -> Convert:
    """Return what makes a 1x1 convolution before the head the linear layer that it is, whatever it is called."""

    def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        layers = [
            name.removesuffix(".weight")
            for name, tensor in tensors.items()
            if name.endswith(".weight")
            and tensor.shape[:2] == (HEAD_CHANNELS, width)
            and tensor.shape[2:].numel() == 1
            and not name.startswith("backbone.")
        ]
        if len(layers) == 1:
            (layer,) = layers
            tensors["bottleneck.weight"] = tensors.pop(f"{layer}.weight").reshape(HEAD_CHANNELS, width)
            if f"{layer}.bias" in tensors:
                tensors["bottleneck.bias"] = tensors.pop(f"{layer}.bias")
        return flat_tokens(tensors, _VISUAL)

    return convert


def flat_tokens(tensors: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Drop timm's batch dimension of the class token and the positions, and DeiT's distillation token."""
    distilled = tensors.pop(f"{prefix}dist_token", None) is not None
    token, place = f"{prefix}class_embedding", f"{prefix}positional_embedding"
    if token in tensors:
        tensors[token] = tensors[token].flatten()
    positions = tensors.get(place)
    if positions is not None and positions.ndim == 3:
        positions = positions[0]
        tensors[place] = torch.cat([positions[:1], positions[2:]]) if distilled else positions
    return tensors

"""How official SimTrack checkpoints, and pre-trained vision transformers, name what our network holds.

The official repository saves under the names that our network has. The published files come from another code base of
the authors, in which names "may need to change"; since the parts below have names of their own, whatever a file puts
before them is accepted, and anything else is reported by the strict matching.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trackbench.trackers.checkpoints.keys import Convert, KeyMap
from trackbench.trackers.simtrack.network import HEAD_CHANNELS
from trackbench.trackers.simtrack.options import Pretraining, SimTrackOptions

_TEXT_TOWER = (
    r"(?:.*\.)?(?:token_embedding|ln_final)\.(?:weight|bias)",
    r"(?:backbone\.)?(?:positional_embedding|text_projection|logit_scale)",
    r"(?:backbone\.)?transformer\.resblocks\..*",
)
"""CLIP's text encoder; its transformer and positions are not below ``visual``."""

_IN_PROJ = (r"\.attn\.in_proj_", ".attn.in_proj.")

_TIMM = (
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
"""From the names of timm's vision transformers to CLIP's."""


def checkpoint_keys(options: SimTrackOptions) -> KeyMap:
    """Return how the names of a SimTrack checkpoint become ours."""
    return KeyMap(
        rename=(
            _IN_PROJ,
            (r"^.*?\bvisual\.", "backbone.visual."),
            (r"^.*?\bpos_fc\.", "backbone.pos_fc."),
            (r"^.*?\b(conv[1-5]_(?:tl|br)\.)", r"box_head.\1"),
            (r"^.*?\bbottleneck\.", "bottleneck."),
        ),
        unused=(r"(?:.*\.)?visual\.proj", *_TEXT_TOWER),
        convert=_bottleneck(options.width[-1]),
    )


def pretrained_keys(pretraining: Pretraining, depth: int) -> KeyMap:
    """Return how the names of a published vision transformer become those of ``backbone.visual``.

    Args:
        pretraining: where the file is from: CLIP's archive; MAE's and DeiT's ``model``; the ``state_dict`` of MoCo v3
            (its base encoder, without the heads) and of SLIP (its image encoder).
        depth: blocks that are kept; further ones are not needed (Sim-B/16*).
    """
    unused: tuple[str, ...]
    rename: tuple[tuple[str, str], ...]
    match pretraining:
        case "clip":
            unused = (*_TEXT_TOWER, r"visual\.proj", "input_resolution", "context_length", "vocab_size")
            rename = ((r"^visual\.", ""), _IN_PROJ)
            start = r"visual\.transformer\.resblocks"
        case "moco":
            unused = (r"(?:momentum_encoder|predictor|base_encoder\.head)\..*",)
            rename = ((r"^base_encoder\.", ""), *_TIMM)
            start = r"base_encoder\.blocks"
        case "slip":
            unused = (*_TEXT_TOWER, "image_projection", r"image_mlp\..*", r"visual\.head\..*")
            rename = ((r"^visual\.", ""), *_TIMM)
            start = r"visual\.blocks"
        case "mae" | "deit":
            unused = (r"(?:head|head_dist|decoder_\w+)\..*", "mask_token", "decoder_pos_embed")
            rename = _TIMM
            start = "blocks"
        case "imagenet":
            raise ValueError("pre-trained pyramids have our names")
    kept = "|".join(str(index) for index in range(depth))
    return KeyMap(rename, (*unused, rf"{start}\.(?!(?:{kept})\.).*"), None if pretraining == "clip" else _flat_tokens)


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
        return tensors

    return convert


def _flat_tokens(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop timm's batch dimension of the class token and the positions, and DeiT's distillation token."""
    distilled = tensors.pop("dist_token", None) is not None
    if "class_embedding" in tensors:
        tensors["class_embedding"] = tensors["class_embedding"].flatten()
    positions = tensors.get("positional_embedding")
    if positions is not None and positions.ndim == 3:
        positions = positions[0]
        tensors["positional_embedding"] = torch.cat([positions[:1], positions[2:]]) if distilled else positions
    return tensors

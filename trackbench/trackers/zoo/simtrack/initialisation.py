"""Backbones that begin with published pre-trained weights (Table 5), read from a file that the user names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.layers.swin import IMAGENET_KEYS
from trackbench.trackers.starting import start_backbone
from trackbench.trackers.zoo.simtrack.checkpoint import IN_PROJ, TEXT_TOWER, TIMM, flat_tokens
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions

SWIN = replace(IMAGENET_KEYS, unused=(*IMAGENET_KEYS.unused, r"layers\.3\..*", r"layers\.2\.downsample\..*"))
"""The first three stages of a Swin transformer."""

PVT = KeyMap(
    rename=tuple(
        renamed
        for index in range(3)
        for renamed in (
            (rf"^block{index + 1}\.", f"stages.{index}.blocks."),
            (rf"^patch_embed{index + 1}\.", f"stages.{index}.patch_embed."),
            (rf"^pos_embed{index + 1}$", f"stages.{index}.positions"),
        )
    ),
    unused=(r"(?:block4|patch_embed4|norm|head)\..*", "pos_embed4", "cls_token"),
)
"""The first three stages of a Pyramid Vision Transformer."""


def initialise_backbone(network: nn.Module, options: SimTrackOptions) -> None:
    """Give ``network.backbone.visual`` the weights of ``options.backbone_file``; the rest stays as it is.

    Every name of the file is loaded, or known to be unneeded: the text encoder of CLIP and SLIP, the projections and
    heads of the pre-training, the blocks beyond ``options.depth``.

    Raises:
        DataError: not a file of weights, or one that is not of ``options.pretraining`` or of another size.
    """
    visual = cast(nn.Module, cast(Any, network).backbone.visual)
    # A norm of a pyramid's inner stage is no part of the pre-trained network.
    what = f"a backbone of pretraining '{options.pretraining}'"
    start_backbone(visual, options.backbone_file, pretrained_keys(options), without=("norm2.",), what=what)


def pretrained_keys(options: SimTrackOptions) -> KeyMap:
    """Return how the names of a published transformer become those of ``backbone.visual``.

    The forms are CLIP's archive; MAE's, DeiT's and Swin's ``model``; the ``state_dict`` of MoCo v3, of which the base
    encoder counts, and of SLIP; PVT's bare state dict.
    """
    unused: tuple[str, ...]
    rename: tuple[tuple[str, str], ...]
    match options.pretraining:
        case "clip":
            unused = (*TEXT_TOWER, r"visual\.proj", "input_resolution", "context_length", "vocab_size")
            rename = ((r"^visual\.", ""), IN_PROJ)
            start = r"visual\.transformer\.resblocks"
        case "moco":
            unused = (r"(?:momentum_encoder|predictor|base_encoder\.head)\..*",)
            rename = ((r"^base_encoder\.", ""), *TIMM)
            start = r"base_encoder\.blocks"
        case "slip":
            unused = (*TEXT_TOWER, "image_projection", r"image_mlp\..*", r"visual\.head\..*")
            rename = ((r"^visual\.", ""), *TIMM)
            start = r"visual\.blocks"
        case "mae" | "deit":
            unused = (r"(?:head|head_dist|decoder_\w+)\..*", "mask_token", "decoder_pos_embed")
            rename = TIMM
            start = "blocks"
        case "dinov2":
            unused = ("mask_token",)
            rename = TIMM
            start = "blocks"
        case "imagenet":
            return SWIN if options.backbone == "swin" else PVT
    kept = "|".join(str(index) for index in range(options.depth[0]))
    convert = {"clip": None, "dinov2": _without_scales}.get(options.pretraining, flat_tokens)
    return KeyMap(rename, (*unused, rf"{start}\.(?!(?:{kept})\.).*"), convert)


def _without_scales(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiply DINOv2's layer scales into the layers before them."""
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith((".ls1.gamma", ".ls2.gamma"))}
    for name, scale in scales.items():
        layer = "attn.out_proj" if name.endswith(".ls1.gamma") else "mlp.c_proj"
        block = name.rpartition(".ls")[0]
        tensors[f"{block}.{layer}.weight"] = tensors[f"{block}.{layer}.weight"] * scale[:, None]
        tensors[f"{block}.{layer}.bias"] = tensors[f"{block}.{layer}.bias"] * scale
    return flat_tokens(tensors)

"""Map the official names of parameters to ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.layers.swin import IMAGENET_KEYS, Swin, reorder_mergings
from trackbench.trackers.starting import start_backbone
from trackbench.trackers.zoo.sparsett.head import Heads

BACKBONE = (
    (r"\.w_msa\.", "."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"\bpatch_embed\.projection\.", "patch_embed.proj."),
)


def split_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return all tensors, with the packed projections of attention split into queries' and keys' and values'."""
    split = {}
    for name, tensor in tensors.items():
        block, packed, kind = name.rpartition(".in_proj_")
        if packed:
            width = len(tensor) // 3
            split[f"{block}.query.{kind}"], split[f"{block}.key_value.{kind}"] = tensor[:width], tensor[width:]
        else:
            split[name] = tensor
    return split


OFFICIAL = KeyMap(
    rename=(
        *BACKBONE,
        (r"^basemodel\.net\.", "backbone."),
        (r"^neck\.(encoder|decoder)\.\1_layers\.", r"\1.layers."),
        (r"^neck\.(encoder|decoder)\.spatial_position_encoding\.", r"\1.positions."),
        (r"^head\.(fc|conv)_branch_(cls|reg)\.", r"head.\1.\2."),
        (r"^head\.(fc|conv)_branch\.", r"head.\1.features."),
        (r"^head\.(si|bi)_(fc|conv)$", r"head.\2.\1"),
    ),
    # Both are constants: the places in a window, and the centres of the cells.
    unused=(r".*\.relative_position_index", r"head\.fm_ctr"),
    convert=lambda tensors: reorder_mergings(split_projections(tensors), "unfold"),
)
"""The checkpoints of the official code."""


def official_keys(heads: Heads) -> KeyMap:
    """Return how the official names become those of a network with these heads; another head is not needed."""
    other = {"double": (), "conv": (r"head\.fc\..*",), "fc": (r"head\.conv\..*",)}[heads]
    return replace(OFFICIAL, off=other)


def start_from_imagenet(backbone: Swin, path: Path | None) -> None:
    """Give the backbone the weights from which the official training starts; its output norm keeps its own.

    Args:
        backbone: of the network.
        path: ``swin_tiny_patch4_window7_224.pth``; None leaves the backbone as it is.

    Raises:
        DataError: not a file of weights, or of another network.
    """
    start_backbone(backbone, path, IMAGENET_KEYS, without=tuple(f"norm{index}." for index in backbone.outputs))

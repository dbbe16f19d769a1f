"""From the official names of parameters to ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap, match
from trackbench.errors import DataError
from trackbench.nn.layers.swin import IMAGENET_KEYS, Swin, reorder_mergings
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


def start_from_imagenet(backbone: Swin, weights: Mapping[str, Tensor]) -> None:
    """Give the backbone the weights from which the official training starts; its output norm keeps its own.

    Args:
        backbone: of the network.
        weights: the state dict of ``swin_tiny_patch4_window7_224.pth``.

    Raises:
        DataError: weights of another network.
    """
    parameters = backbone.state_dict()
    output_norms = {name for name in parameters if name.startswith(tuple(f"norm{i}." for i in backbone.outputs))}
    matched = match(
        weights, IMAGENET_KEYS, {name: tensor for name, tensor in parameters.items() if name not in output_norms}
    )
    if not matched.complete:
        wrong = [*matched.unknown, *matched.missing, *matched.misshapen]
        raise DataError(f"ImageNet weights of Swin: {len(wrong)} names do not fit, among them {wrong[0]}")
    backbone.load_state_dict(matched.weights, strict=False)

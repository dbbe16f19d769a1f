"""Swin transformer: self-attention in windows that are shifted by half a window in every other block.

Liu et al., ICCV 2021, for maps of any size, in the manner of detectors: a map is padded at the right and the bottom
to whole windows *after* the norm and before the attention, so that padding is zero there, and a key like any other;
patches and merged patches are padded with zeros likewise. Where nothing is padded this is the original.

Tokens are (B, H·W, C), row by row; a map's size is a pair (H, W). Parameters are named as in the original
(``layers`` are ``stages``), with one exception in content: :class:`PatchMerging` keeps its own order of channels, and
:func:`merging_order` says how those of others become it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.layers.drop_path import DropPath
from trackbench.nn.layers.packed_linear import PackedLinear, can_pack, pack_linears

MASKED = -100.0
"""Added to the similarity of tokens that are neighbours in a shifted window but not in the map."""
ROWS = 400
"""Tokens that usually come to a linear layer at once, roughly."""


@dataclass(frozen=True)
class SwinSize:
    """Sizes of a Swin transformer (section 3.3)."""

    width: int
    """Channels of the first stage; each stage doubles them."""
    depths: tuple[int, ...]
    """Blocks of each stage."""
    heads: tuple[int, ...]
    """Attention heads of each stage."""
    window: int = 7
    """Side of a window in tokens."""


SWIN_TINY = SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24))


@dataclass(frozen=True)
class WindowPlan:
    """How the tokens of a map go to windows and back."""

    windows: int
    gather: Tensor
    """int64 (windows · window²,): the token of each place of each window, any one for padding."""
    padding: Tensor
    """int64: the places that are padding."""
    back: Tensor
    """int64 (H·W,): the place of each token."""
    mask: Tensor | None
    """float32 (windows, 1, window², window²), 0 or ``MASKED``; None without a shift."""


@lru_cache(maxsize=128)
def window_plan(size: tuple[int, int], window: int, shift: int, device: torch.device) -> WindowPlan:
    """Return how a map of ``size`` (H, W) is cut into windows after a cyclic shift up and to the left."""
    # What is kept must also serve a forward pass with gradients.
    with torch.inference_mode(False):
        height, width = size
        rows, columns = (-(-side // window) for side in size)
        tokens = torch.full((rows * window, columns * window), -1)
        tokens[:height, :width] = torch.arange(height * width).view(height, width)
        gather = _cut(tokens.roll((-shift, -shift), (0, 1)), window).flatten()
        padding = (gather < 0).nonzero().flatten()
        back = gather.argsort()[len(padding) :]
        mask = None
        if shift:
            # The last window of a shifted row or column holds two parts that lie at opposite ends of the map.
            down, right = (
                (torch.arange(side) >= side - window).long() + (torch.arange(side) >= side - shift)
                for side in tokens.shape
            )
            part = _cut(down[:, None] * 3 + right, window)
            mask = torch.where(part[:, :, None] == part[:, None], 0.0, MASKED)[:, None].to(device)
        return WindowPlan(rows * columns, gather.clamp(0).to(device), padding.to(device), back.to(device), mask)


def _cut(plane: Tensor, window: int) -> Tensor:
    """Return the windows of a plane (rows · window, columns · window): (rows · columns, window²)."""
    rows, columns = plane.shape[0] // window, plane.shape[1] // window
    return plane.view(rows, window, columns, window).transpose(1, 2).reshape(rows * columns, window * window)


def relative_places(window: int) -> Tensor:
    """Return the row of the bias table for each pair (query, key) of a window: int64 (window², window²)."""
    line = torch.arange(window)
    apart = line[:, None] - line + window - 1
    places = apart[:, None, :, None] * (2 * window - 1) + apart[None, :, None, :]
    return places.reshape(window * window, window * window)


class WindowAttention(nn.Module):
    """Multi-head self-attention within the windows of a map, with a learned bias for each offset (equation 4).

    Args:
        width: channels, C.
        heads: attention heads.
        window: side of a window in tokens.
        shift: by how many tokens the windows are shifted.
    """

    places: Tensor

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("places", relative_places(window), persistent=False)
        self._kept: dict[tuple[int, int], Tensor] | None = None

    def keep_biases(self) -> None:
        """From here on compute the biases of each size of map only once: the weights do not change any more."""
        self._kept = {}

    def keys_values(self, x: Tensor) -> Tensor:
        """Return the keys and values of tokens (B, M, C) that are no part of a map: (B, 2, heads, M, C / heads)."""
        batch, tokens, width = x.shape
        projected = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        return cast(Tensor, projected.permute(0, 2, 3, 1, 4)[:, 1:])

    def forward(self, x: Tensor, size: tuple[int, int], memory: Tensor | None = None) -> Tensor:
        """Return what the tokens (B, H·W, C) of a map of ``size`` gather, (B, H·W, C).

        Args:
            x: the tokens.
            size: H, W.
            memory: :meth:`keys_values` of further tokens that every window attends to, without a bias.
        """
        batch, _, width = x.shape
        area = self.window**2
        plan = window_plan(size, self.window, self.shift, x.device)
        windows = self.qkv(x).index_select(1, plan.gather)
        if len(plan.padding):
            # A token of zeros becomes the bias.
            windows[:, plan.padding] = self.qkv.bias.to(windows.dtype)
        q, k, v = windows.view(-1, area, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        biases = self._biases(size, plan)
        if len(biases) > 1 and batch > 1:
            biases = biases.repeat(batch, 1, 1, 1)
        if memory is not None:
            seen = memory.repeat_interleave(plan.windows, 0)
            k, v = torch.cat([k, seen[:, 0]], 2), torch.cat([v, seen[:, 1]], 2)
            biases = F.pad(biases, (0, memory.shape[3]))
        gathered = F.scaled_dot_product_attention(q, k, v, biases.to(q.dtype))
        tokens = gathered.transpose(1, 2).reshape(batch, plan.windows * area, width).index_select(1, plan.back)
        return cast(Tensor, self.proj(tokens))

    def _biases(self, size: tuple[int, int], plan: WindowPlan) -> Tensor:
        """Return what is added to the similarities, (windows or 1, heads, window², window²)."""
        if self._kept is not None and size in self._kept:
            return self._kept[size]
        biases = self.relative_position_bias_table[self.places].permute(2, 0, 1)[None]
        biases = (biases if plan.mask is None else biases + plan.mask).contiguous()
        if self._kept is not None:
            self._kept[size] = biases
        return biases


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1: nn.Module = nn.Linear(width, hidden)
        self.activation: nn.Module = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return cast(Tensor, self.fc2(self.activation(self.fc1(x))))

    def pack(self, rows: int) -> None:
        """Make the activation a part of the layer before it, where torch can."""
        if can_pack() and isinstance(self.fc1, nn.Linear):
            self.fc1, self.activation = PackedLinear(self.fc1, rows, "gelu"), nn.Identity()


class SwinBlock(nn.Module):
    """x += attention(norm(x)); x += feed-forward(norm(x)) (equation 3).

    Args:
        width: channels.
        heads: attention heads.
        window: side of a window in tokens.
        shift: by how many tokens the windows are shifted.
        drop_path: rate of stochastic depth of both branches.
    """

    def __init__(self, width: int, heads: int, window: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window, shift)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, size: tuple[int, int], memory: Tensor | None = None) -> Tensor:
        """(B, H·W, C) -> (B, H·W, C); ``memory`` as of :class:`WindowAttention`."""
        x = x + self.drop_path(self.attn(self.norm1(x), size, memory))
        return cast(Tensor, x + self.drop_path(self.mlp(self.norm2(x))))


class PatchMerging(nn.Module):
    """The four tokens of each 2x2 patch become one of twice the channels: concatenation, norm, linear map.

    The concatenation is (row, column, channel) of the patch, the order of the tokens in memory.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens (B, ceil(H/2)·ceil(W/2), 2 C) of a map and its size."""
        (height, width), (batch, _, channels) = size, x.shape
        plane = F.pad(x.view(batch, height, width, channels), (0, 0, 0, width % 2, 0, height % 2))
        rows, columns = plane.shape[1] // 2, plane.shape[2] // 2
        patches = plane.view(batch, rows, 2, columns, 2, channels).transpose(2, 3)
        return self.reduction(self.norm(patches.reshape(batch, rows * columns, 4 * channels))), (rows, columns)


def merging_order(entries: Tensor, flavour: Literal["unfold", "original"]) -> Tensor:
    """Return the parameter of another's patch merging in the order of :class:`PatchMerging`.

    Args:
        entries: a norm's (4 C,) or a reduction's weight (2 C, 4 C).
        flavour: ``unfold``: (channel, row, column) of the patch, as detectors of the OpenMMLab have it;
            ``original``: four times all channels, at (row, column) (0, 0), (1, 0), (0, 1), (1, 1).
    """
    shape = entries.shape
    if flavour == "unfold":
        return entries.reshape(*shape[:-1], -1, 4).transpose(-1, -2).reshape(shape).contiguous()
    return entries.reshape(*shape[:-1], 2, 2, -1).transpose(-2, -3).reshape(shape).contiguous()


_MERGING = re.compile(r"\.downsample\.(norm\.(weight|bias)|reduction\.weight)$")


def reorder_mergings(tensors: dict[str, Tensor], flavour: Literal["unfold", "original"]) -> dict[str, Tensor]:
    """Return all tensors, those of patch mergings in the order of channels that :class:`PatchMerging` has."""
    return {
        name: merging_order(tensor, flavour) if _MERGING.search(name) else tensor for name, tensor in tensors.items()
    }


IMAGENET_KEYS = KeyMap(
    rename=((r"^layers\.", "stages."),),
    # The classifier, its norm, and constants that each block keeps.
    unused=(r"head\..*", r"norm\..*", r".*\.relative_position_index", r".*\.attn_mask"),
    convert=partial(reorder_mergings, flavour="original"),
)
"""How the ImageNet weights that the authors published, below the key ``model``, become those of :class:`Swin`."""


class SwinStage(nn.Module):
    """Blocks at one resolution, every other one shifted, and the merging that leads to the next stage."""

    def __init__(self, width: int, heads: int, window: int, rates: Sequence[float], merge: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, window, window // 2 if i % 2 else 0, rate) for i, rate in enumerate(rates)
        )
        self.downsample = PatchMerging(width) if merge else None

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, H·W, C) -> (B, H·W, C), before the merging."""
        for block in self.blocks:
            x = block(x, size)
        return x


class PatchEmbedding(nn.Module):
    """One token for each patch of an image: a strided convolution and a norm."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(3, width, patch, patch)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens (B, N, C) of an image (B, 3, H, W) and the size of their map."""
        below, right = (-side % self.patch for side in image.shape[2:])
        plane = self.proj(F.pad(image, (0, right, 0, below)))
        return self.norm(plane.flatten(2).transpose(1, 2)), (plane.shape[2], plane.shape[3])


class Swin(nn.Module):
    """The transformer up to the last stage that is asked for.

    Stages behind it are built, so that their weights can be loaded and kept, but not computed.

    Args:
        size: widths, depths, heads and window.
        outputs: stages whose maps :meth:`forward` returns, each with a norm of its own, ``norm0`` to ``norm3``.
        drop_path: rate of stochastic depth of the last block; that of the first is 0, linear between.
        patch: side of a patch in pixels.
    """

    def __init__(
        self, size: SwinSize = SWIN_TINY, outputs: Sequence[int] = (3,), drop_path: float = 0.2, patch: int = 4
    ) -> None:
        super().__init__()
        self.outputs = tuple(sorted(outputs))
        self.patch_embed = PatchEmbedding(size.width, patch)
        rates = iter(np.linspace(0, drop_path, sum(size.depths)).tolist())
        last = len(size.depths) - 1
        self.stages = nn.ModuleList(
            SwinStage(size.width * 2**i, heads, size.window, list(islice(rates, depth)), merge=i < last)
            for i, (heads, depth) in enumerate(zip(size.heads, size.depths, strict=True))
        )
        for i in self.outputs:
            self.add_module(f"norm{i}", nn.LayerNorm(size.width * 2**i))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def for_inference(self, cpu: bool) -> Swin:
        """Drop the stages that are never computed and compute biases once; from here on weights stay.

        Args:
            cpu: whether to rearrange the linear layers as a CPU wants them; the network then stays there.
        """
        last = self.outputs[-1]
        self.stages = self.stages[: last + 1]
        cast(SwinStage, self.stages[last]).downsample = None
        for module in self.modules():
            if isinstance(module, WindowAttention):
                module.keep_biases()
            elif cpu and isinstance(module, FeedForward):
                module.pack(ROWS)
        if cpu:
            pack_linears(self, ROWS)
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps (B, C, H, W) of the stages in ``outputs`` for a normalised image (B, 3, H, W).

        The maps lie in memory as tokens do, channels last.
        """
        x, size = self.patch_embed(image)
        maps = []
        for i, stage in enumerate(self.stages[: self.outputs[-1] + 1]):
            x = stage(x, size)
            if i in self.outputs:
                normed = self.get_submodule(f"norm{i}")(x)
                maps.append(normed.view(len(x), *size, -1).permute(0, 3, 1, 2))
            if i < self.outputs[-1]:
                x, size = cast(SwinStage, stage).downsample(x, size)  # type: ignore[misc]
        return maps

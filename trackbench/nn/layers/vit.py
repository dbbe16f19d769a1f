"""Vision transformer: patch tokens, a class token, pre-norm blocks of self-attention and feed-forward network.

Dosovitskiy et al., ICLR 2021. Parameters are named as in CLIP's image encoder (Radford et al., ICML 2021; its
``attn.in_proj_weight`` is ``attn.in_proj.weight`` here), which has a norm before the first block, no bias in the patch
embedding and x·sigmoid(1.702 x) in its feed-forward networks; the transformers of DeiT, MoCo v3, SLIP and MAE are the
other form (:data:`TIMM`). All tensors are batch first, (B, N, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.packed_linear import PackedLinear, can_pack, pack_linears


@dataclass(frozen=True)
class ViTForm:
    """What differs between the published families of vision transformers."""

    quick_gelu: bool
    """Whether the feed-forward networks have CLIP's x·sigmoid(1.702 x) instead of the exact GELU."""
    pre_norm: bool
    """Whether the tokens are normalised before the first block (``ln_pre``)."""
    patch_bias: bool
    """Whether the patch embedding has a bias."""
    eps: float
    """Epsilon of every LayerNorm."""


CLIP = ViTForm(quick_gelu=True, pre_norm=True, patch_bias=False, eps=1e-5)
TIMM = ViTForm(quick_gelu=False, pre_norm=False, patch_bias=True, eps=1e-6)


class QuickGELU(nn.Module):
    """x·sigmoid(1.702 x), CLIP's approximation of the GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to each number."""
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention; ``in_proj`` makes queries, keys and values, in this order."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)

    def project(self, x: Tensor) -> Tensor:
        """Return the queries, keys and values of tokens (B, N, C): (B, 3, heads, N, C / heads)."""
        batch, tokens, width = x.shape
        projected = self.in_proj(x).view(batch, tokens, 3, self.heads, width // self.heads)
        return cast(Tensor, projected.permute(0, 2, 3, 1, 4))

    def forward(self, projected: Tensor, memory: Tensor | None = None, queries: int | None = None) -> Tensor:
        """Return what the first ``queries`` tokens (by default all) gather, (B, queries, C).

        Args:
            projected: :meth:`project` of the tokens, (B, 3, heads, N, C / heads).
            memory: keys and values of further tokens that are attended to but do not ask, (B, 2, heads, M, C / heads).
            queries: how many of the tokens ask.
        """
        q, k, v = projected.unbind(1)
        if memory is not None:
            k, v = torch.cat([k, memory[:, 0]], 2), torch.cat([v, memory[:, 1]], 2)
        gathered = F.scaled_dot_product_attention(q[:, :, :queries], k, v)
        return cast(Tensor, self.out_proj(gathered.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """Two linear layers, four times as wide in between."""

    def __init__(self, width: int, form: ViTForm) -> None:
        super().__init__()
        self.c_fc: nn.Module = nn.Linear(width, 4 * width)
        self.activation: nn.Module = QuickGELU() if form.quick_gelu else nn.GELU()
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return cast(Tensor, self.c_proj(self.activation(self.c_fc(x))))

    @torch.no_grad()
    def for_inference(self, rows: int) -> None:
        """Fold the activation into the layer before it, on a CPU; the weights do not change any more.

        x·sigmoid(1.702 x) is the SiLU of 1.702 x, over 1.702.
        """
        if not can_pack() or not isinstance(self.c_fc, nn.Linear):
            return
        quick = isinstance(self.activation, QuickGELU)
        if quick:
            for tensor in (self.c_fc.weight, self.c_fc.bias):
                tensor.mul_(1.702)
            self.c_proj.weight.div_(1.702)
        self.c_fc = PackedLinear(self.c_fc, rows, "swish" if quick else "gelu")
        self.activation = nn.Identity()


class Block(nn.Module):
    """x += attention(norm(x)); x += feed-forward(norm(x))."""

    def __init__(self, width: int, heads: int, form: ViTForm = CLIP) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, form.eps)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, form.eps)
        self.mlp = FeedForward(width, form)

    def project(self, x: Tensor) -> Tensor:
        """Return the queries, keys and values of tokens (B, N, C) in this block: (B, 3, heads, N, C / heads)."""
        return self.attn.project(self.ln_1(x))

    def forward(
        self, x: Tensor, memory: Tensor | None = None, queries: int | None = None, projected: Tensor | None = None
    ) -> Tensor:
        """Return the first ``queries`` tokens (by default all) after the block.

        Args:
            x: tokens (B, N, C).
            memory: keys and values of further tokens that are attended to but do not ask, (B, 2, heads, M, C / heads).
            queries: how many of the tokens ask.
            projected: :meth:`project` of the tokens, where it is known.
        """
        projected = self.project(x) if projected is None else projected
        x = self.attn(projected, memory, queries).add_(x[:, :queries])
        return cast(Tensor, self.mlp(self.ln_2(x)).add_(x))


class VisionTransformer(nn.Module):
    """The parts of a vision transformer; users with more than one image put them together.

    Args:
        width: channels of a token, C.
        depth: number of blocks.
        heads: attention heads of a block.
        patch: side of a patch in pixels.
        grid: patches along a side of the images of the pre-training, which fixes ``positional_embedding``.
        form: family of the pre-trained weights.
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int, grid: int, form: ViTForm = CLIP) -> None:
        super().__init__()
        self.patch, self.grid = patch, grid
        self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        self.positional_embedding = nn.Parameter(width**-0.5 * torch.randn(grid * grid + 1, width))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=form.patch_bias)
        self.ln_pre = nn.LayerNorm(width, form.eps) if form.pre_norm else nn.Identity()
        blocks = nn.ModuleList(Block(width, heads, form) for _ in range(depth))
        self.transformer = nn.ModuleDict({"resblocks": blocks})
        self.ln_post = nn.LayerNorm(width, form.eps)

    @property
    def blocks(self) -> list[Block]:
        """The blocks, in the order in which tokens pass them."""
        return [cast(Block, block) for block in cast(nn.ModuleList, self.transformer["resblocks"])]

    def for_inference(self, rows: int) -> None:
        """Bring the weights into the form that is fastest on a CPU; they do not change any more.

        Args:
            rows: tokens that usually pass a block at once.
        """
        for block in self.blocks:
            block.mlp.for_inference(rows)
        pack_linears(self, rows)

    def patches(self, image: Tensor) -> Tensor:
        """Return one token for each patch of an image (B, 3, H, W), row by row: (B, H / patch · W / patch, C)."""
        return cast(Tensor, self.conv1(image)).flatten(2).transpose(1, 2)

    def class_token(self) -> Tensor:
        """Return the class token with its position, (C,)."""
        return self.class_embedding + self.positional_embedding[0]

    def positions(self, grid: int) -> Tensor:
        """Return the position embedding of the patches, bilinearly resized to ``grid`` x ``grid``: (grid², C)."""
        pretrained = self.positional_embedding[1:]
        if grid == self.grid:
            return pretrained
        square = pretrained.T.reshape(1, -1, self.grid, self.grid)
        return F.interpolate(square, (grid, grid), mode="bilinear", align_corners=False)[0].flatten(1).T

"""The Swin transformer against its definition written out: padding, rolling, masks, merging."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trackbench.nn.layers.swin import PatchMerging, Swin, SwinSize, WindowAttention, merging_order

SMALL = SwinSize(8, (2, 2, 2), (2, 2, 4), window=3)


def rolled_attention(attention: WindowAttention, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Window attention step by step: pad, roll, cut, attend, put together, roll back, crop; masks from labels."""
    (height, width), w, shift = size, attention.window, attention.shift
    batch, _, channels = x.shape
    plane = F.pad(x.view(batch, height, width, channels), (0, 0, 0, -width % w, 0, -height % w))
    rows, columns = plane.shape[1:3]
    plane = plane.roll((-shift, -shift), (1, 2))
    label = torch.zeros(rows, columns)
    spans = [slice(0, -w), slice(-w, -shift), slice(-shift, None)] if shift else [slice(None)]
    for number, (down, right) in enumerate((a, b) for a in spans for b in spans):
        label[down, right] = number
    output = torch.empty_like(plane)
    for top in range(0, rows, w):
        for left in range(0, columns, w):
            here = (slice(None), slice(top, top + w), slice(left, left + w))
            tokens = plane[here].reshape(batch, w * w, channels)
            parts = label[here[1:]].flatten()
            q, k, v = attention.qkv(tokens).view(batch, w * w, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
            for i in range(w * w):
                for j in range(w * w):
                    dy, dx = i // w - j // w, i % w - j % w
                    place = (dy + w - 1) * (2 * w - 1) + dx + w - 1
                    scores[:, :, i, j] += attention.relative_position_bias_table[place]
                    scores[:, :, i, j] -= 100.0 * (parts[i] != parts[j])
            gathered = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, w, w, channels)
            output[here] = gathered
    output = output.roll((shift, shift), (1, 2))[:, :height, :width]
    return attention.proj(output.reshape(batch, height * width, channels))


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("size", [(6, 6), (5, 7), (3, 4), (2, 2)])
def test_windows_are_padded_rolled_and_masked(size, shift):
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, 3, shift)
    nn.init.normal_(attention.qkv.bias)
    nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(2, size[0] * size[1], 8)
    torch.testing.assert_close(attention(x, size), rolled_attention(attention, x, size), rtol=1e-4, atol=1e-5)


def test_kept_biases_change_nothing():
    torch.manual_seed(0)
    attention = WindowAttention(8, 2, 3, 1).eval().requires_grad_(False)
    x, y = torch.randn(2, 35, 8), torch.randn(1, 16, 8)
    before = attention(x, (5, 7)), attention(y, (4, 4))
    attention.keep_biases()
    for _ in range(2):
        assert torch.equal(attention(x, (5, 7)), before[0])
        assert torch.equal(attention(y, (4, 4)), before[1])


def test_merging_of_other_flavours():
    """Parameters of both published channel orders, reordered, give what those flavours give."""
    torch.manual_seed(0)
    x, (height, width) = torch.randn(1, 35, 6), (5, 7)
    plane = F.pad(x.view(1, height, width, 6), (0, 0, 0, 1, 0, 1))
    unfolded = F.unfold(plane.permute(0, 3, 1, 2), 2, stride=2).transpose(1, 2)
    original = torch.cat([plane[:, dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)], -1).flatten(1, 2)
    norm, weight = torch.randn(2, 24), torch.randn(12, 24)
    merging = PatchMerging(6)
    flavours: tuple[tuple[Literal["unfold", "original"], torch.Tensor], ...]
    flavours = ("unfold", unfolded), ("original", original)
    for flavour, patches in flavours:
        expected = F.layer_norm(patches, (24,), norm[0], norm[1]) @ weight.T
        entries = {"norm.weight": norm[0], "norm.bias": norm[1], "reduction.weight": weight}
        merging.load_state_dict({name: merging_order(entry, flavour) for name, entry in entries.items()})
        merged, size = merging(x, (height, width))
        assert size == (3, 4)
        torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cpu", [False, True])
def test_stages_behind_the_last_output_are_built_and_not_computed(cpu):
    torch.manual_seed(0)
    swin = Swin(SMALL, outputs=(0, 1), drop_path=0.0)
    image = torch.randn(2, 3, 37, 30)
    maps = swin(image)
    assert [tuple(m.shape) for m in maps] == [(2, 8, 10, 8), (2, 16, 5, 4)]
    sum(m.sum() for m in maps).backward()
    idle = {name for name, parameter in swin.named_parameters() if parameter.grad is None}
    assert idle == {name for name, _ in swin.named_parameters() if name.startswith(("stages.2", "stages.1.downsample"))}
    lean = swin.eval().requires_grad_(False).for_inference(cpu)
    assert not any(name in idle for name, _ in lean.named_parameters())
    for expected, found in zip(maps, lean(image), strict=True):
        torch.testing.assert_close(found, expected)


def test_stochastic_depth_grows_with_depth_and_only_trains():
    swin = Swin(SMALL, outputs=(2,), drop_path=0.2)
    blocks: list[Any] = [block for stage in swin.stages for block in stage.get_submodule("blocks").children()]
    rates = [block.drop_path.probability for block in blocks]
    assert rates == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    image = torch.randn(4, 3, 24, 24)
    with torch.no_grad():
        assert not torch.equal(swin(image)[0], swin(image)[0])
        swin.eval()
        assert torch.equal(swin(image)[0], swin(image)[0])

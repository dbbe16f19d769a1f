"""Parts of pyramid transformers against plain formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trackbench.nn.layers.drop_path import DropPath
from trackbench.nn.layers.packed_linear import can_pack
from trackbench.nn.layers.packed_pyramid import PackedFeedForward, pack_pyramid
from trackbench.nn.layers.pyramid import (
    ConvFeedForward,
    PatchEmbedding,
    SpatialReductionAttention,
    TokenMap,
)


def tokens(height: int, width: int, channels: int, batch: int = 2) -> TokenMap:
    return TokenMap(torch.randn(batch, height * width, channels), height, width)


def test_tokens_are_a_map_row_by_row() -> None:
    image = torch.randn(2, 3, 4, 5)
    source = TokenMap.of(image)
    assert (source.height, source.width) == (4, 5)
    torch.testing.assert_close(source.tokens[1, 7], image[1, :, 1, 2])
    torch.testing.assert_close(source.image(), image)


@pytest.mark.parametrize(("kernel", "stride", "side"), [(7, 4, 16), (3, 2, 32), (3, 1, 64), (4, 4, 16)])
def test_patch_embeddings_keep_the_stride(kernel: int, stride: int, side: int) -> None:
    embedded = PatchEmbedding(3, 8, kernel, stride)(torch.randn(1, 3, 64, 64))
    assert embedded.tokens.shape == (1, side * side, 8)
    torch.testing.assert_close(embedded.tokens.mean(2), torch.zeros(1, side * side), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("ratio", "depthwise"), [(1, False), (2, False), (2, True), (4, True)])
def test_attention_to_a_reduced_map(ratio: int, depthwise: bool) -> None:
    torch.manual_seed(0)
    layer = SpatialReductionAttention(8, 2, ratio, depthwise=depthwise)
    queries, source = tokens(4, 8, 8), tokens(8, 8, 8)
    keys = source.tokens
    if layer.sr is not None:
        keys = layer.norm(layer.sr(source.image()).flatten(2).transpose(1, 2))
        assert keys.shape[1] == 64 // ratio**2
    k, v = layer.kv(keys).chunk(2, 2)
    found = []
    for head in (slice(0, 4), slice(4, 8)):
        similar = layer.q(queries.tokens)[..., head] @ k[..., head].transpose(1, 2) / 2
        found.append(similar.softmax(2) @ v[..., head])
    expected = layer.proj(torch.cat(found, 2))
    torch.testing.assert_close(layer(queries, layer.keys_values(source)), expected)


def test_a_bias_is_added_to_the_scaled_products() -> None:
    layer = SpatialReductionAttention(8, 2, 1)
    queries, source = tokens(2, 2, 8), tokens(3, 3, 8)
    bias = torch.full((4, 9), -torch.inf)
    bias[:, 5] = 0.0
    expected = layer.proj(layer.kv(source.tokens)[:, 5:6, 8:].expand(-1, 4, -1))
    torch.testing.assert_close(layer(queries, layer.keys_values(source), bias), expected)


@pytest.mark.parametrize("convolution", [True, False])
@pytest.mark.parametrize("side", [5, 400], ids=["whole", "in groups"])
def test_feed_forward_and_its_packed_form(convolution: bool, side: int) -> None:
    torch.manual_seed(0)
    layer = ConvFeedForward(8, 32, convolution=convolution).eval()
    source = tokens(6, 5, 8)
    hidden = layer.fc1(source.tokens)
    if layer.position is not None:
        assert layer.position.bias is not None
        image = F.pad(hidden.transpose(1, 2).reshape(2, 32, 6, 5), (1, 1, 1, 1))
        weight = layer.position.weight[:, 0, :, :, None, None]
        shifted = [weight[:, i, j] * image[:, :, i : i + 6, j : j + 5] for i in range(3) for j in range(3)]
        hidden = (torch.stack(shifted).sum(0) + layer.position.bias[:, None, None]).flatten(2).transpose(1, 2)
    expected = layer.fc2(hidden * (1 + torch.erf(hidden / 2**0.5)) / 2)
    torch.testing.assert_close(layer(source), expected, rtol=0, atol=1e-5)
    network = nn.Sequential(layer)
    with torch.inference_mode():
        pack_pyramid(network, side)
        torch.testing.assert_close(network(source), expected, rtol=0, atol=1e-5)
    if can_pack():
        packed = network[0]
        assert isinstance(packed, PackedFeedForward)
        assert len(packed.fc1) == (1 if side == 5 else 9)


def test_dropped_paths_keep_the_expectation() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    branch = torch.ones(4000, 2, 3)
    dropped = drop(branch)
    samples = dropped[:, 0, 0]
    torch.testing.assert_close(dropped, samples[:, None, None].expand_as(dropped))
    assert sorted(samples.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert samples.mean() == pytest.approx(1.0, abs=0.05)
    assert drop.eval()(branch) is branch
    assert DropPath(0.0)(branch) is branch

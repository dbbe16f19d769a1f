"""Packed layers compute what the layers do that they are made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trackbench.nn.layers.packed_conv import PackedConv2d, pack_convolutions
from trackbench.nn.layers.packed_linear import PackedLinear, can_pack, pack_linears

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch cannot pack")


@pytest.mark.parametrize(
    ("activation", "function"), [("none", lambda x: x), ("relu", F.relu), ("gelu", F.gelu), ("swish", F.silu)]
)
@pytest.mark.parametrize(
    ("inputs", "outputs", "rows"), [(24, 40, 30), (1024, 1056, 256)], ids=["product", "convolution"]
)
@pytest.mark.parametrize("bias", [True, False])
def test_packed_linear(activation, function, inputs, outputs, rows, bias):
    torch.manual_seed(0)
    linear = nn.Linear(inputs, outputs, bias)
    packed = PackedLinear(linear, rows, activation)
    assert packed.convolves == (inputs == 1024)
    with torch.inference_mode():
        for shape in ((rows, inputs), (2, 7, inputs)):
            x = torch.randn(shape)
            torch.testing.assert_close(packed(x), function(linear(x)), rtol=1e-5, atol=2e-6)
        part = torch.randn(2, 9, inputs)[:, :5]
        torch.testing.assert_close(packed(part), function(linear(part)), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("settings", [{}, {"padding": 1}, {"stride": 2, "dilation": 2}, {"groups": 4, "bias": False}])
def test_packed_convolution(settings):
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 12, 3, **settings)
    packed = PackedConv2d(conv, 9)
    with torch.inference_mode():
        for shape in ((1, 8, 9, 9), (3, 8, 12, 7)):
            x = torch.randn(shape)
            torch.testing.assert_close(packed(x), conv(x), rtol=1e-5, atol=1e-6)
            tokens = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
            torch.testing.assert_close(packed(tokens), conv(x), rtol=1e-5, atol=1e-6)


def test_only_what_can_be_packed_is():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding_mode="circular", padding=1), nn.Conv2d(4, 4, 3, padding="same")
    )
    assert pack_convolutions(network, 9) == 1
    assert [type(layer) for layer in network] == [PackedConv2d, nn.Conv2d, nn.Conv2d]
    assert pack_linears(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3).double()), 9) == 1

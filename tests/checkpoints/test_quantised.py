"""int8 weights in files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trackbench.checkpoints.quantised import SCALE, quantised, restored
from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError


def test_numbers_come_back_within_half_a_scale_of_their_row(tmp_path: Path) -> None:
    torch.manual_seed(1)
    rows = torch.logspace(-6, 3, 64)[:, None]
    weights = {
        "linear.weight": torch.randn(64, 96) * rows,
        "conv.weight": torch.randn(64, 8, 3, 3) * rows[:, :, None, None],
        "norm.weight": torch.rand(64),
        "count": torch.tensor(7),
        "empty.weight": torch.zeros(64, 64),
    }
    packed = quantised(weights)
    assert [packed[name].dtype for name in weights] == [torch.int8, torch.int8, torch.float16, torch.int64, torch.int8]
    save_file(packed, tmp_path / "small.safetensors")
    back = read_state(tmp_path / "small.safetensors")
    assert set(back) == set(weights)
    assert all(back[name].dtype == torch.float32 for name in weights if name != "count")
    for name in ("linear.weight", "conv.weight"):
        off = (back[name] - weights[name]).flatten(1).abs()
        assert (off.amax(1) <= weights[name].flatten(1).abs().amax(1) / 254 * 1.0001).all()
        assert off.max() > 0
    assert torch.equal(back["empty.weight"], weights["empty.weight"])
    assert torch.equal(back["norm.weight"], weights["norm.weight"].half().float())
    assert int(back["count"]) == 7


def test_files_without_scales_are_left_as_they_are() -> None:
    state = {"a": torch.ones(2, dtype=torch.int8), "b": torch.ones(2, dtype=torch.float16)}
    assert restored(state) == state


def test_scales_that_do_not_fit_are_said(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_file({"a": torch.ones(4, 2, dtype=torch.int8), f"a{SCALE}": torch.ones(3)}, path)
    with pytest.raises(
        DataError, match=r"bad\.safetensors: damaged safetensors file: .*'a' of shape \(4, 2\) has 3 scales"
    ):
        read_state(path)

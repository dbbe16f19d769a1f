"""What is often saved instead of weights is named, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from command import trackbench
from torch import Tensor

from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError
from trackbench.trackers.zoo.dcfnet.network import Features


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, not a file of weights: the download failed"),
        (b"Quota exceeded. Too many users", "is a text \\('Quota exceeded. Too many users'\\), not a file of weights"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", "is a web page"),
        (b'<?xml version="1.0"?><Error>', "is a web page"),
        (b'{"error": 404}', "is a JSON document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS.*git lfs pull"),
        (b"\x1f\x8b\x08" + bytes(30), "compressed with gzip: unpack it first"),
        (b"x.pth".ljust(257, b"\0") + b"ustar" + bytes(200), "is a tar archive: unpack it first"),
        (b"BZh91AY&SY", "compressed with bzip2: unpack it first"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file of Keras or MATLAB; expected one of torch.save"),
        (b"\x93NUMPY\x01\x00", "is an array of NumPy; expected one of torch.save"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_state(tmp_path / "x.pth")


@pytest.mark.parametrize("dtype", ["complex64", "qint8"])
def test_numbers_that_no_network_computes_with_are_not_called_damage(tmp_path: Path, dtype: str) -> None:
    ones = torch.ones(2)
    made = torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8) if dtype == "qint8" else ones.to(torch.complex64)
    torch.save({"a": made}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"x\.pth: holds numbers of kind (ComplexFloat|QInt8); expected floating point"):
        read_state(tmp_path / "x.pth")


@pytest.fixture
def weights(workplace: Path) -> dict[str, Tensor]:
    return {name: tensor + 0.5 for name, tensor in Features().state_dict().items()}


def add(tmp_path: Path, document: Any, *more: str, code: int = 0) -> str:
    torch.save(document, tmp_path / "x.pth")
    return " ".join(trackbench("weights", "add", "dcfnet", str(tmp_path / "x.pth"), *more, code=code).output.split())


def test_a_moving_average_is_taken_only_by_its_key_and_spoken_of(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    average = {name: tensor + 1 for name, tensor in weights.items()}
    document = {"model": weights, "model_ema": average, "epoch": 3}
    assert "under 'model', which are taken, and under 'model_ema' (a moving average?): --key model_ema" in add(
        tmp_path, document
    )
    assert "--key" not in add(tmp_path, document, "--key", "model_ema")
    assert read_state(tmp_path / "x.pth").keys() == weights.keys()
    assert "has no state dict under 'x': it has 'model', 'model_ema'" in add(tmp_path, document, "--key", "x", code=1)


@pytest.mark.parametrize("key", ["weights", "a.b.c", "averaged_model"])
def test_the_only_state_dict_is_found_under_any_key(tmp_path: Path, weights: dict[str, Tensor], key: str) -> None:
    document: Any = weights
    if key == "averaged_model":
        document = {"n_averaged": torch.tensor(3)} | {f"module.{name}": tensor for name, tensor in weights.items()}
    for part in reversed(key.split(".")):
        document = {part: document, "epoch": 1}
    assert "4 tensors; kept" in add(tmp_path, document)


def test_which_of_several_unknown_keys_is_asked(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    assert "'a', 'b': --key takes one" in add(tmp_path, {"a": weights, "b": weights}, code=1)


def test_attributes_of_training_modules_may_be_nested(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    named = {f"tracker.net.{name}": tensor for name, tensor in weights.items()}
    assert "4 tensors; kept" in add(tmp_path, {"state_dict": named})


@pytest.mark.parametrize("kind", [torch.int32, torch.bool, torch.uint8])
def test_quantised_weights_are_called_so(tmp_path: Path, weights: dict[str, Tensor], kind: torch.dtype) -> None:
    said = add(tmp_path, {name: tensor.to(kind) for name, tensor in weights.items()}, code=1)
    assert f"its weights are {str(kind)[6:]}, not floating-point numbers, in 4 of 4 tensors" in said


def test_arrays_instead_of_tensors_are_named(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    said = add(tmp_path, {name: tensor.numpy() for name, tensor in weights.items()}, code=1)
    assert "4 entries that are no tensors, of which the first, 'feature.0.weight', is" in said

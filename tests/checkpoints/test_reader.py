"""Files of weights come out as torch wrote them; nothing in them is executed; damage is one line."""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from trackbench.checkpoints.reader import find_state, read_checkpoint, read_state
from trackbench.checkpoints.unpickler import InertObject
from trackbench.errors import DataError


class Settings:
    """Stands for the objects that training programs pickle beside the weights."""

    def __init__(self) -> None:
        self.batch = 16
        self.device = torch.device("cpu")


class Malicious:
    """Writes a file when it is unpickled by a reader that executes things."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


def make_file(path: Path) -> None:
    path.touch()


def some_weights() -> dict[str, torch.Tensor]:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return {
        "a.weight": base,
        "a.view": base.t()[1:3],  # another view of the same storage
        "b.half": torch.linspace(-1, 1, 3).half(),
        "b.bfloat": torch.linspace(0, 1, 4).view(2, 2).bfloat16(),
        "b.count": torch.tensor(7),
        "b.flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(torch.ones(2)),
    }


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(
        torch.equal(found[name], wanted[name].detach()) and found[name].dtype == wanted[name].dtype for name in wanted
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "net", "state_dict", "model"])
def test_every_form_of_torch_save(tmp_path: Path, zipped: bool, prefix: str, wrapper: str | None) -> None:
    state = {prefix + name: tensor for name, tensor in some_weights().items()}
    document: dict[str, Any] = dict(state)
    if wrapper:
        scalar = np.float64(0.5)
        extra = {"epoch": 3, "settings": Settings(), "best": scalar, "arguments": argparse.Namespace(a=1)}
        document = {wrapper: state, "optimizer": {"state": {0: torch.ones(2)}}, **extra}
    torch.save(document, tmp_path / "x.pth.tar", _use_new_zipfile_serialization=zipped)
    assert same(read_state(tmp_path / "x.pth.tar"), some_weights())
    if wrapper:
        read = read_checkpoint(tmp_path / "x.pth.tar")
        assert read["epoch"] == 3
        assert isinstance(read["settings"], InertObject)
        assert read["settings"].path.endswith("test_reader.Settings")
        assert read["settings"].state["batch"] == 16


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("length", [0x80, 0x0280, int.from_bytes(b"PK", "little")])
def test_a_safetensors_header_may_be_as_long_as_other_files_begin(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.safetensors"
    weights = {"a.weight": torch.arange(6.0).view(2, 3)}
    text = json.dumps({"a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}})
    path.write_bytes(length.to_bytes(8, "little") + text.ljust(length).encode() + weights["a.weight"].numpy().tobytes())
    assert same(read_state(path), weights)


def test_torchscript_and_safetensors(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).half()
    torch.jit.script(module).save(str(tmp_path / "clip.pt"))
    assert same(read_state(tmp_path / "clip.pt"), module.state_dict())
    weights = {name: tensor.detach().contiguous().clone() for name, tensor in some_weights().items()}
    save_file(weights, tmp_path / "x.safetensors")
    assert same(read_state(tmp_path / "x.safetensors"), weights)


def test_published_files_that_weights_only_refuses(reference: Path) -> None:
    for name, keys in (("nanotrack_v2.pth", 298), ("udt.pth.tar", 4), ("dcfnet.pth", 4)):
        path = reference / "models" / name
        found = read_state(path)
        # These files are known, so here they may be opened in the way that executes what they ask for.
        document = torch.load(path, map_location="cpu", weights_only=False, encoding="latin1")
        state = document.get("state_dict", document)
        assert len(found) == keys
        assert same(found, {name.removeprefix("module."): tensor for name, tensor in state.items()})


@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (os.system, ("touch {}",), f"{os.system.__module__}.system"),
        (eval, ("open({!r}, 'w')",), "builtins.eval"),
        (exec, ("open({!r}, 'w')",), "builtins.exec"),
        (getattr, (os, "getcwd"), "os"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_commands_are_refused(
    tmp_path: Path, call: Any, arguments: tuple[Any, ...], named: str, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    filled = [text.format(str(witness)) if isinstance(text, str) else "os" for text in arguments]
    document = {"net": some_weights(), "settings": Malicious(call, *filled)}
    torch.save(document, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="nothing was executed") as caught:
        read_checkpoint(tmp_path / "x.pth")
    assert named.split(".")[-1] in str(caught.value) or "getattr" in str(caught.value)
    assert not witness.exists()


def test_unknown_calls_are_not_made(tmp_path: Path) -> None:
    """A call of something that is not known to be hostile is not made either."""
    witness = tmp_path / "witness"
    torch.save({"net": some_weights(), "x": Malicious(make_file, witness)}, tmp_path / "x.pth")
    assert same(read_state(tmp_path / "x.pth"), some_weights())
    assert not witness.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file of weights"),
        (b"hello, this is text", "not a file of weights"),
        (b"\x80\x02}q\x00.", "a pickle that torch.save has not written"),
        (b"\x80\x02cos\nsystem\n(S'true'\ntR.", "refused, and nothing was executed"),
        (b"PK\x03\x04 broken", "damaged or cut off"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "is a MATLAB file, as MatConvNet keeps networks; expected one of"),
        (b"\x93NUMPY\x01\0v\0", "is an array of NumPy; expected one of torch.save"),
        (b"GGUF\x03\0\0\0", "is a GGUF file of llama.cpp; expected one of torch.save"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json at all", "damaged safetensors"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_checkpoint(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("numpy", [False, True])
def test_what_pickle_dump_has_written_is_called_that(tmp_path: Path, protocol: int, numpy: bool) -> None:
    weights = {name: value.detach().float() for name, value in some_weights().items()}
    state = {name: value.numpy() if numpy else value for name, value in weights.items()}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(state, protocol))
    with pytest.raises(DataError, match=r"x\.pkl: a pickle that torch\.save has not written; if you trust its source"):
        read_checkpoint(tmp_path / "x.pkl")
    converted = {
        name: torch.as_tensor(value) for name, value in pickle.loads((tmp_path / "x.pkl").read_bytes()).items()
    }
    torch.save(converted, tmp_path / "new.pth")
    assert same(read_state(tmp_path / "new.pth"), weights)


def test_zip_without_weights_and_missing_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(DataError, match=r"x\.npz: holds arrays of NumPy \(a\.npy\); expected one of torch\.save"):
        read_checkpoint(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"without files of weights"):
        read_checkpoint(tmp_path / "x.zip")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(DataError, match="is a folder; expected a file"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"epoch": 3, "arguments": [1]}, "holds the keys epoch, arguments: expected a state dict"),
        ([1, 2], "holds a list: expected a state dict"),
        ({}, "expected a state dict"),
    ],
)
def test_no_state_dict(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_state(document, tmp_path / "x.pth")


@functools.cache  # torch numbers storages by their addresses: the length would differ from call to call
def saved(zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"net": some_weights(), "settings": Settings()}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


@given(st.data(), st.booleans())
def test_damage_is_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, zipped: bool) -> None:
    content = bytearray(saved(zipped))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content) - 1)) :]
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.pth"
    path.write_bytes(bytes(content))
    message, state = "", {}
    try:
        state = read_state(path)
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    assert bool(message) != bool(state)


def test_pickles_of_any_protocol_are_read(tmp_path: Path) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        torch.save({"net": some_weights()}, tmp_path / "x.pth", pickle_protocol=protocol)
        assert same(read_state(tmp_path / "x.pth"), some_weights())

"""Files of weights, read without executing anything in them.

What ``torch.save`` has written since 2017 (the zip of torch 1.6 and later, the plain stream before), TorchScript
archives as CLIP is published in, and safetensors.
"""

from __future__ import annotations

import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trackbench.checkpoints.key_map import without_prefix
from trackbench.checkpoints.unpickler import (
    CheckpointUnpickler,
    HostilePickleError,
    Inert,
    Storage,
    attributes,
)
from trackbench.errors import DataError

_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM = 1001
"""First two pickles of a stream written before torch 1.6: magic number and version of the protocol."""

_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error)
"""What :mod:`zipfile` raises on damaged, encrypted or oddly compressed members."""

_WRAPPERS = ("net", "state_dict", "model_state_dict", "model", "network", "params", "module")
"""Keys under which training programs keep the weights, in the order in which they are looked for."""


def read_checkpoint(path: Path) -> Any:
    """Return what a file of weights holds: containers, numbers, texts and tensors on the CPU.

    Objects of any other class are :class:`~trackbench.checkpoints.unpickler.Inert`.

    Raises:
        DataError: no file, not a file of weights, damaged, or one that would run commands when unpickled.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(0)
            if start.startswith(b"PK\x03\x04"):
                return _read_zip(path, file)
            if start.startswith(b"\x80"):
                return _read_stream(path, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(start) == 16 and start[8:9] == b"{":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise DataError(f"{path}: damaged safetensors file: {error}") from None
    raise DataError(
        f"{path}: not a file of weights (begins with {start[:8]!r}): expected one of torch.save, TorchScript or "
        "safetensors"
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file of weights; see :func:`read_checkpoint` and :func:`find_state`.

    Raises:
        DataError: as :func:`read_checkpoint`, or there is no state dict in the file.
    """
    return find_state(read_checkpoint(path), path)


def find_state(document: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, without the prefix ``module.``.

    It is the checkpoint itself, or lies under a key that training programs use (``net``, ``state_dict``, …), or is what
    a TorchScript module holds.

    Raises:
        DataError: there is none; the message says what the file has instead.
    """
    if isinstance(document, Inert):
        document = _script_tensors(document)
    state = _tensors(document)
    if state is None and isinstance(document, Mapping):
        found = (_tensors(document[key]) for key in _WRAPPERS if key in document)
        state = next((inner for inner in found if inner is not None), None)
    if state is None:
        what = f"the keys {_shortened(document)}" if isinstance(document, Mapping) else f"a {type(document).__name__}"
        raise DataError(f"{path}: holds {what}: expected a state dict, alone or under one of {', '.join(_WRAPPERS)}")
    return without_prefix(state)


def _tensors(value: Any) -> dict[str, Tensor] | None:
    """Return ``value`` as a state dict, or None where it is not one."""
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(name, str) and isinstance(item, Tensor) for name, item in value.items()):
        return None
    return dict(value)


def _script_tensors(module: Inert, prefix: str = "") -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in attributes(module).items():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, Inert):
            found |= _script_tensors(value, f"{prefix}{name}.")
    return found


def _read_zip(path: Path, file: IO[bytes]) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise DataError(f"{path}: a zip file without the 'data.pkl' of a file of weights")
            folder = pickles[0].removesuffix("data.pkl")
            if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != sys.byteorder.encode():
                raise DataError(f"{path}: written on a machine of the other byte order")
            kept: dict[str, Tensor] = {}

            def storage(wanted: Storage) -> Tensor:
                key, dtype, count = wanted
                if key not in kept:
                    kept[key] = _elements(archive.read(f"{folder}data/{key}"), dtype, count)
                return kept[key]

            with archive.open(pickles[0]) as stream:
                return _unpickle(path, CheckpointUnpickler(stream, storage))
    except _DAMAGED_ZIP as error:
        raise DataError(f"{path}: damaged or cut off: {error}") from None


def _read_stream(path: Path, file: IO[bytes]) -> Any:
    kept: dict[str, Tensor] = {}

    def storage(wanted: Storage) -> Tensor:
        # The elements come after the pickles; until then the storage is only as large as it will be.
        key, dtype, count = wanted
        if key not in kept:
            if count * dtype.itemsize > size:
                raise pickle.UnpicklingError("a storage larger than the file")
            kept[key] = torch.empty(count, dtype=dtype)
        return kept[key]

    size = path.stat().st_size
    if _unpickle(path, CheckpointUnpickler(file, storage)) != _MAGIC:
        raise DataError(f"{path}: a pickle that torch.save has not written")
    version, system = (_unpickle(path, CheckpointUnpickler(file, storage)) for _ in range(2))
    if version != _STREAM or not isinstance(system, dict) or not system.get("little_endian", True):
        raise DataError(f"{path}: written in an unknown form (version {version!r})")
    document = _unpickle(path, CheckpointUnpickler(file, storage))
    keys = _unpickle(path, CheckpointUnpickler(file, storage))
    for key in keys if isinstance(keys, list) else []:
        target = kept.get(str(key))
        count = int.from_bytes(file.read(8), "little")
        if target is None or count != target.numel():
            raise DataError(f"{path}: damaged: storage {key!r} has {count} elements, which does not fit")
        data = file.read(count * target.itemsize)
        if len(data) < count * target.itemsize:
            raise DataError(f"{path}: cut off within storage {key!r}")
        target.copy_(_elements(data, target.dtype, count))
        del kept[str(key)]
    if kept:
        raise DataError(f"{path}: cut off: {len(kept)} storages are missing")
    return document


def _elements(data: bytes, dtype: torch.dtype, count: int) -> Tensor:
    if len(data) < count * dtype.itemsize:
        raise pickle.UnpicklingError(f"a storage of {len(data)} bytes, {count * dtype.itemsize} expected")
    return torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def _unpickle(path: Path, unpickler: CheckpointUnpickler) -> Any:
    try:
        return unpickler.load()
    except HostilePickleError as error:
        raise DataError(f"{path}: asks to call {error} when it is opened; refused, and nothing was executed") from None
    except DataError:
        raise
    except Exception as error:
        # A damaged pickle is a random program for the unpickler: it may fail in any way.
        raise DataError(f"{path}: damaged or cut off: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _shortened(mapping: Mapping[Any, Any]) -> str:
    names = [str(key) for key in mapping]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

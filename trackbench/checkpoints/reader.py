"""Files of weights, read without executing anything in them.

What ``torch.save`` has written since 2017 (the zip of torch 1.6 and later, the plain stream before), TorchScript
archives as CLIP is published in, and safetensors.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from trackbench.checkpoints.key_map import without_wrappers
from trackbench.checkpoints.quantised import restored
from trackbench.checkpoints.unpickler import (
    MAX_PICKLE,
    CheckpointUnpickler,
    HostilePickleError,
    InertObject,
    Limits,
    PlainPickleError,
    Storage,
    UnknownNumbersError,
    attributes,
)
from trackbench.checkpoints.weight_cache import MAX_WEIGHTS
from trackbench.errors import DataError, unforeseen
from trackbench.files import open_regular, reading
from trackbench.quoting import NAME, listed, printable, shown
from trackbench.zips import Archive

_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM = 1001
"""First two pickles of a stream written before torch 1.6: magic number and version of the protocol."""

_WRAPPERS = (
    *("net", "state_dict", "model_state_dict", "model", "network", "params", "module"),
    *("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema", "teacher", "checkpoint"),
)
"""Keys under which programs keep the weights, in the order in which they are looked for; averages come last."""

MAX_KEYS = 200
"""Most entries of a checkpoint that are looked into."""
MAX_HEADER = 16 << 20
"""Most bytes of the header of a safetensors file."""
MAX_TENSORS, MAX_NAME = 50_000, 500
"""Most tensors of a state dict, and characters of their names: the largest networks have a tenth of it."""
_COMPRESSED = 4
"""Weights hardly compress; an archive that is believed to hold more than so many times its size is refused."""

_TAR_MARK = 257
_EXPECTED = "expected one of torch.save, TorchScript or safetensors"

_PLAIN_PICKLE = (
    "a pickle that torch.save has not written; if you trust its source, in Python: torch.save({name: "
    "torch.as_tensor(value) for name, value in pickle.load(open(FILE, 'rb')).items()}, NEW)"
)

#: How files begin that are often saved instead of weights, and what they are.
_OTHERS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself: `git lfs pull` fetches it"),
    (b"<", "is a web page, not a file of weights: the download failed; download it again, in a browser if need be"),
    (b'{"', "is a JSON document, not a file of weights: the download failed; download it again"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\0", "is compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"),
    (b"\x89HDF", f"is an HDF5 file of Keras or MATLAB; {_EXPECTED}"),
    (b"MATLAB 5.0", f"is a MATLAB file, as MatConvNet keeps networks; {_EXPECTED}"),
    (b"\x93NUMPY", f"is an array of NumPy; {_EXPECTED}"),
    (b"GGUF", f"is a GGUF file of llama.cpp; {_EXPECTED}"),
    (b"Rar!", "is a rar archive: unpack it first"),
)


def read_checkpoint(path: Path, wanted: Sequence[str] = ()) -> Any:
    """Return what a file of weights holds: containers, numbers, texts and tensors on the CPU.

    Objects of any other class are :class:`~trackbench.checkpoints.unpickler.InertObject`. A zip archive around one file
    of weights, as projects publish them, is looked into.

    Args:
        path: the file.
        wanted: names of which one is taken out of an archive with several files of weights.

    Raises:
        DataError: no file, not a file of weights, damaged, or one that would run commands when unpickled.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_WEIGHTS:
            raise DataError(f"{path}: has {size} bytes; expected at most {MAX_WEIGHTS >> 30} GiB of weights")
        return _read(str(path), path, file, size, wanted)


def _read(where: str, path: Path | None, file: IO[bytes], size: int, wanted: Sequence[str]) -> Any:
    start = file.read(32)
    file.seek(0)
    # The length of a safetensors header may begin with the bytes of a zip or of a pickle.
    short_header = start[4:9] == b"\0\0\0\0{"
    if start.startswith(b"PK") and not short_header:
        return _read_zip(where, path, file, size, wanted)
    if start.startswith(b"\x80") and not short_header:
        return _read_stream(where, file, size)
    if len(start) >= 16 and start[8:9] == b"{":
        header = int.from_bytes(start[:8], "little")
        if header > min(size, MAX_HEADER):
            raise DataError(f"{where}: damaged safetensors file: a header of {header} bytes")
        if path is None:
            raise DataError(f"{where}: is a safetensors file within an archive: unpack it first")
        with reading(f"{where}: damaged safetensors file"):
            return restored(load_file(path))
    file.seek(_TAR_MARK)
    if file.read(5) == b"ustar":
        raise DataError(f"{where}: is a tar archive: unpack it first")
    for begin, what in _OTHERS:
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(begin.lower()):
            raise DataError(f"{where}: {what}")
    if not start or (start.isascii() and start.decode().replace("\n", " ").replace("\r", " ").isprintable()):
        kind = f"is a text ({shown(start.decode())})" if start else "is empty"
        raise DataError(f"{where}: {kind}, not a file of weights: the download failed; download it again")
    raise DataError(f"{where}: not a file of weights (begins with {shown(start[:8])}): {_EXPECTED}")


def read_state(path: Path, wanted: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return the state dict in a file of weights; see :func:`read_checkpoint` and :func:`find_state`.

    Raises:
        DataError: as :func:`read_checkpoint`, or there is no state dict in the file.
    """
    return find_state(read_checkpoint(path, wanted), path)


def find_state(document: Any, path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, without the names that wrappers of networks put into it.

    It is the checkpoint itself, or is under a key that training programs use (``net``, ``state_dict``, …), or is the
    only one in the file, or is what a module holds that was saved as a whole, by torch.save or as TorchScript.

    Args:
        document: the checkpoint.
        path: what messages call it.
        key: under which key the state dict is, where there are several.

    Raises:
        DataError: there is none; the message says what the file has instead.
    """
    states = states_in(document)
    if key is not None:
        if key not in states:
            raise DataError(f"{path}: has no state dict under '{printable(key, NAME)}': it has {_keys_of(states)}")
        chosen = key
    elif not states or (len(states) > 1 and not {"", *_WRAPPERS}.intersection(_last(name) for name in states)):
        several = f" ({_keys_of(states)}: --key takes one)" if states else ""
        raise DataError(
            f"{path}: holds {_described(document)}: expected a state dict, alone or under one of "
            f"{', '.join(_WRAPPERS)}{several}"
        )
    else:
        chosen = next(iter(states))
    _check_names(path, states[chosen])
    return without_wrappers(states[chosen])


def states_in(document: Any) -> dict[str, Mapping[str, Tensor]]:
    """Return the state dicts in a checkpoint by their keys, ``a.b`` below two, in the order in which they are taken.

    The checkpoint itself has the key ``""``; averages of weights come after weights.
    """
    states: dict[str, Mapping[str, Tensor]] = {}
    level: list[tuple[str, Any]] = [("", document)]
    for _ in range(4):
        for name, each in level:
            state = _module_tensors(each) if isinstance(each, InertObject) else each
            if _is_state(state):
                states[name] = state
        inner = [(name, each) for name, each in level if name not in states and isinstance(each, Mapping)]
        level = [
            (f"{name}.{key}".removeprefix("."), value)
            for name, each in inner
            for key, value in list(each.items())[:MAX_KEYS]
            if isinstance(key, str) and isinstance(value, Mapping | InertObject)
        ][:MAX_KEYS]
    ranks = {name: rank for rank, name in enumerate(_WRAPPERS)}
    return dict(sorted(states.items(), key=lambda item: (ranks.get(_last(item[0]), len(ranks)), item[0].count("."))))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _keys_of(states: Mapping[str, object]) -> str:
    return listed(f"'{name}'" for name in states) or "none"


def _is_state(value: Any) -> bool:
    """Whether ``value`` is a state dict: names with tensors."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(item, Tensor) for name, item in value.items())
    )


def _check_names(path: Path, state: Mapping[str, Tensor]) -> None:
    if len(state) > MAX_TENSORS:
        raise DataError(f"{path}: holds {len(state)} tensors; expected at most {MAX_TENSORS}")
    longest = max(state, key=len)
    if len(longest) > MAX_NAME:
        raise DataError(f"{path}: holds a tensor whose name has {len(longest)} characters ({printable(longest, 40)})")


def _described(document: Any) -> str:
    """Return what a checkpoint without a state dict holds instead."""
    for value in [document, *(document[key] for key in _WRAPPERS if isinstance(document, Mapping) and key in document)]:
        if isinstance(value, Mapping) and any(isinstance(item, Tensor) for item in value.values()):
            name, item = next(
                (name, item)
                for name, item in value.items()
                if not isinstance(name, str) or not isinstance(item, Tensor)
            )
            kind = repr(item) if isinstance(item, InertObject) else f"of type {type(item).__name__}"
            return f"tensors, but entry {shown(name)} is {kind}"
    if isinstance(document, Mapping) and document and all(isinstance(v, InertObject) for v in document.values()):
        name, item = next(iter(document.items()))
        return f"{len(document)} entries that are no tensors, of which the first, {shown(name)}, is {item!r}"
    if isinstance(document, Mapping):
        return f"the keys {listed(key if isinstance(key, str) else shown(key) for key in document) or 'of none'}"
    return (
        f"the object {document!r} without tensors"
        if isinstance(document, InertObject)
        else f"a {type(document).__name__}"
    )


def _module_tensors(module: InertObject) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module that was saved as a whole; each module is looked at once."""
    tensors: dict[str, Tensor] = {}
    waiting, seen = [("", module)], {id(module)}
    while waiting and len(tensors) <= MAX_TENSORS:
        prefix, inner = waiting.pop()
        if len(prefix) > MAX_NAME:
            continue
        for name, value in _members(attributes(inner)):
            if isinstance(value, Tensor):
                tensors[f"{prefix}{name}"] = value
            elif isinstance(value, InertObject) and id(value) not in seen:
                seen.add(id(value))
                waiting.append((f"{prefix}{name}.", value))
    return tensors


def _members(values: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield names and what is below them; torch keeps parameters, buffers and inner modules in three dicts."""
    for name, value in values.items():
        if name in ("_parameters", "_buffers", "_modules"):
            yield from value.items() if isinstance(value, Mapping) else ()
        else:
            yield name, value


def _read_zip(where: str, path: Path | None, file: IO[bytes], size: int, wanted: Sequence[str]) -> Any:
    try:
        archive = Archive(file, where)
    except DataError as error:
        raise DataError(str(error).replace("is not a readable zip archive", "damaged or cut off", 1)) from None
    members = archive.members
    total = sum(members.values())
    if total > _COMPRESSED * size + MAX_PICKLE:
        raise DataError(f"{where}: {size} bytes expand to {total}, which weights do not; refused")
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        if path is None:
            raise DataError(f"{where}: a zip file without the 'data.pkl' of a file of weights")
        return _read_published(archive, where, wanted)
    folder = pickles[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in members and archive.read(order, 16) != sys.byteorder.encode():
        raise DataError(f"{where}: written on a machine of the other byte order")
    kept: dict[str, Tensor] = {}

    def storage(wanted: Storage) -> Tensor:
        key, dtype, count = wanted
        if key not in kept:
            member = f"{folder}data/{key}"
            if member not in members:
                raise pickle.UnpicklingError(f"storage {printable(key, 40)} is missing")
            kept[key] = _elements(archive.read(member, MAX_WEIGHTS), dtype, count)
        return kept[key]

    stream = io.BytesIO(archive.read(pickles[0], MAX_PICKLE))
    return _unpickle(where, CheckpointUnpickler(stream, storage, Limits(size)))


def _read_published(archive: Archive, where: str, wanted: Sequence[str]) -> Any:
    """Return what the file of weights in an archive holds, which projects publish."""
    endings = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".pkl")
    members = [name for name in archive.members if name.lower().endswith(endings) and "__MACOSX" not in name]
    named = [name for name in members if name.rpartition("/")[2] in wanted]
    chosen = named if len(named) == 1 else members
    if not members and all(name.endswith(".npy") for name in archive.members) and archive.members:
        raise DataError(f"{where}: holds arrays of NumPy ({listed(archive.members, 3)}); {_EXPECTED}")
    if not members:
        held = listed(archive.members, 3) or "nothing"
        raise DataError(f"{where}: a zip file without files of weights (it holds {held}): unpack it, and give one")
    if len(chosen) != 1:
        names = listed(named or members, 10)
        raise DataError(f"{where}: holds several files of weights ({names}): unpack it, and give one of them")
    data = archive.read(chosen[0], MAX_WEIGHTS)
    inside = f"{where}: {printable(chosen[0])}"
    return _read(inside, None, io.BytesIO(data), len(data), ())


def _read_stream(where: str, file: IO[bytes], size: int) -> Any:
    kept: dict[str, Tensor] = {}
    limits, left = Limits(size), size

    def storage(wanted: Storage) -> Tensor:
        # The elements come after the pickles; until then the storage is only as large as it will be.
        nonlocal left
        key, dtype, count = wanted
        if key not in kept:
            left -= count * dtype.itemsize
            if left < 0:
                raise pickle.UnpicklingError("storages larger than the file")
            kept[key] = torch.empty(count, dtype=dtype)
        return kept[key]

    def load() -> Any:
        return _unpickle(where, CheckpointUnpickler(file, storage, limits))

    if load() != _MAGIC:
        raise DataError(f"{where}: {_PLAIN_PICKLE}")
    version, system = load(), load()
    if version != _STREAM or not isinstance(system, dict) or not system.get("little_endian", True):
        raise DataError(f"{where}: written in an unknown form (version {shown(version)})")
    document = load()
    keys = load()
    for key in keys if isinstance(keys, list) else []:
        name = shown(key)
        target = kept.pop(key, None) if isinstance(key, str) else None
        count = int.from_bytes(file.read(8), "little")
        if target is None or count != target.numel():
            raise DataError(f"{where}: damaged: storage {name} has {count} elements, which does not fit")
        data = file.read(count * target.itemsize)
        if len(data) < count * target.itemsize:
            raise DataError(f"{where}: cut off within storage {name}")
        target.copy_(_elements(data, target.dtype, count))
    if kept:
        raise DataError(f"{where}: cut off: {len(kept)} storages are missing")
    return document


def _elements(data: bytes, dtype: torch.dtype, count: int) -> Tensor:
    if len(data) < count * dtype.itemsize:
        raise pickle.UnpicklingError(f"a storage of {len(data)} bytes, {shown(count * dtype.itemsize)} expected")
    return torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def _unpickle(where: str, unpickler: CheckpointUnpickler) -> Any:
    try:
        return unpickler.load()
    except HostilePickleError as error:
        raise DataError(f"{where}: asks to call {error} when it is opened; refused, and nothing was executed") from None
    except DataError:
        raise
    except PlainPickleError:
        raise DataError(f"{where}: {_PLAIN_PICKLE}") from None
    except UnknownNumbersError as error:
        raise DataError(f"{where}: {error}") from None
    except pickle.UnpicklingError as error:
        raise DataError(f"{where}: damaged or cut off: {error}") from None
    except Exception as error:
        # A damaged pickle is a random program for the unpickler: it may fail in any way.
        raise DataError(f"{where}: damaged or cut off: {unforeseen(error)}") from None

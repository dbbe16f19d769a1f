"""Pickles from strangers: tensors and plain containers come out, everything else is an inert stand-in.

Unpickling runs code only through the names that a pickle asks for. Here a name gives either one of a handful of
functions that build tensors, or a class that keeps what it is given and does nothing.
"""

from __future__ import annotations

import collections
import pickle
from collections.abc import Callable, Hashable
from typing import IO, Any

import torch
from torch import Tensor

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

_HOSTILE = {
    *("os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "pty", "ctypes", "importlib", "runpy", "code"),
    *("pickle", "_pickle", "pdb", "bdb", "timeit", "webbrowser", "platform", "signal", "multiprocessing", "marshal"),
}
_HOSTILE_BUILTINS = {"eval", "exec", "compile", "open", "__import__", "getattr", "setattr", "delattr", "breakpoint"}
"""Names that no checkpoint has an honest use for."""


class HostilePickleError(Exception):
    """A pickle asks for something that would run commands; the message is its name."""


class Inert:
    """Stands for an object of a class that is not loaded; subclasses are made one a name."""

    path = ""
    """``module.name`` of what it stands for."""
    state: Any = None
    """What the pickle says its attributes are."""

    items: list[Any]
    """What is put into it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Make one whatever the arguments are."""
        made = super().__new__(cls)
        made.items = []
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, item: Any) -> None:
        """Take an item, as a list would."""
        self.items.append(item)

    def extend(self, items: Any) -> None:
        """Take items, as a list would."""
        self.items.extend(items)

    def add(self, item: Any) -> None:
        """Take an item, as a set would."""
        self.items.append(item)

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        """Return another one: what a stand-in for a function gives."""
        return Inert()

    def __repr__(self) -> str:
        return f"<{self.path or 'inert object'}>"


Storage = tuple[str, torch.dtype, int]
"""Key, type of the elements, and how many there are."""


class CheckpointUnpickler(pickle.Unpickler):
    """Unpickles what ``torch.save`` and ``torch.jit.save`` write.

    Args:
        file: the pickle.
        storage: returns the elements of a storage as a flat tensor.
    """

    def __init__(self, file: IO[bytes], storage: Callable[[Storage], Tensor]) -> None:
        super().__init__(file, encoding="latin1")  # a Python 2 string may hold any byte
        self._storage = storage
        # New functions for every file: a pickle may set attributes of what it was given.
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor"): lambda *given: _tensor(*given[:4]),
            ("torch._utils", "_rebuild_tensor_v2"): lambda *given: _tensor(*given[:4]),
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
            ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
            ("builtins", "set"): set,
            ("builtins", "complex"): complex,
        }
        self._stand_ins: dict[tuple[str, str], type[Inert]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for ``module.name``."""
        module = {"__builtin__": "builtins"}.get(module, module)
        if module.split(".")[0] in _HOSTILE or (module == "builtins" and name.split(".")[0] in _HOSTILE_BUILTINS):
            raise HostilePickleError(f"{module}.{name}")
        known = self._known.get((module, name))
        if known is not None:
            return known
        if (module, name) not in self._stand_ins:
            made = type(name.rpartition(".")[2] or "Inert", (Inert,), {"path": f"{module}.{name}"})
            self._stand_ins[module, name] = made
        return self._stand_ins[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Return the flat tensor of a storage."""
        kind, storage_type, key, _, count = pid[:5]
        name = getattr(storage_type, "path", "").rpartition(".")[2]
        if kind != "storage" or name not in _DTYPES or not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError(f"storage of an unknown kind: {name or kind}")
        elements = self._storage((str(key), _DTYPES[name], count))
        if len(pid) > 5 and pid[5] is not None:  # before torch 1.6: a view into a larger storage
            _, offset, size = pid[5]
            return elements[offset : offset + size]
        return elements


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    if not isinstance(storage, Tensor):
        raise pickle.UnpicklingError("a tensor without a storage")
    return storage.as_strided(size, stride, offset)


def attributes(inert: Inert) -> dict[Hashable, Any]:
    """Return what is known of the attributes of an object that was not loaded."""
    return dict(inert.state) if isinstance(inert.state, dict) else {}

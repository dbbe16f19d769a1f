"""Untrusted pickles: tensors and plain containers come out, everything else is an inert stand-in.

Unpickling runs code only through the names that a pickle asks for. Here a name gives either one of a handful of
functions that build tensors, or a class that keeps what it is given and does nothing.
"""

from __future__ import annotations

import collections
import math
import pickle
from collections.abc import Callable, Hashable
from typing import IO, Any, ClassVar

import torch
from torch import Tensor

from trackbench.quoting import NAME, printable, shown

#: Most bytes of a pickle, values in it, parts of a key and dimensions of a tensor. The pickle of a large network has
#: 1 MB and 50,000 values.
MAX_PICKLE, MAX_VALUES, MAX_KEY, MAX_DIMENSIONS = 64 << 20, 3_000_000, 64, 64
#: Most names of classes in a pickle.
MAX_CLASSES = 5000

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


class UnknownNumbersError(pickle.UnpicklingError):
    """Tensors hold numbers that no network here computes with: complex or quantised ones."""


class PlainPickleError(pickle.UnpicklingError):
    """Tensors were written by ``pickle.dump``, which puts their numbers elsewhere than ``torch.save`` does."""


class HostilePickleError(Exception):
    """A pickle asks for something that would run commands; the message is its name."""


class InertObject:
    """Stands for an object of a class that is not loaded; subclasses are made one a name."""

    path = ""
    """``module.name`` of what it stands for."""
    state: Any
    """What the pickle says its attributes are."""
    items: list[Any]
    """What is put into it."""

    __slots__ = ("items", "state")

    def __new__(cls, *args: Any, **kwargs: Any) -> InertObject:
        """Make one whatever the arguments are."""
        made = super().__new__(cls)
        made.items, made.state = [], None
        return made

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

    def __call__(self, *args: Any, **kwargs: Any) -> InertObject:
        """Return another one: what a stand-in for a function gives."""
        return InertObject()

    def __repr__(self) -> str:
        return f"<{self.path or 'inert object'}>"


Storage = tuple[str, torch.dtype, int]
"""Key, type of the elements, and how many there are."""


class Limits:
    """What one file may make of itself; an honest one stays far below.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._values = MAX_VALUES
        self._viewed = 8 * size + MAX_PICKLE

    def spend(self, values: int = 1) -> None:
        """Count values that are made.

        Raises:
            UnpicklingError: there are more than any checkpoint has.
        """
        self._values -= values
        if self._values < 0:
            raise pickle.UnpicklingError(f"more than {MAX_VALUES} values")

    def view(self, size: int) -> None:
        """Count the bytes that a view of a storage stands for, which may be any number.

        Raises:
            UnpicklingError: the tensors have more elements than a file of this size is believed.
        """
        self._viewed -= size
        if self._viewed < 0:
            raise pickle.UnpicklingError("tensors with more elements than a file of this size is believed")


class _Source:
    """The bytes of a pickle, of which neither too many nor too large ones are read."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file, self._limits, self._left = file, limits, MAX_PICKLE

    def read(self, size: int) -> bytes:
        self._limits.spend()
        self._take(size)
        return self._file.read(size)

    def readline(self) -> bytes:
        self._limits.spend()
        line = self._file.readline(self._left + 1)
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise pickle.UnpicklingError(f"a pickle of more than {MAX_PICKLE >> 20} MiB")


class _Ordered(collections.OrderedDict[Any, Any]):
    """What stands for an OrderedDict; attributes that a pickle gives it are left out."""


class CheckpointUnpickler(pickle._Unpickler):
    """Unpickles what ``torch.save`` and ``torch.jit.save`` write.

    It is Python's own unpickler in Python: the compiled one hashes keys however deep they are nested, which ends the
    process, and its containers cannot be counted.

    Args:
        file: the pickle.
        storage: returns the elements of a storage as a flat tensor.
        limits: of the file.
    """

    dispatch: ClassVar[dict[int, Callable[[CheckpointUnpickler], None]]] = dict(pickle._Unpickler.dispatch)  # type: ignore[arg-type, assignment]

    # Of Python's unpickler, which its type stubs leave out.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], storage: Callable[[Storage], Tensor], limits: Limits) -> None:
        source: Any = _Source(file, limits)
        super().__init__(source, encoding="latin1")  # a Python 2 string may hold any byte
        self._storage, self._limits = storage, limits
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): self._ordered,
            ("torch._utils", "_rebuild_tensor"): lambda *given: self._tensor(*given[:4]),
            ("torch._utils", "_rebuild_tensor_v2"): lambda *given: self._tensor(*given[:4]),
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
            ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
            ("builtins", "set"): self._set,
            ("builtins", "complex"): complex,
        }
        self._stand_ins: dict[tuple[str, str], type[InertObject]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for ``module.name``."""
        module = {"__builtin__": "builtins"}.get(module, module)
        if module.split(".")[0] in _HOSTILE or (module == "builtins" and name.split(".")[0] in _HOSTILE_BUILTINS):
            raise HostilePickleError(f"{printable(module, NAME)}.{printable(name, NAME)}")
        known = self._known.get((module, name))
        if known is not None:
            return known
        if (module, name) not in self._stand_ins:
            path = f"{printable(module, NAME)}.{printable(name, NAME)}"
            if len(self._stand_ins) >= MAX_CLASSES:
                raise pickle.UnpicklingError(f"more than {MAX_CLASSES} names of classes")
            self._stand_ins[module, name] = type("Inert", (InertObject,), {"path": path, "__slots__": ()})
        return self._stand_ins[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Return the flat tensor of a storage."""
        kind, storage_type, key, _, count = pid[:5]
        name = getattr(storage_type, "path", "").rpartition(".")[2]
        if name.endswith("Storage") and name not in _DTYPES:
            raise UnknownNumbersError(f"holds numbers of kind {name.removesuffix('Storage')}; expected floating point")
        if kind != "storage" or name not in _DTYPES or not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError(f"storage of an unknown kind: {name or shown(kind)}")
        elements = self._storage((str(key), _DTYPES[name], count))
        if len(pid) > 5 and pid[5] is not None:  # before torch 1.6: a view into a larger storage
            _, offset, size = pid[5]
            return elements[offset : offset + size]
        return elements

    def _tensor(self, storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        if isinstance(storage, InertObject) and storage.path == "torch.storage._load_from_bytes":
            raise PlainPickleError
        if not isinstance(storage, Tensor):
            raise pickle.UnpicklingError("a tensor without a storage")
        if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= MAX_DIMENSIONS):
            raise pickle.UnpicklingError("a tensor without a shape")
        self._limits.view(math.prod(size) * storage.itemsize)
        return storage.as_strided(size, stride, offset)

    def _ordered(self, items: Any = ()) -> dict[Any, Any]:
        pairs = list(items.items() if isinstance(items, dict) else items)
        self._limits.spend(len(pairs))
        return _Ordered((_checked_key(key), value) for key, value in pairs)

    def _set(self, items: Any = ()) -> set[Any]:
        self._limits.spend(len(items))
        return {_checked_key(item) for item in items}

    def _target(self, kind: type) -> Any:
        """Return what items are put into: tensors would compute."""
        if not isinstance(self.stack[-1], kind | InertObject):
            raise pickle.UnpicklingError(f"items for a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    # What follows takes the place of the unpickler's own operations of the same names.

    def _load_frame(self) -> None:
        self.read(8)  # frames only say how much to read ahead

    def _load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.append({_checked_key(items[i]): items[i + 1] for i in range(0, len(items), 2)})

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict)[_checked_key(key)] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        target = self._target(dict)
        for i in range(0, len(items), 2):
            target[_checked_key(items[i])] = items[i + 1]

    def _load_additems(self) -> None:
        items = self.pop_mark()
        target = self._target(set)
        for item in items:
            target.add(_checked_key(item))

    def _load_append(self) -> None:
        item = self.stack.pop()
        self._target(list).append(item)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def _load_frozenset(self) -> None:
        self.append(frozenset(_checked_key(item) for item in self.pop_mark()))

    def _load_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], InertObject):
            self.stack[-1].state = state  # of anything else it would shadow methods

    for _code, _operation in (
        (pickle.FRAME, _load_frame),
        (pickle.BYTEARRAY8, _load_bytearray8),
        (pickle.DICT, _load_dict),
        (pickle.SETITEM, _load_setitem),
        (pickle.SETITEMS, _load_setitems),
        (pickle.APPEND, _load_append),
        (pickle.APPENDS, _load_appends),
        (pickle.ADDITEMS, _load_additems),
        (pickle.FROZENSET, _load_frozenset),
        (pickle.BUILD, _load_build),
    ):
        dispatch[_code[0]] = _operation


def _checked_key(key: Any) -> Any:
    """Return a key that is safe to hash: hashing a tuple hashes all that is in it, level by level, path by path."""
    waiting, seen = [key], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if seen > MAX_KEY:
            raise pickle.UnpicklingError("a key that is nested too deeply")
        if isinstance(each, tuple | frozenset):
            waiting += each if len(each) <= MAX_KEY else [None] * MAX_KEY
    return key


def attributes(inert: InertObject) -> dict[Hashable, Any]:
    """Return what is known of the attributes of an object that was not loaded."""
    return dict(inert.state) if isinstance(inert.state, dict) else {}

"""A torch device for tests on any machine: it computes on the CPU, and refuses what a GPU refuses.

Its tensors cannot meet those of the CPU in one operation, scalars aside, and have no ``numpy()``. What is copied to it
and from it is recorded, and so is every operation for which the host would have to wait. It shows nothing of speed, of
kernels, or of half precision.

It stands on torch's hooks for devices written in Python: a wrapper subclass whose device is ``strict``, and a fallback
for operations that make such tensors from nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

NAME = "strict"
aten = torch.ops.aten


@dataclass
class Traffic:
    """What passed between host and device."""

    uploads: list[int] = field(default_factory=list)
    """Bytes of each copy to the device."""
    downloads: list[int] = field(default_factory=list)
    """Bytes of each copy to the host, for which it waits."""
    waits: list[str] = field(default_factory=list)
    """Other operations for which the host waits: reading a number, sizes that depend on values, indices on the host."""


_recorders: list[Traffic] = []


@contextmanager
def recorded() -> Iterator[Traffic]:
    """Record the traffic within the block."""
    traffic = Traffic()
    _recorders.append(traffic)
    try:
        yield traffic
    finally:
        _recorders.remove(traffic)


class DeviceTensor(torch.Tensor):
    """A tensor on the device; ``values`` holds its numbers, with the same strides, and shares memory as views do."""

    values: torch.Tensor  # type: ignore[assignment]  # takes the place of the method for sparse tensors

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> DeviceTensor:
        made: DeviceTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=torch.device(f"{NAME}:0"),
        )
        return made

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # untyped in torch
        return f"DeviceTensor({self.values})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch declares a placeholder, not a class method
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _compute(func, args, kwargs or {})


def _inner(value: Any) -> Any:
    if isinstance(value, DeviceTensor):
        return value.values
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == NAME else value


def _outer(value: Any) -> Any:
    return DeviceTensor(value) if isinstance(value, torch.Tensor) and not isinstance(value, DeviceTensor) else value


def _is_strict(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do one operation on the numbers, by the rules of the device."""
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
    others = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor)]
    inner_args, inner_kwargs = tree_map(_inner, args), tree_map(_inner, kwargs)
    if func in (aten._to_copy.default, aten._copy_from.default):
        copied = func(*inner_args, **inner_kwargs)
        target = kwargs.get("device")
        stays = bool(ours) if target is None else _is_strict(target)
        if bool(ours) != stays:
            _note("uploads" if stays else "downloads", copied.numel() * copied.element_size())
        return _outer(copied) if stays else copied
    if func is aten._conj.default:
        # A wrapper cannot carry the mark of a conjugate that is not computed yet.
        return _outer(aten._conj_physical.default(*inner_args))
    if func is aten.copy_.default and ours and others:
        _note("uploads" if isinstance(args[0], DeviceTensor) else "downloads", args[0].numel() * args[0].element_size())
    elif ours:
        _refuse_mixing(func, others)
    if func in (aten._local_scalar_dense.default, aten.equal.default):
        _note("waits", str(func))
        return func(*inner_args)
    if func in (aten.nonzero.default, aten.masked_select.default, aten.repeat_interleave.Tensor):
        _note("waits", str(func))
    if func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default):
        for index in args[1]:
            if index is not None and (index.dtype == torch.bool or not isinstance(index, DeviceTensor)):
                _note("waits", f"{func} by {index.dtype} on {index.device}")
    out = func(*inner_args, **inner_kwargs)
    if not ours and not _is_strict(kwargs.get("device")):
        return out
    return return_and_correct_aliasing(func, args, kwargs, tree_map(_outer, out))


def _refuse_mixing(func: Any, others: list[torch.Tensor]) -> None:
    indexing = func in (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
    shapes = [tuple(tensor.shape) for tensor in others if tensor.dim() and not indexing]
    if shapes and func is not aten.set_.source_Tensor:
        raise RuntimeError(f"{func}: all tensors have to be on one device, got {NAME}:0 and cpu of shapes {shapes}")


def _note(kind: str, entry: Any) -> None:
    for traffic in _recorders:
        getattr(traffic, kind).append(entry)


class _Backend(backend_registration._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


_installed: list[Any] = []


def install() -> None:
    """Make the device known to this process; it stays."""
    if not _installed:
        backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
        library = torch.library.Library("_", "IMPL")
        library.fallback(lambda func, *args, **kwargs: _compute(func, args, kwargs), "PrivateUse1")
        _installed.append(library)


@contextmanager
def strict_device(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of the device, with torch's own shortcuts past it closed for as long."""
    install()
    make = torch.tensor

    def tensor(data: Any, *, device: Any = None, **others: Any) -> torch.Tensor:
        return make(data, **others) if device is None else make(data, **others).to(device)

    patch.setattr(torch, "tensor", tensor)
    # Tensors made in inference mode skip wrapper subclasses.
    patch.setattr(torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext())
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        yield NAME
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)

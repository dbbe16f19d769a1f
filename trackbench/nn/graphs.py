"""Calls of functions of tensors, eagerly, recorded once a shape as CUDA graphs, or compiled by torch.compile.

A network of small batches is bound by the host, which launches each of its hundreds of kernels. A CUDA graph launches
them all at once: the same kernels on the same addresses, so that the numbers are those of the eager call. What is
recorded must therefore neither read from the device nor upload to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

R = TypeVar("R")

Execution = Literal["eager", "graph", "compile"]

#: Graphs that one tracker keeps; each has memory of its own for its inputs and outputs.
MOST = 32
#: Calls on a stream of their own before a recording: libraries choose their kernels and make room in the first ones.
WARM_UP = 2


class DeviceCalls:
    """Calls functions of tensors in one of the ways.

    Args:
        execution: the way.
        device: where the tensors are.
    """

    def __init__(self, execution: Execution, device: str) -> None:
        self.execution = execution
        self.device = device
        self._graphs: dict[Any, RecordedGraph | None] = {}
        self._compiled: dict[Any, Callable[..., Any]] = {}

    @property
    def recorded(self) -> int:
        """Return how many graphs there are."""
        return sum(graph is not None for graph in self._graphs.values())

    def __call__(self, function: Callable[..., R], *arguments: Any) -> R:
        """Return ``function(*arguments)``.

        Args:
            function: a method or function whose result depends on its arguments alone, and on parameters that stay in
                their place.
            arguments: tensors on the device and numbers, in tuples, lists and dictionaries; numbers count as part of
                the shape.

        Returns:
            Tensors of their own: the next call does not overwrite them.
        """
        if self.execution == "eager":
            return function(*arguments)
        if self.execution == "compile":
            return self._compile(function)(*arguments)
        leaves, structure = tree_flatten(arguments)
        key = (_name(function), structure, tuple(map(_shape, leaves)))
        if key not in self._graphs:
            # The first call of a shape also makes the tables that depend on it, and many shapes come but once.
            if len(self._graphs) < MOST:
                self._graphs[key] = None
            return function(*arguments)
        graph = self._graphs[key]
        if graph is None:
            graph = self._graphs[key] = RecordedGraph(function, leaves, structure, self.device)
        result: R = graph(leaves)
        return result

    def _compile(self, function: Callable[..., R]) -> Callable[..., R]:
        name = _name(function)
        if name not in self._compiled:
            self._compiled[name] = torch.compile(function, dynamic=False)
        return self._compiled[name]


class RecordedGraph:
    """One recorded call, with the memory of its inputs and outputs.

    Args:
        function: what is called.
        leaves: its arguments, flat; tensors are copied, other values become part of the recording.
        structure: how the arguments were nested.
        device: where the tensors are.
    """

    def __init__(self, function: Callable[..., Any], leaves: list[Any], structure: Any, device: str) -> None:
        self._inputs = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        arguments = tree_unflatten(self._inputs, structure)

        def call() -> list[Any]:
            outputs, self._structure = tree_flatten(function(*arguments))
            return outputs

        self._replay, self._outputs = record(call, device)

    def __call__(self, leaves: list[Any]) -> Any:
        """Return the call's result on other tensors of the same shapes."""
        for mine, given in zip(self._inputs, leaves, strict=True):
            if isinstance(mine, Tensor):
                mine.copy_(given)
        self._replay()
        outputs = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in self._outputs]
        return tree_unflatten(outputs, self._structure)


def can_record(device: str) -> bool:
    """Whether calls on a device can be recorded as graphs."""
    return device.startswith("cuda")


def record(call: Callable[[], list[Any]], device: str) -> tuple[Callable[[], None], list[Any]]:
    """Record a call as a CUDA graph.

    Args:
        call: returns a flat list with the tensors that it makes.
        device: the CUDA device.

    Returns:
        What replays it, and the outputs that a replay fills.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()
    return graph.replay, outputs


def _name(function: Callable[..., Any]) -> Any:
    """Return what tells functions apart: bound methods are made anew with each access."""
    return (id(getattr(function, "__self__", None)), getattr(function, "__func__", function))


def _shape(leaf: Any) -> Any:
    return (leaf.shape, leaf.stride(), leaf.dtype) if isinstance(leaf, Tensor) else leaf

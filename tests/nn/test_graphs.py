"""Calls recorded as graphs: once a shape, with the numbers of eager calls, on memory that no later call overwrites.

A recording of CUDA is replaced by one that calls again and fills the same memory, as a replay does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from trackbench.nn import graphs
from trackbench.nn.graphs import DeviceCalls


class Pair(NamedTuple):
    first: Tensor
    rest: tuple[Tensor, int]


def double(pair: Pair, others: list[Tensor]) -> dict[str, Any]:
    return {"sum": pair.first * 2 + pair.rest[0] * pair.rest[1], "same": others[0], "none": None}


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    made: list[list[Any]] = []

    def record(call: Callable[[], list[Any]], device: str) -> tuple[Callable[[], None], list[Any]]:
        outputs = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in call()]
        made.append(outputs)

        def replay() -> None:
            for old, new in zip(outputs, call(), strict=True):
                if isinstance(old, Tensor):
                    old.copy_(new)

        return replay, outputs

    monkeypatch.setattr(graphs, "record", record)
    return made


def arguments(value: float, size: int = 3, factor: int = 5) -> tuple[Pair, list[Tensor]]:
    return Pair(torch.full((size,), value), (torch.ones(size), factor)), [torch.full((2,), value)]


def test_a_shape_is_recorded_at_its_second_call_and_then_replayed(recordings: list[list[Any]]) -> None:
    calls = DeviceCalls("graph", "cuda:0")
    for value in (1.0, 2.0, 3.0, 4.0):
        found, expected = calls(double, *arguments(value)), double(*arguments(value))
        assert torch.equal(found["sum"], expected["sum"])
        assert torch.equal(found["same"], expected["same"])
        assert found["none"] is None
    assert len(recordings) == calls.recorded == 1


def test_each_shape_number_and_function_has_a_graph_of_its_own(recordings: list[list[Any]]) -> None:
    def other(pair: Pair, others: list[Tensor]) -> Tensor:
        return pair.first - 1

    calls = DeviceCalls("graph", "cuda:0")
    for _ in range(3):
        assert calls(double, *arguments(1.0))["sum"].tolist() == [7.0] * 3
        assert calls(double, *arguments(1.0, size=4))["sum"].tolist() == [7.0] * 4
        assert calls(double, *arguments(1.0, factor=6))["sum"].tolist() == [8.0] * 3
        assert calls(other, *arguments(1.0)).tolist() == [0.0] * 3
    assert len(recordings) == 4


def test_results_are_not_overwritten_by_later_calls(recordings: list[list[Any]]) -> None:
    calls = DeviceCalls("graph", "cuda:0")
    kept = [calls(double, *arguments(float(value)))["sum"] for value in range(5)]
    assert [tensor[0].item() for tensor in kept] == [5.0, 7.0, 9.0, 11.0, 13.0]


def test_methods_of_two_objects_do_not_share_a_graph(recordings: list[list[Any]]) -> None:
    class Adder:
        def __init__(self, number: float) -> None:
            self.number = number

        def add(self, tensor: Tensor) -> Tensor:
            return tensor + self.number

    calls, one, two = DeviceCalls("graph", "cuda:0"), Adder(1.0), Adder(2.0)
    for _ in range(3):
        assert calls(one.add, torch.zeros(1)).item() == 1
        assert calls(two.add, torch.zeros(1)).item() == 2


def test_shapes_beyond_the_last_graph_are_called_eagerly(
    recordings: list[list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST", 2)
    calls = DeviceCalls("graph", "cuda:0")
    for size in (1, 2, 3, 1, 2, 3, 3):
        assert len(calls(double, *arguments(1.0, size=size))["sum"]) == size
    assert len(recordings) == 2


@pytest.mark.cuda
def test_a_cuda_graph_gives_the_numbers_of_eager_calls() -> None:
    calls = DeviceCalls("graph", "cuda:0")
    layer = torch.nn.Conv2d(3, 8, 3).to("cuda:0")
    with torch.inference_mode():
        for seed in range(4):
            torch.manual_seed(seed)
            images = torch.randn(2, 3, 16, 16, device="cuda:0")
            assert torch.equal(calls(layer.forward, images), layer(images))
    assert calls.recorded == 1


@pytest.mark.slow
def test_compiled_calls() -> None:
    calls = DeviceCalls("compile", "cpu")
    assert torch.allclose(calls(double, *arguments(3.0))["sum"], double(*arguments(3.0))["sum"])

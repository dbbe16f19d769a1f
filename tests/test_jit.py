"""Compiled functions work wherever trackbench is installed."""

from __future__ import annotations

import numba.core.dispatcher
import pytest

from trackbench.jit import jit


def divide(a: float, b: float) -> float:
    return a / b


def divide_as_numpy(a: float, b: float) -> float:
    return a / b


def test_division_by_zero() -> None:
    assert jit(division="numpy")(divide_as_numpy)(1.0, 0.0) == float("inf")
    with pytest.raises(ZeroDivisionError):
        jit()(divide)(1.0, 0.0)


def test_where_nobody_can_write_functions_compile_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(function: object) -> None:
        raise RuntimeError(f"cannot cache function {function}: no locator available for file 'x.py'")

    monkeypatch.setattr(numba.core.dispatcher, "FunctionCache", nowhere)
    assert jit()(divide)(6.0, 4.0) == 1.5


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: object) -> None:
        raise RuntimeError(f"{function} is no function")

    monkeypatch.setattr(numba.core.dispatcher, "FunctionCache", broken)
    with pytest.raises(RuntimeError, match="is no function"):
        jit()(divide)

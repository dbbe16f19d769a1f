"""Compilation of loops over numbers to machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def jit(*, division: Literal["python", "numpy"] = "python") -> Callable[[F], F]:
    """Compile a function when it is first called, for the types of its arguments.

    The result is kept for later processes, beside the module or in the user's cache folder. Where nobody can write to
    either, as in many containers, every process compiles anew, which takes seconds. Threads run such functions side by
    side: they must write to nothing but what they have made.

    Args:
        division: what a division by zero does: raise ZeroDivisionError, or give an infinite number or NaN.
    """

    def decorate(function: F) -> F:
        try:
            return cast(F, njit(function, cache=True, error_model=division, nogil=True))
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return cast(F, njit(function, error_model=division, nogil=True))

    return decorate

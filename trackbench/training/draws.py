"""Random numbers of one training sample, from a generator of its own, so that any sample can be made again."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Draws(Protocol):
    """What cutting and augmenting a sample asks for; tests give recorded numbers."""

    def coin(self) -> float:
        """Return a number in [0, 1) that is compared with a probability: true where it is smaller."""

    def normal(self, count: int) -> NDArray[np.float32]:
        """Return ``count`` standard normal numbers."""

    def uniform(self, count: int) -> NDArray[np.float32]:
        """Return ``count`` numbers in [0, 1)."""

    def brightness(self) -> float:
        """Return a number in [0, 1) for the brightness of a crop."""


class RandomDraws:
    """Draws from a generator.

    Args:
        random: the generator; sampling may use it too.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def coin(self) -> float:
        """See :class:`Draws`."""
        return float(self.random.random())

    def normal(self, count: int) -> NDArray[np.float32]:
        """See :class:`Draws`."""
        return self.random.standard_normal(count, np.float32)

    def uniform(self, count: int) -> NDArray[np.float32]:
        """See :class:`Draws`."""
        return self.random.random(count, np.float32)

    def brightness(self) -> float:
        """See :class:`Draws`."""
        return float(self.random.random())

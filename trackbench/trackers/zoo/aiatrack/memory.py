"""The memory of AiATrack (section 3.3): which frames are kept, and which of them are looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


class MemoryFrame(NamedTuple):
    """A frame that is kept, on the model's device."""

    frame: int
    """Its index; the frame that the target was given on is 0."""
    projected: Tensor
    """Its keys and values for each block of the branch, (blocks, 2, h, L, d)."""
    positions: Tensor
    """Inner encodings of its places, (L, D)."""


@dataclass
class Memory:
    """Frames that can be short-term references; the initial frame is the first and stays."""

    capacity: int
    """Frames that are kept at most, the initial one counted."""
    ensemble: int
    """Number of short-term references."""
    entries: list[MemoryFrame] = field(default_factory=list)

    def admit(self, entry: MemoryFrame) -> None:
        """Keep a frame; where there is no room, the oldest after the initial frame goes."""
        if len(self.entries) == self.capacity:
            del self.entries[1]
        self.entries.append(entry)

    def sample(self) -> list[tuple[MemoryFrame, int]]:
        """Return the short-term references and how many times each is meant, the newest frame last.

        Reference k of R is entry ``floor((n - 1) k / R)`` of n: spread over the memory, up to the newest. While there
        are fewer entries than references, some are meant more than once.
        """
        last = len(self.entries) - 1
        counts = Counter(last * k // self.ensemble for k in range(1, self.ensemble + 1))
        return [(self.entries[index], count) for index, count in sorted(counts.items())]


def split_counts(sampled: list[tuple[MemoryFrame, int]], length: int) -> list[tuple[MemoryFrame, int]]:
    """Return the same references as a list of ``length`` items, repeating those that are meant more than once.

    Items of a batch need lists of one length; ``length`` is at least ``len(sampled)`` and at most the sum of counts.
    """
    items: list[tuple[MemoryFrame, int]] = []
    missing = length - len(sampled)
    for entry, count in sampled:
        repeats = min(count - 1, missing)
        missing -= repeats
        items += [(entry, 1)] * repeats
        items.append((entry, count - repeats))
    return items

"""Shares of a data set, for machines that do not share a folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import TrackbenchError, UsageError


def parse_shard(text: str) -> tuple[int, int]:
    """Return the number of a share, from 1, and how many there are.

    Raises:
        UsageError: it is not ``I/N`` with I from 1 to N.

    Example:
        >>> parse_shard("2/8")
        (2, 8)
    """
    first, slash, second = text.partition("/")
    if not slash or not first.isdecimal() or not second.isdecimal() or not 1 <= int(first) <= int(second):
        raise UsageError(f"--shard '{text}': expected I/N with I from 1 to N, as in 2/8")
    return int(first), int(second)


def take_shard(dataset: Dataset, index: int, count: int) -> Dataset:
    """Return the data set with the sequences of share ``index`` (from 1) of ``count``, alike on every machine.

    The sequences are dealt out by the number of their frames, the longest first, each to the share that has the fewest
    frames so far.
    """
    frames = [0] * count
    shares: list[set[str]] = [set() for _ in range(count)]
    for length, sequence in sorted(((_length(s), s) for s in dataset.sequences), key=lambda p: (-p[0], p[1].name)):
        least = frames.index(min(frames))
        frames[least] += length + 1  # those that cannot be read are dealt out too
        shares[least].add(sequence.name)
    kept = tuple(sequence for sequence in dataset.sequences if sequence.name in shares[index - 1])
    return replace(dataset, sequences=kept)


def _length(sequence: VideoSequence) -> int:
    with suppress(TrackbenchError):  # the run reports it
        return len(sequence)
    return 0

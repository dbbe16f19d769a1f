"""What a layout is: the interface that modules of this package, other packages and files beside definitions fill."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DatasetDefinition

#: The rows of a definition's table that belong to the benchmark, column -> text.
Table: TypeAlias = list[dict[str, str]]


class Listing(NamedTuple):
    """What a folder holds of a benchmark; no image and no annotation has been opened for it."""

    sequences: list[VideoSequence]
    """In the benchmark's order."""
    missing: list[str]
    """Names of the benchmark's sequences that are not there."""


class Recognised(NamedTuple):
    """A folder that is known by its layout."""

    record: DatasetDefinition
    """The record of the benchmark whose layout it is."""
    listing: Listing


class Layout(Protocol):
    """A layout: a module with these names, or an object."""

    COLUMNS: tuple[str, ...]
    """The columns that a definition's table must have."""

    def read(self, folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
        """List the sequences of a benchmark in ``folder``.

        Args:
            folder: where the benchmark may lie.
            definition: its record.
            table: its rows; empty where its definition has no table.

        Raises:
            OSError: a folder cannot be listed.
            DataError: a file that lists sequences cannot be read.
        """
        ...

    def recognise(self, folder: Path) -> Recognised | None:
        """Return what ``folder``, of which nothing is known, holds in this layout; None where it is another's.

        Raises:
            OSError: a folder cannot be listed.
            DataError: a file that lists sequences cannot be read.
        """
        ...

"""Reading the files of one tracker, whichever tool wrote them: what was read, what is unusual, what does not fit."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from trackbench.errors import DataError, reason
from trackbench.formats import reading
from trackbench.formats.archives import Files
from trackbench.quoting import listed

T = TypeVar("T")


class ImportProblem(NamedTuple):
    """A file that does not fit, and why."""

    file: str
    reason: str


class ResultReader:
    """Reads files by name and remembers what an import has to report of them.

    Args:
        files: a folder, an archive or a single file.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.hashes: dict[str, str] = {}
        """File -> SHA-256 of all that was read."""
        self.notes: dict[str, list[str]] = defaultdict(list)
        """What is unusual and can be used -> the sequences or files of which it is true."""
        self.problems: list[ImportProblem] = []
        """Files that cannot be used."""
        self._present = set(files.names)

    def read(self, file: str) -> bytes:
        """Return the content of a file.

        Raises:
            DataError: it cannot be read.
        """
        data = self.files.read(file)
        self.hashes[file] = hashlib.sha256(data).hexdigest()
        return data

    def reject(self, file: str, error: DataError) -> None:
        """Note that a file cannot be used."""
        where = self.files.where(file)
        self.problems.append(ImportProblem(where, reason(error, where)))

    def seconds(
        self, file: str, frames: int, *, repetition: int = 1, repetitions: int | None = None
    ) -> list[float] | None:
        """Return the time of each frame in a file of times.

        Args:
            file: its name.
            frames: how many lines the result has.
            repetition: from 1; which column to read.
            repetitions: how many there are; None: the file is of this one alone, and has one column.

        Returns:
            Seconds; an empty list where the file does not fit, which is noted; None where it is not there.
        """
        if file not in self._present:
            return None
        where = self.files.where(file)
        times = self._parsed(file, reading.read_columns, "times")
        if times is None:
            return []
        columns = times.shape[1] if times.ndim == 2 else 0  # an empty file has no columns
        # A single column beside several repetitions does not say whose it is.
        column = 0 if repetitions is None or columns == repetitions == 1 else repetition - 1
        fits = len(times) == frames and (repetitions is not None or columns == 1)
        if fits and columns <= column:
            what = "times of fewer runs than there are, left out for the others"
            entry = f"{where} ({columns} columns for {repetitions} runs)"
            if entry not in self.notes[what]:
                self.notes[what].append(entry)
            return []
        if not fits:
            shape = f"{len(times)} lines of {columns} for {frames} frames, run {repetition}"
            self.notes["times that do not fit, left out"].append(f"{where} ({shape})")
            return []
        seconds: list[float] = times[:, column].tolist()
        if any(value < 0 or math.isinf(value) for value in seconds):
            if where not in self.notes[what := "times below 0 or infinite, left out"]:  # a file has those of all runs
                self.notes[what].append(where)
            return []
        return seconds

    def values(
        self, file: str, frames: int, *, may_lack: Literal["first", "last"], what: str = "confidences"
    ) -> list[float | None] | None:
        """Return the number of each frame in a file with one a line, None for a blank line.

        Args:
            file: its name.
            frames: how many lines the result has.
            may_lack: ``first``: the frame on which the tracker was started may have no line; ``last``: blank lines
                at the end may be lost.
            what: what messages call the numbers.

        Returns:
            Numbers; an empty list where the file does not fit, which is noted; None where it is not there.
        """
        if file not in self._present:
            return None
        where = self.files.where(file)
        numbers = self._parsed(file, reading.read_confidences, what)
        if numbers is None:
            return []
        if may_lack == "first" and len(numbers) == frames - 1:
            return [None, *numbers]
        if may_lack == "last" and 0 < len(numbers) < frames:
            return numbers + [None] * (frames - len(numbers))
        if len(numbers) != frames:
            self.notes[f"{what} that do not fit, left out"].append(f"{where} ({len(numbers)} for {frames})")
            return []
        return numbers

    def _parsed(self, file: str, parse: Callable[[bytes, str], T], what: str) -> T | None:
        try:
            return parse(self.read(file), self.files.where(file))
        except DataError as error:
            self.notes[f"{what} that cannot be read, left out"].append(str(error))
            return None

    def source(self, tool: str, group: str, options: dict[str, Any]) -> dict[str, Any]:
        """Return what a manifest says of the files: ``tool``, ``path``, ``group``, ``files``, ``sha256``, ``options``.

        Args:
            tool: who wrote them.
            group: the tracker's part of ``path``.
            options: how they were read.
        """
        listing = "".join(f"{digest}  {file}\n" for file, digest in sorted(self.hashes.items()))
        return {
            "tool": tool,
            "path": str(self.files.path),
            "group": group,
            "files": len(self.hashes),
            "sha256": hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest(),
            "options": options,
        }

    def warnings(self) -> list[str]:
        """Return the notes, a line each."""
        return [": ".join(filter(None, (what, listed(where)))) for what, where in self.notes.items()]

"""What a training writes down: ``log.csv`` and ``validation.csv``, and TensorBoard's events where it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trackbench.errors import DataError, UsageError
from trackbench.files import write_text


class Log:
    """A table with a row for every so many steps.

    Args:
        path: the CSV file.
        step: rows of this and later steps are dropped: the training goes on from there.
        tensorboard: folder of TensorBoard's events; None writes none.
        writes: whether this process writes: of several, the first.

    Raises:
        UsageError: TensorBoard is asked for and not installed.
    """

    def __init__(self, path: Path, step: int, tensorboard: Path | None = None, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self._columns: list[str] = []
        self._writer = _tensorboard(tensorboard, step) if tensorboard else None
        if path.is_file() and writes:
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                kept = [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) <= step]
                self._columns = list(rows.fieldnames or ())
            buffer = io.StringIO()
            writer = csv.DictWriter(buffer, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
            write_text(path, buffer.getvalue())

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; the first one decides on the columns.

        Raises:
            DataError: it cannot be written.
        """
        if not self.writes:
            return
        try:
            new = not self._columns
            self._columns = self._columns or list(row)
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, self._columns, extrasaction="ignore", lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow({key: _short(value) for key, value in row.items()})
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror}") from None
        if self._writer is not None:
            for key, value in row.items():
                if isinstance(value, float):
                    self._writer.add_scalar(f"{self.path.stem}/{key}", value, row["step"])


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UsageError("--tensorboard needs tensorboardX: pip install 'trackbench[train]'") from None
    return SummaryWriter(str(folder), purge_step=step + 1)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value

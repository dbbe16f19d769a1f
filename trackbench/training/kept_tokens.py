"""What frozen blocks make of a training's distinct samples, computed once and kept in files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from trackbench.errors import DataError

FOLDER = "tokens"
NUMBER = "number"
"""Key of a batch that has the numbers of its distinct samples, int64 (B,)."""


class KeptTokens:
    """Arrays in ``OUT/tokens/NAME.npy``, a row a distinct sample, which all processes of a training share.

    Args:
        out: folder of the training.
        distinct: how many samples there are.
        writes: whether this process makes the files.
        barrier: waits for the other processes.
    """

    def __init__(self, out: Path, distinct: int, writes: bool, barrier: Callable[[], None]) -> None:
        self.folder, self.distinct = out / FOLDER, distinct
        self._writes, self._barrier = writes, barrier
        self._arrays: dict[str, NDArray[np.generic]] = {}

    def forget(self) -> None:
        """Remove what another training left in the folder."""
        if self._writes:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._barrier()

    def keep(self, numbers: Tensor, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Keep the values (B, ...) of samples, and return them as :meth:`read` will.

        Raises:
            DataError: there is no space, or the folder cannot be written.
        """
        if not self._arrays:
            self._make(values)
        for name, value in values.items():
            self._arrays[name][numbers.numpy()] = value.cpu().numpy()
        return self.read(numbers)

    def read(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return the values (B, ...) of samples, on the CPU.

        Raises:
            DataError: they were not kept.
        """
        if not self._arrays:
            for path in sorted(self.folder.glob("*.npy")):
                self._arrays[path.stem] = open_memmap(path, "r+")
        rows = {name: torch.from_numpy(array[numbers.numpy()]) for name, array in self._arrays.items()}
        if not rows or not all(value.flatten(1).any(1).all() for value in rows.values()):
            raise DataError(
                f"{self.folder}: lacks samples of the first pass; start the training anew in another folder"
            )
        return rows

    def flush(self) -> None:
        """Bring all that was kept to the disk."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()

    def _make(self, values: Mapping[str, Tensor]) -> None:
        """Make the files that are not there; their space is taken at once, since a full disk cannot be caught later."""
        if self._writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, value in values.items():
                path = self.folder / f"{name}.npy"
                if path.exists():
                    continue
                array = open_memmap(
                    path, "w+", dtype=value.cpu().numpy().dtype, shape=(self.distinct, *value.shape[1:])
                )
                try:
                    with path.open("r+b") as file:
                        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
                except OSError as error:
                    shutil.rmtree(self.folder, ignore_errors=True)
                    raise DataError(
                        f"{path}: cannot be written: {error.strerror}; it takes {array.nbytes:,} bytes: make room, or "
                        f"lower data.distinct, which is {self.distinct}"
                    ) from None
        self._barrier()
        for name in values:
            self._arrays[name] = open_memmap(self.folder / f"{name}.npy", "r+")

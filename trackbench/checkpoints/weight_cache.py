"""The user's kept weights: official checkpoints, verified and converted to safetensors under our names.

One file a tracker, ``<cache>/weights/<tracker>.safetensors``. ``<cache>`` is the user's cache directory, or what the
environment variable ``TRACKBENCH_CACHE`` names. The metadata of the file says where its tensors come from.

Reading an :class:`Origin` needs no torch, so that trackers are listed quickly.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from safetensors import SafetensorError, safe_open

from trackbench.errors import DataError
from trackbench.files import open_regular, reading, write_bytes

if TYPE_CHECKING:
    from torch import Tensor


#: Most bytes of a file of weights.
MAX_WEIGHTS = 8 << 30


@dataclass(frozen=True)
class Origin:
    """Where kept weights come from."""

    tracker: str
    source: str
    """Name of the official file."""
    sha256: str
    """SHA-256 of the official file."""
    added: str
    """Day on which it was added."""
    tensors_sha256: str
    """SHA-256 of the cached tensors and their names; shows damage."""


def cached_path(tracker: str) -> Path:
    """Return where the weights of ``tracker`` are kept; the file need not exist."""
    own = os.environ.get("TRACKBENCH_CACHE")
    cache = Path(own) if own else Path(platformdirs.user_cache_dir("trackbench", appauthor=False))
    return cache / "weights" / f"{tracker}.safetensors"


def cached_trackers() -> list[str]:
    """Return the names of the trackers whose weights are kept, sorted."""
    return sorted(path.stem for path in cached_path("x").parent.glob("*.safetensors"))


def origin(tracker: str) -> Origin | None:
    """Return where the kept weights of ``tracker`` come from, or None where none are kept.

    Raises:
        DataError: the kept file is damaged.
    """
    path = cached_path(tracker)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            return Origin(**file.metadata())
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); `trackbench weights add {tracker} FILE` replaces it") from None


def cache_weights(tracker: str, weights: Mapping[str, Tensor], source: Path) -> Origin:
    """Keep weights under our names as those of ``tracker``; earlier ones are replaced.

    Args:
        tracker: the tracker's name.
        weights: its network's state dict.
        source: the official file that they were read from.

    Raises:
        UsageError: the folder cannot be written.
    """
    from safetensors.torch import save

    solid = {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
    made = Origin(
        tracker,
        source.name,
        file_sha256(source),
        datetime.now(UTC).date().isoformat(),
        _digest(solid),
    )
    path = cached_path(tracker)
    write_bytes(path, save(solid, metadata=asdict(made)))
    return made


def remove_cached(tracker: str) -> Path:
    """Remove the kept weights of ``tracker``; returns the file that was removed.

    Raises:
        DataError: it cannot be removed.
    """
    path = cached_path(tracker)
    try:
        path.unlink()
    except OSError as error:
        raise DataError(f"{path}: cannot be removed: {error.strerror}") from None
    return path


def load_cached(tracker: str) -> dict[str, Tensor]:
    """Return the kept weights of ``tracker``.

    Raises:
        DataError: there are none, or the file is damaged.
    """
    from safetensors.torch import load_file

    path = cached_path(tracker)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: damaged ({error}); `trackbench weights add {tracker} FILE` replaces it") from None


def is_intact(tracker: str) -> bool:
    """Whether the kept tensors of ``tracker`` are those that were written.

    Raises:
        DataError: there are none, or the file cannot be read at all.
    """
    made = origin(tracker)
    return made is not None and _digest(load_cached(tracker)) == made.tensors_sha256


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        DataError: it cannot be read.
    """
    with open_regular(path) as file, reading(path):
        if os.fstat(file.fileno()).st_size > MAX_WEIGHTS:
            raise DataError(f"{path}: is too large: expected at most {MAX_WEIGHTS >> 30} GiB")
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(weights: Mapping[str, Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()

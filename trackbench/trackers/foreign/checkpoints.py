"""Untrusted checkpoints: our safe reader looks first, and code in them runs only where the user trusts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trackbench.checkpoints.reader import read_checkpoint
from trackbench.checkpoints.unpickler import InertObject
from trackbench.errors import DataError, TrackerError


def harmless_copy(path: Path, folder: Path) -> Path:
    """Return a file with the same weights that loads without executing anything: ``path`` itself, or a copy.

    Many official checkpoints hold objects of the training program beside the weights (settings, statistics). A copy
    in ``folder`` has None in their place, so that ``torch.load(..., weights_only=True)`` takes it.

    Raises:
        TrackerError: the file would run commands when it is opened, or is nothing that the safe reader knows.
    """
    try:
        document = read_checkpoint(path)
    except DataError as error:
        raise TrackerError(f"{error}; --trust-checkpoint lets the tracker load it all the same") from None
    if not _holds_objects(document):
        return path
    if isinstance(document, InertObject):
        raise TrackerError(
            f"{path}: is a {document.path or 'whole object'}, not a dictionary of weights: loading it runs its code; "
            "--trust-checkpoint allows that"
        )
    import torch

    copy = folder / path.name
    torch.save(_without_objects(document), copy)
    return copy


def _holds_objects(value: Any) -> bool:
    if isinstance(value, InertObject) or (isinstance(value, type) and issubclass(value, InertObject)):
        return True
    if isinstance(value, dict):
        return any(_holds_objects(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set) and any(_holds_objects(item) for item in value)


def _without_objects(value: Any) -> Any:
    if isinstance(value, InertObject) or (isinstance(value, type) and issubclass(value, InertObject)):
        return None
    if isinstance(value, dict):
        return type(value)((k, _without_objects(v)) for k, v in value.items() if not _holds_objects(k))
    if isinstance(value, list | tuple | set):
        return type(value)(_without_objects(item) for item in value)
    return value

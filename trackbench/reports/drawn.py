"""Which plots of an earlier report are still right: a report of what has not changed draws nothing anew."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trackbench.cache import FOLDER, code_version, load_documents, store_documents
from trackbench.files import stamp
from trackbench.reports.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Holds, in the cache of a report's folder, what each plot was made of.
KEPT = "plots.json"


def save_changed(plots: Iterable[tuple[str, Figure]], folder: Path, digest: str, style: Style) -> list[Path]:
    """Draw and write plots, unless the files of an earlier report of the same content are as it left them.

    Args:
        plots: file name without suffix, and plot; drawn as they are asked for.
        folder: where they are.
        digest: of all that they show.
        style: its fonts and lines.

    Returns:
        The files of all of them.
    """
    kept = load_documents(folder / FOLDER / KEPT)
    if kept.get("digest") == digest and kept.get("files") == _stamps(folder, kept["files"]):
        return [folder / name for name in kept["files"]]
    from trackbench.reports.plots import drawing_in, save

    with drawing_in(style):
        written = [file for stem, figure in plots for file in save(figure, folder / stem)]
    store_documents(folder / FOLDER / KEPT, {"digest": digest, "files": _stamps(folder, [f.name for f in written])})
    return written


def digest_of(shown: Any, look: dict[str, Look], style: Style) -> str:
    """Return a hash of all that plots show, and of what draws them.

    Args:
        shown: scores, texts and switches, in lists.
        look: how trackers are drawn.
        style: of the report.
    """
    drawing = (code_version(parts=("reports", "*.py")), importlib.metadata.version("matplotlib"))
    text = json.dumps([shown, repr(sorted(look.items())), repr(style), drawing], default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)


def _stamps(folder: Path, names: Iterable[str]) -> dict[str, str] | None:
    """Return what changes with each of the files, or None where one is missing."""
    try:
        return {name: stamp(folder / name) for name in names}
    except OSError:
        return None

"""The layouts that definitions can name: the package's, those of other packages, and files beside a definition."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from trackbench.datasets.layouts import folder, got10k, nfs, otb, patterns, tnl2k, trackingnet, uav, vot
from trackbench.datasets.layouts.base import Layout, Recognised
from trackbench.errors import UsageError
from trackbench.registry import Registry

EXPECTED = "a module, or an object, with COLUMNS, read and recognise (see trackbench.datasets.layouts.base.Layout)"

#: The package's own; a folder is recognised by the first that knows it, the most particular before the others.
BUILT_IN: dict[str, Layout] = {
    "vot": vot,
    "got10k": got10k,
    "trackingnet": trackingnet,
    "uav": uav,
    "nfs": nfs,
    "tnl2k": tnl2k,
    "otb": otb,
    "patterns": patterns,
    "folder": folder,
}


def _is_layout(module: object) -> bool:
    return all(hasattr(module, name) for name in ("COLUMNS", "read", "recognise"))


#: Other packages add theirs by entry points of the group ``trackbench.layouts``.
LAYOUTS: Registry[Layout] = Registry("layout", "trackbench.layouts", _is_layout, EXPECTED, BUILT_IN)


def find_layout(name: str, where: str, beside: Path | None = None) -> Layout:
    """Return the layout called ``name``.

    Args:
        name: as the definition has it.
        where: what asks for it, the start of the message.
        beside: the folder of a definition that is not the package's; a module ``NAME.py`` in it is a layout.

    Raises:
        UsageError: there is none, or it is none.
    """
    own = beside / f"{name}.py" if beside is not None and name.isidentifier() else None
    if name not in BUILT_IN and own is not None and own.is_file():
        loaded = _load_file(own)
        if not _is_layout(loaded):
            raise UsageError(f"{own}: expected {EXPECTED}")
        layout: Layout = loaded
        return layout
    return LAYOUTS.get(name, f"{where}: there is no layout")


def recognise(folder: Path) -> Recognised | None:
    """Return what a folder of which nothing is known holds, by the first layout that knows it.

    Raises:
        OSError: a folder cannot be listed.
        DataError: a file that lists sequences cannot be read.
    """
    for layout in BUILT_IN.values():
        recognised = layout.recognise(folder)
        if recognised is not None:
            return recognised
    return None


@cache
def _load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"trackbench_layout_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that what it defines can be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code: anything may happen
        raise UsageError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    return module

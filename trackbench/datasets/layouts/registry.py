"""The layouts that definitions can name: the package's, those of other packages, and files beside a definition."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from trackbench.datasets.layouts import folder, got10k, lasot, nfs, otb, patterns, tnl2k, trackingnet, uav, vot
from trackbench.datasets.layouts.base import Layout, Recognised
from trackbench.errors import UsageError, suggestion

#: Entry points by which another package gives layouts: name -> a module, or an object with the names of `Layout`.
GROUP = "trackbench.layouts"

#: The package's own; a folder is recognised by the first that knows it, the most particular before the others.
BUILT_IN: dict[str, Layout] = {
    "vot": vot,
    "got10k": got10k,
    "lasot": lasot,
    "trackingnet": trackingnet,
    "uav": uav,
    "nfs": nfs,
    "tnl2k": tnl2k,
    "otb": otb,
    "patterns": patterns,
    "folder": folder,
}


def find_layout(name: str, where: str, beside: Path | None = None) -> Layout:
    """Return the layout called ``name``.

    Args:
        name: as the definition has it.
        where: what asks for it, the start of the message.
        beside: the folder of a definition that is not the package's; a module ``NAME.py`` in it is a layout.

    Raises:
        UsageError: there is none, or it is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    own = beside / f"{name}.py" if beside is not None and name.isidentifier() else None
    if own is not None and own.is_file():
        return _checked(_load_file(own), f"{own}: as a layout")
    installed = entry_points(group=GROUP)
    if name in installed.names:
        point = installed[name]
        try:
            return _checked(point.load(), f"entry point {point.value} of group '{GROUP}'")
        except Exception as error:  # the code of another package: anything may happen
            raise UsageError(f"{where} is '{name}': {point.value} cannot be loaded: {error}") from error
    known = [*BUILT_IN, *sorted(installed.names)]
    raise UsageError(
        f"{where} is '{name}': there is no such layout{suggestion(name, known)} (known: {', '.join(known)}; a file "
        f"{name}.py beside the definition, or an entry point '{GROUP}', adds one)"
    )


def recognise(folder: Path) -> Recognised | None:
    """Return what a folder of which nothing is known holds, by the first layout that knows it.

    Raises:
        OSError: a folder cannot be listed.
        DataError: a file that lists sequences cannot be read.
    """
    for layout in BUILT_IN.values():
        found = layout.recognise(folder)
        if found is not None:
            return found
    return None


@cache
def _load_file(path: Path) -> object:
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


def _checked(layout: object, where: str) -> Layout:
    missing = [name for name in ("COLUMNS", "read", "recognise") if not hasattr(layout, name)]
    if missing:
        raise UsageError(f"{where}: has no {', '.join(missing)}; expected the names of trackbench's Layout")
    return layout  # type: ignore[return-value]

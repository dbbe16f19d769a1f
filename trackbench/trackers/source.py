"""The source of a tracker that is not part of trackbench, by which results made before and after an edit stay apart."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from trackbench.errors import DataError
from trackbench.files import read_bytes


def source_sha256(loaded: type[Any]) -> dict[str, str]:
    """Return the checksums of the source files that a class is made of, ``module`` -> sha256.

    These are the class's module and whatever that imports, directly or not, from its own package, or of a single module
    from its own folder: imports within functions too. Other packages are known by their versions. A class of trackbench
    itself has none: its definition's ``version`` counts.

    Raises:
        DataError: a source file cannot be read, or is no Python.
    """
    module = loaded.__module__
    file = inspect.getsourcefile(loaded)
    package = module.partition(".")[0]
    if package == "trackbench" or file is None:
        return {}
    root = Path(file).resolve().parent
    for _ in range(module.count(".") - (Path(file).name == "__init__.py") + (Path(file).name == "__init__.py")):
        root = root.parent
    files: dict[str, Path] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _file(root, name)
        if path is None or name in files:
            continue
        files[name] = path
        parents = [name.rpartition(".")[0]] if "." in name else []
        pending += [*parents, *_imports(path, name)]
    if not files:  # it lies where its name does not say
        files[module] = Path(file)
    return {name: hashlib.sha256(read_bytes(path)).hexdigest() for name, path in sorted(files.items())}


def _file(root: Path, module: str) -> Path | None:
    """Return the source file of a module below ``root``, or None where it is elsewhere."""
    base = root.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imports(path: Path, module: str) -> Iterator[str]:
    """Yield the modules that a source file may import; of ``from a import b`` also ``a.b``."""
    is_package = path.name == "__init__.py"
    for level, name, attributes in _statements(path, path.stat().st_mtime_ns):
        base = name
        if level:
            parts = module.split(".")
            kept = parts[: len(parts) - level + is_package]
            base = ".".join([*kept, *([name] if name else [])])
        if base:
            yield base
        yield from (f"{base}.{attribute}".lstrip(".") for attribute in attributes)


@cache
def _statements(path: Path, changed: int) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return the import statements of a file: dots, module, names; ``changed`` is the time of its modification."""
    try:
        tree = ast.parse(importlib.util.decode_source(read_bytes(path)))
    except (SyntaxError, ValueError) as error:
        raise DataError(f"{path}: is no Python source: {error}") from None
    statements: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            statements += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            statements.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return tuple(statements)

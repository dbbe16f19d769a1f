"""What has been computed from files, kept beside them: one folder ``.cache``, one idea of validity.

An entry holds as long as everything that it was made of is as it was:

- the files, by size and time of modification (`trackbench.files.stamp`);
- the code that turned them into numbers, readers included: every cache file begins with `code_version`.

A cache may be deleted at any time, and nothing is kept where nobody can write.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.files import replacing, stamp

Rows = NDArray[np.float64]

#: The folder of caches beside what they were made of.
FOLDER = ".cache"
#: What earlier versions kept, each in a file of its own.
OLD = (".parsed", ".times", ".scores.json", ".*.truth")
#: The code between a file and a number: whatever a score is made by, from the bytes on.
CODE = ("*.py", "regions", "datasets", "results", "formats", "metrics", "protocols", "scoring")


@cache
def code_version(package: Path = Path(__file__).parent, parts: tuple[str, ...] = CODE) -> str:
    """Return a hash of the code that turns files into numbers: a version number would not notice every change of it.

    Args:
        package: the folder of the package.
        parts: patterns of modules, and names of rooms.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in parts:
        sources = package.glob(name) if "*" in name else (package / name).rglob("*.py")
        for path in sorted(sources):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def remove_caches(folder: Path) -> None:
    """Remove what is kept beside the files of a folder, by this version or an earlier one."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    remove_old(folder)


def foreign_code(*objects: object) -> tuple[str, ...]:
    """Return what changes with the modules of other packages that define these functions or objects of classes.

    The code of trackbench itself is in `code_version`.
    """
    return tuple(dict.fromkeys(filter(None, map(_module_stamp, objects))))


def _module_stamp(thing: object) -> str:
    while isinstance(thing, partial):
        thing = thing.func
    name = getattr(thing, "__module__", None) or type(thing).__module__
    file: str | None = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name.partition(".")[0] == "trackbench":
        return ""
    with contextlib.suppress(OSError):
        return stamp(file)
    return file


def load_rows(path: Path, columns: int) -> dict[str, tuple[str, Rows]]:
    """Return what `store_rows` has kept in a file; nothing where it is not there, broken, or of other code."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
        with path.open("rb") as file:
            head = json.loads(file.readline())
            if head["code"] != code_version():
                return {}
            index = head["rows"]
            numbers = np.fromfile(file, np.float64).reshape(columns, -1)
        if head["sum"] == _checksum(numbers) and max((e for _, _, e in index.values()), default=0) == numbers.shape[1]:
            return {name: (stamp, numbers[:, start:end].T) for name, (stamp, start, end) in index.items()}
    return {}


def store_rows(path: Path, entries: Mapping[str, tuple[str, Rows]]) -> None:
    """Keep arrays of as many columns in one file: a line of JSON, then the numbers of each column.

    Columns come one after the other because that is how they are computed with.

    Args:
        path: the file.
        entries: name -> stamps of the files that the rows were made of, and the rows.
    """
    index, start = {}, 0
    for name, (stamps, rows) in entries.items():
        index[name] = (stamps, start, start + len(rows))
        start += len(rows)
    columns = max((rows.shape[1] for _, rows in entries.values()), default=0)
    numbers: Rows = np.empty((columns, start))
    if entries:
        np.concatenate([rows for _, rows in entries.values()], out=numbers.T)
    head = json.dumps({"code": code_version(), "sum": _checksum(numbers), "rows": index}).encode() + b"\n"
    _store(path, head, numbers.reshape(-1).data)


def _checksum(numbers: Rows) -> int:
    """Return a sum by which blocks that a power cut left empty or old are noticed; disks write more than 64 numbers."""
    return int(numbers.reshape(-1)[::64].view(np.uint64).sum(dtype=np.uint64))


def load_documents(path: Path) -> dict[str, Any]:
    """Return what `store_documents` has kept in a file; nothing where it is not there, broken, or of other code."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and kept.get("code") == code_version() and isinstance(kept.get("entries"), dict):
            return dict(kept["entries"])
    return {}


def store_documents(path: Path, entries: Mapping[str, Any]) -> None:
    """Keep JSON documents by their keys in one file."""
    _store(path, json.dumps({"code": code_version(), "entries": entries}).encode())


def _store(path: Path, *contents: bytes | memoryview) -> None:
    # Where nobody can write, numbers are computed every time.
    with contextlib.suppress(OSError):
        with replacing(path, durable=False) as file:
            for content in contents:
                file.write(content)
        if path.parent.name == FOLDER:
            remove_old(path.parent.parent)


def remove_old(folder: Path) -> None:
    """Remove what earlier versions kept beside the files of a folder.

    Raises:
        OSError: nobody can write there.
    """
    for pattern in OLD:
        for old in folder.glob(pattern):
            old.unlink(missing_ok=True)

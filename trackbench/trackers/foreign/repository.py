"""Which code a repository holds, for the manifest."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from trackbench.files import as_bytes

#: Files that decide what a tracker does.
SOURCES = (".py", ".yaml", ".yml", ".json", ".toml")


def fingerprint(folder: Path) -> dict[str, str]:
    """Return ``commit`` where the folder is a git checkout, and ``changes_sha256`` of what differs from it.

    Without git there is ``sources_sha256`` of all its source files.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"sources_sha256": _digest(folder, _sources(folder))}
    changed = (_git(folder, "ls-files", "--modified", "--others", "--exclude-standard") or "").splitlines()
    mine = sorted(Path(name) for name in changed if name.endswith(SOURCES))
    mine = [path for path in mine if not any(_holds_a_run(folder / parent) for parent in path.parents)]
    return {"commit": commit.strip()} | ({"changes_sha256": _digest(folder, mine)} if mine else {})


def module_fingerprint(module: str, folder: Path | None) -> dict[str, str]:
    """Return which code a module is: that of its repository, or ``sha256`` of its file in the working folder."""
    if folder is not None:
        return fingerprint(folder)
    path = Path(*module.split(".")).with_suffix(".py")
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else {}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _sources(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if _holds_a_run(Path(place)):
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(files):
            if name.endswith(SOURCES):
                yield (Path(place) / name).relative_to(folder)


def _holds_a_run(folder: Path) -> bool:
    """Whether a folder is that of a stored run: one begun in the repository must not change what the next one is of."""
    return (folder / "manifest.json").is_file() and (folder / "sessions").is_dir()


def _digest(folder: Path, paths: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = (folder / path).read_bytes() if (folder / path).is_file() else b""
        digest.update(as_bytes(f"{path.as_posix()}\0{len(content)}\0") + content)
    return digest.hexdigest()

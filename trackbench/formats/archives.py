"""The files of a folder, of a zip archive, or a single one, behind one interface."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Protocol

from trackbench.errors import DataError, UsageError
from trackbench.files import open_regular, read_bytes
from trackbench.quoting import printable
from trackbench.zips import Archive

#: An archive may expand by this factor; small ones by any, since a file of equal lines packs a thousandfold.
MAX_EXPANSION, ALWAYS_ALLOWED = 30, 64 << 20
#: How files with results end; text in .csv files is the same as in .txt files.
ENDINGS = (".txt", ".csv", ".json", ".jsonl", ".mat")
#: How archives end that are not opened.
PACKED = (".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst", ".rar", ".7z")
#: The longest published trajectory takes 2 MB.
MAX_FILE = 64 << 20


class Files(Protocol):
    """Untrusted files, read one at a time."""

    path: Path
    names: list[str]
    """Their paths with ``/`` between the parts, sorted; what systems add (``__MACOSX``, ``.DS_Store``) is left out."""

    def read(self, name: str) -> bytes:
        """Return the content of the file ``name``.

        Raises:
            DataError: it cannot be read, or is too large to be a result.
        """
        ...

    def where(self, name: str) -> str:
        """Return what messages call the file ``name``."""
        ...


def open_files(path: Path) -> Files:
    """Return the files of the folder, the zip archive or the single file ``path``.

    Raises:
        UsageError: there is nothing of that name, or it cannot be listed.
        DataError: the archive is damaged, or has members that are refused.
    """
    try:
        if path.is_dir():
            return _Folder(path)
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        with open_regular(path) as file:
            archived = zipfile.is_zipfile(file)
        if archived:
            return _Zip(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path}: is not a readable zip archive: {_said_of(path)}")
    if path.suffix.lower() in PACKED:
        raise UsageError(f"{path}: is an archive that is not read here; unpack it and give its folder (.zip is read)")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: expected a folder, a zip archive, or a file {', '.join(ENDINGS)}")
    return _Single(path)


def _said_of(path: Path) -> str:
    """Return why a file called ``.zip`` is none."""
    with open_regular(path) as file:
        start = file.read(512)
    if start[:4] == b"Rar!" or start[:2] in {b"7z", b"\x1f\x8b"}:
        return "it is an archive of another kind; unpack it and give its folder"
    if start.lstrip()[:1] == b"<":
        return "it is a web page; download it again"
    return "its directory is missing or damaged (cut off?); download it again"


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        # The folder's own name says as much as those below it (``ATOM_tracking_result``, ``baseline_000``).
        self._top = path.resolve().name or "results"
        names = [
            f"{self._top}/{(Path(folder) / file).relative_to(path).as_posix()}"
            for folder, _, files in os.walk(path)
            for file in files
        ]
        self.names = sorted(name for name in names if not _is_clutter(name.removeprefix(self._top)))

    def read(self, name: str) -> bytes:
        return read_bytes(self._file(name), MAX_FILE)

    def where(self, name: str) -> str:
        return printable(str(self._file(name)))

    def _file(self, name: str) -> Path:
        return self.path / name.removeprefix(f"{self._top}/")


class _Single:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [path.name]

    def read(self, name: str) -> bytes:
        return read_bytes(self.path, MAX_FILE)

    def where(self, name: str) -> str:
        return printable(str(self.path))


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = Archive(path.open("rb"), printable(str(path)))
        total, size = sum(self._archive.members.values()), path.stat().st_size
        if total > max(MAX_EXPANSION * size, ALWAYS_ALLOWED):
            raise DataError(f"{path}: {size} bytes expand to {total}, more than {MAX_EXPANSION} times; refused")
        self.names = sorted(name for name in self._archive.members if not _is_clutter(name))

    def read(self, name: str) -> bytes:
        return self._archive.read(name, MAX_FILE)

    def where(self, name: str) -> str:
        return f"{printable(str(self.path))}: {printable(name)}"


def _is_clutter(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))

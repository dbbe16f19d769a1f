"""The files of a folder, of a zip archive, or a single one, behind one interface.

Archives come from strangers: a member that would leave its folder, a link, an encrypted member, two members of one name
or an archive that expands beyond all measure is refused before anything is read, and nothing is ever unpacked to disk.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from trackbench.errors import DataError, UsageError
from trackbench.quoting import printable

#: An archive may expand by this factor; small ones by any, since a file of equal lines packs a thousandfold.
MAX_EXPANSION, ALWAYS_ALLOWED = 100, 64 << 20
#: The longest published trajectory takes 2 MB.
MAX_FILE = 64 << 20


class Files(Protocol):
    """Files of strangers, read one at a time."""

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
        if zipfile.is_zipfile(path):
            return _Zip(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path}: is not a readable zip archive: its directory is missing or damaged")
    if path.suffix.lower() not in {".txt", ".mat"}:
        raise UsageError(f"{path}: expected a folder, a zip archive, or a file .txt or .mat")
    return _Single(path)


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
        return _read(self._file(name))

    def where(self, name: str) -> str:
        return printable(str(self._file(name)))

    def _file(self, name: str) -> Path:
        return self.path / name.removeprefix(f"{self._top}/")


class _Single:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [path.name]

    def read(self, name: str) -> bytes:
        return _read(self.path)

    def where(self, name: str) -> str:
        return printable(str(self.path))


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise DataError(f"{path}: is not a readable zip archive: {error}") from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/")
            self._admit(info, name)
            if not name.endswith("/") and not _is_clutter(name):
                if name in self._members:
                    raise DataError(f"{path}: has two members called '{printable(name)}'")
                self._members[name] = info
        total, size = sum(info.file_size for info in self._archive.infolist()), path.stat().st_size
        if total > max(MAX_EXPANSION * size, ALWAYS_ALLOWED):
            raise DataError(f"{path}: {size} bytes expand to {total}, more than {MAX_EXPANSION} times; refused")
        self.names = sorted(self._members)

    def _admit(self, info: zipfile.ZipInfo, name: str) -> None:
        if not name:
            raise DataError(f"{self.path}: has a member without a name; refused")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise DataError(f"{self.path}: member '{printable(name)}' would leave the archive's folder; refused")
        mode = info.external_attr >> 16
        if stat.S_ISLNK(mode):
            raise DataError(f"{self.path}: member '{printable(name)}' is a link; refused")
        if info.flag_bits & 0x1:
            raise DataError(f"{self.path}: member '{printable(name)}' is encrypted")

    def read(self, name: str) -> bytes:
        info = self._members[name]
        if info.file_size > MAX_FILE:
            raise DataError(f"{self.where(name)}: {info.file_size} bytes are too many for a result")
        try:
            with self._archive.open(info) as member:
                # A bounded read: the size in the header may be a lie.
                return member.read(info.file_size + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            ValueError,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
        ) as error:
            raise DataError(f"{self.where(name)}: cannot be unpacked: {error}") from None

    def where(self, name: str) -> str:
        return f"{self.path}: {printable(name)}"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise DataError(f"{path}: {path.stat().st_size} bytes are too many for a result")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _is_clutter(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))

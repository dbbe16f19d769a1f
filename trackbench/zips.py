"""Untrusted zip archives: opened in bounded memory, members read up to a bounded size.

A member that would leave its folder, a link, an encrypted member or two members of one name is refused before anything
is read, and nothing is ever unpacked to disk.
"""

from __future__ import annotations

import re
import stat
import zipfile
from typing import IO, Any

from trackbench.errors import DataError
from trackbench.files import reading
from trackbench.quoting import NAME, printable

#: Most bytes of an archive's directory, of which an entry takes about 100.
MAX_DIRECTORY = 32 << 20


class Archive:
    """A zip archive.

    Args:
        file: a file that can be read anywhere; it has to stay open.
        where: what messages call it.

    Raises:
        DataError: it is damaged, or has members that are refused.
    """

    def __init__(self, file: IO[bytes], where: str) -> None:
        self.where = where
        source: Any = _Source(file)
        try:
            with reading(where):
                self._zip = zipfile.ZipFile(source)
        except DataError as error:
            raise DataError(str(error).replace("cannot be read", "is not a readable zip archive", 1)) from None
        source.bounded = False
        self.members: dict[str, int] = {}
        """Names with ``/`` between their parts, and sizes as the directory has them; folders are left out."""
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename.replace("\\", "/")
            self._admit(info, name)
            if not name.endswith("/"):
                self.members[name], self._infos[name] = info.file_size, info

    def _admit(self, info: zipfile.ZipInfo, name: str) -> None:
        said = f"{self.where}: member '{printable(name, NAME)}'"
        if not name:
            raise DataError(f"{self.where}: has a member without a name; refused")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
            raise DataError(f"{said} would leave the archive's folder; refused")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{said} is a link; refused")
        if info.flag_bits & 0x1:
            raise DataError(f"{said} is encrypted")
        if name in self.members:
            raise DataError(f"{self.where}: has two members called '{printable(name, NAME)}'")

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a member.

        Raises:
            DataError: it is damaged, encrypted, or has more than ``most`` bytes.
        """
        member = self._infos[name]
        where = f"{self.where}: {printable(name)}"
        if member.file_size > most:
            raise DataError(f"{where}: {member.file_size} bytes; expected at most {most}")
        try:
            with reading(where), self._zip.open(member) as file:
                data = file.read(member.file_size + 1)  # the size in the directory may be a lie
        except DataError as error:
            raise DataError(str(error).replace("cannot be read", "cannot be unpacked", 1)) from None
        if len(data) != member.file_size:
            raise DataError(f"{where}: cannot be unpacked: {len(data)} bytes, its directory says {member.file_size}")
        return data


class _Source:
    """A file of which the directory is read in bounded memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.bounded = file, True

    def read(self, size: int = -1) -> bytes:
        if self.bounded:
            if size > MAX_DIRECTORY:
                raise zipfile.BadZipFile("its directory is too large")
            size = size if size >= 0 else MAX_DIRECTORY
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

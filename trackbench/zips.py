"""Zip archives of strangers: opened in bounded memory, members read no further than they are believed.

Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import zipfile
from typing import IO, Any

from trackbench.errors import DataError
from trackbench.files import reading
from trackbench.quoting import printable

#: Most bytes of an archive's directory, of which an entry takes about 100.
MAX_DIRECTORY = 32 << 20


class Archive:
    """A zip archive.

    Args:
        file: a file that can be read anywhere; it has to stay open.
        where: what messages call it.

    Raises:
        DataError: it is damaged.
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
        self.members = self._zip.infolist()

    def read(self, member: zipfile.ZipInfo, most: int) -> bytes:
        """Return the content of a member.

        Raises:
            DataError: it is damaged, encrypted, or has more than ``most`` bytes.
        """
        where = f"{self.where}: {printable(member.filename)}"
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

"""Reading and writing files: text, JSON, atomic replacement, safe names, and stamps that tell of a change."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trackbench.errors import DataError, UsageError

#: Ending of a file that is being written. Before it stand the name of the host and the number of the process.
TEMPORARY = ".writing"


def read_bytes(path: Path) -> bytes:
    """Return the contents of a file.

    Raises:
        DataError: it is not there, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def decode(path: Path, data: bytes) -> str:
    """Return the contents of ``path`` as text, without a byte-order mark.

    Raises:
        DataError: they are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not a text file") from None


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        DataError: it is not there, or not text.
    """
    return decode(path, read_bytes(path))


def read_json(path: Path) -> Any:
    """Return the document in a JSON file, or None where there is no such file.

    Raises:
        DataError: it cannot be read, or is no JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; ``path`` becomes it when all is written, and stays as it was after an error.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> with replacing(Path(tempfile.mkdtemp()) / "a.bin") as file:
        ...     file.write(b"ab")
        2
    """
    temporary = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}{TEMPORARY}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it appears complete or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it appears complete or not at all; lines end in ``\\n`` everywhere.

    Raises:
        UsageError: it cannot be written.
    """
    write_bytes(path, text.encode())


def folder_name(name: str) -> str:
    """Return ``name`` as the name of a folder on any system: ``opencv:mil`` becomes ``opencv-mil``.

    Example:
        >>> folder_name("opencv:mil")
        'opencv-mil'
    """
    return "".join(c if c.isalnum() or c in "._-+@=," else "-" for c in name)


def stamp(path: str | os.PathLike[str]) -> str:
    """Return what changes when a file does: its size and its time of modification.

    Raises:
        OSError: there is no such file.
    """
    state = os.stat(path)
    return f"{os.fspath(path)} {state.st_size} {state.st_mtime_ns}\n"

"""Reading and writing files: text, JSON, TOML, atomic replacement, safe names, and stamps that tell of a change.

Files are untrusted input. They are opened in one place, which accepts regular files only (reading a pipe would block)
and none that is larger than its kind can be.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import socket
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from trackbench.errors import DataError, TrackbenchError, UsageError, unforeseen

#: Endings of videos; the decoder knows them too, and is not loaded to list a folder.
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".ogv", ".3gp"}
)

#: Ending of a file that is being written. Before it stand the name of the host and the number of the process.
TEMPORARY = ".writing"

#: Most bytes of a file that is read whole (an image, a trajectory of masks), of a document, of settings.
MAX_FILE, MAX_DOCUMENT, MAX_SETTINGS = 256 << 20, 16 << 20, 1 << 18
#: Bytes that are read at a time where a file is not as large as it says.
MORE = 1 << 20
#: Most lines of a file with a line a frame: the longest videos of the field have a tenth of it.
MAX_LINES = 1_000_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Most dots in a line of TOML, in which a key may be ``a.b.c``: reading it takes the square of them.
MAX_DOTS = 1000


@contextmanager
def reading(where: object, error: type[TrackbenchError] = DataError) -> Iterator[None]:
    """Turn whatever fails while an untrusted file is read into an error that names it.

    Args:
        where: the file.
        error: what is raised.
    """
    try:
        yield
    except TrackbenchError:
        raise
    except Exception as problem:  # a damaged file may make a library fail in any way
        said = problem.strerror if isinstance(problem, OSError) and problem.strerror else unforeseen(problem)
        raise error(f"{where}: cannot be read: {said}") from problem


def _open_regular(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the number and the size of a regular file that is open for reading; see `open_regular`."""
    with reading(path):
        try:
            # A pipe without a writer would be waited for.
            number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise DataError(f"{path}: is a socket; expected a file") from None
    state = os.fstat(number)
    if not stat.S_ISREG(state.st_mode):
        os.close(number)
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder"}
        raise DataError(f"{path}: is {kinds.get(stat.S_IFMT(state.st_mode), 'a device')}; expected a file")
    return number, state.st_size


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a regular file for reading.

    Raises:
        DataError: it is not there, cannot be opened, or is a pipe, a socket, a device or a folder.
    """
    with os.fdopen(_open_regular(path)[0], "rb") as file:
        yield file


def read_bytes(path: str | os.PathLike[str], most: int = MAX_FILE) -> bytes:
    """Return the contents of a file.

    Raises:
        DataError: it is not there, is no regular file, cannot be read, or has more than ``most`` bytes.
    """
    number, size = _open_regular(path)
    try:
        if size <= most:
            with reading(path):
                data = os.read(number, size + 1)
                # One read gives the whole file, unless it grows meanwhile or does not say how large it is.
                while len(data) != size and len(data) <= most and (more := os.read(number, MORE)):
                    data += more
            if len(data) <= most:
                return data
    finally:
        os.close(number)
    raise DataError(f"{path}: has {size} bytes; expected at most {most}")


def decode(path: Path | str, data: bytes) -> str:
    """Return the contents of ``path`` as text, without a byte-order mark.

    Text is UTF-8, or UTF-16 that says so by its byte-order mark, as PowerShell's ``>`` writes it.

    Raises:
        DataError: they are something else.
    """
    if data[:2] in _UTF16:
        with suppress(UnicodeDecodeError):
            return data.decode("utf-16")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        if b"\0" in data or byte < 0xA0:  # above are the letters of Windows-1252 and its kin
            raise DataError(f"{path}: is not a text file") from None
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: is not a text file: it has bytes of value 0; save the file as UTF-8")
    return text


def as_bytes(text: str) -> bytes:
    """Return the bytes of a text to be hashed; names that are not UTF-8 have some that are in no encoding."""
    return text.encode(errors="surrogatepass")


def read_text(path: Path, most: int = MAX_FILE) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        DataError: it is not there, not text, or has more than ``most`` bytes.
    """
    return decode(path, read_bytes(path, most))


def lines_of(path: Path | str, text: str, *, strip: bool = True) -> list[str]:
    """Return the lines of a text with one for each frame; blank ones at the end do not count, if ``strip``.

    Raises:
        DataError: there are more than any video has.
    """
    text = text.rstrip() if strip else text
    if text.count("\n") >= MAX_LINES:
        raise DataError(
            f"{path}: has {text.count(chr(10)) + 1} lines; expected at most {MAX_LINES}, one for each frame"
        )
    return text.splitlines()


def read_json(path: Path) -> Any:
    """Return the document in a JSON file, or None where there is no such file.

    Raises:
        DataError: it cannot be read, or is no JSON.
    """
    if not os.path.lexists(path):
        return None
    text = read_text(path, MAX_DOCUMENT)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads, or nested too deeply
        raise DataError(f"{path}: not valid JSON: {unforeseen(error)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return the document in a TOML file.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    try:
        text = read_text(path, MAX_SETTINGS)
    except DataError as error:
        raise UsageError(str(error)) from None
    return parse_toml(text, path)


def parse_toml(text: str, where: object) -> dict[str, Any]:
    """Return the document in a TOML text; ``where`` is what messages call it.

    Raises:
        UsageError: it is no TOML, or nested too deeply.
    """
    if text.count(".") > MAX_DOTS and any(line.count(".") > MAX_DOTS for line in text.splitlines()):
        raise UsageError(f"{where}: not valid TOML: a key of too many names")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not valid TOML: {error}") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{where}: not valid TOML: {unforeseen(error)}") from None


def read_yaml(path: Path) -> Any:
    """Return the document in a YAML file of settings: texts, numbers, lists and mappings, without aliases or tags.

    Raises:
        UsageError: it cannot be read, or holds anything else.
    """
    import yaml

    class Plain(yaml.SafeLoader):
        """Builds what JSON has; aliases could multiply, and other kinds have errors of their own."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, form) for tag, form in forms if not tag.endswith((":timestamp", ":merge"))]
            for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        yaml_constructors = {  # noqa: RUF012
            tag: build
            for tag, build in yaml.SafeLoader.yaml_constructors.items()
            if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
        }

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("holds an alias; expected every value where it stands")
            return super().compose_node(parent, index)

    try:
        return yaml.load(read_text(path, MAX_SETTINGS), Plain)
    except DataError as error:
        raise UsageError(str(error)) from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except Exception as error:  # its constructors pass on what Python says of a number
        raise UsageError(f"{path}: not valid YAML: {unforeseen(error)}") from None


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Give a file to write; ``path`` becomes it when all is written, and stays as it was after an error.

    Args:
        path: the file.
        durable: wait until the disk has it, so that it outlives a power cut; who reads it otherwise must notice damage.

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
            if durable:
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

    What UTF-8 cannot hold, lone surrogates of names that are not UTF-8, is spelled out.

    Raises:
        UsageError: it cannot be written.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


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
    return f"{path} {state.st_size} {state.st_mtime_ns}\n"


def ignores_case(folder: Path) -> bool:
    """Whether the disk of ``folder`` (or of the nearest folder above it that is there) takes ``A`` and ``a`` for one.

    False where nothing can be written there.
    """
    while not folder.is_dir():
        folder = folder.parent
    with suppress(OSError), tempfile.TemporaryDirectory(prefix=".Case", dir=folder) as made:
        return Path(made).with_name(Path(made).name.swapcase()).exists()
    return False

"""Downloads of data sets that may be had without a form: resumed where they stopped, checked, unpacked.

What is finished is noted in ``.downloaded.json`` in the folder, so that the same command goes on after a stop.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError, UsageError, unforeseen
from trackbench.files import read_json, write_bytes, write_text
from trackbench.quoting import shown
from trackbench.schemas import Download
from trackbench.version import VERSION
from trackbench.zips import Archive

#: Where in the folder stands what is finished, and the ending of files that are not yet whole.
DONE, PART = ".downloaded.json", ".part"
#: Tries of a file, seconds before the second one (each later pause is twice as long), of waiting for the server.
TRIES, PAUSE, PATIENCE = 5, 1.0, 60.0
CHUNK = 1 << 20
#: Most bytes of one member of an archive.
MAX_MEMBER = 2 << 30
#: Length of a checksum in hexadecimal digits -> what it is.
KINDS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True)
class Part:
    """One archive of a data set."""

    download: Download
    folder: Path
    """Into which it is unpacked."""
    properties: tuple[tuple[str, str], ...] = ()
    """Lines of a VOT sequence's file ``sequence``, written when it is unpacked."""


Told = Callable[[str, int, int | None], object]
"""Takes the name of a file, the bytes of it that are there, and how many it has (None: not known)."""


def fetch_dataset(definition: DatasetDefinition, folder: Path, told: Told = lambda *_: None) -> int:
    """Download a data set into ``folder``, unpack it, and return how many archives were fetched by this call.

    Raises:
        UsageError: it cannot be had without a form; the message says where it is.
        DataError: a server cannot be reached, or what comes is not what was expected; what is there is kept.
    """
    if not (definition.downloads or definition.description):
        source = " at ".join(filter(None, (definition.home, definition.url))) or "not stated"
        raise UsageError(
            f"data set '{definition.name}' has no address from which it comes without a form; its source: {source}; "
            f"then `trackbench data add {definition.name} DIR`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    parts = [Part(download, folder / download.into) for download in definition.downloads]
    names: list[str] = []
    if definition.description:
        names, described = read_description(definition.description, folder)
        parts += described
    done: dict[str, Any] = read_json(folder / DONE) or {}
    fetched = 0
    for part in parts:
        if part.download.url in done:
            continue
        # Archives of several sequences may have one name.
        mark = hashlib.sha256(part.download.url.encode()).hexdigest()[:8]
        archive = folder / f".{mark}-{_file_name(part.download.url)}"
        size, checksum = fetch_file(part.download, archive, told)
        unpack(archive, part.folder)
        archive.unlink()
        if part.properties:
            write_text(part.folder / "sequence", "".join(f"{key}={value}\n" for key, value in part.properties))
        done[part.download.url] = {"size": size, "sha256": checksum}
        write_text(folder / DONE, json.dumps(done, indent=2) + "\n")
        fetched += 1
    if names:
        write_text(folder / "list.txt", "".join(f"{name}\n" for name in names))
    return fetched


def read_description(url: str, folder: Path) -> tuple[list[str], list[Part]]:
    """Return the sequences of a VOT data set and the archives of each, annotation first.

    Args:
        url: of the description, a JSON document with ``sequences``; addresses in it are relative to its own.
        folder: of the data set.

    Raises:
        DataError: it cannot be fetched, or is no such description.
    """
    try:
        with _open(url, {}) as answer:
            raw = answer.read(64 << 20)
    except (OSError, HTTPException) as error:
        raise _refused(url, error) from None
    try:
        document = json.loads(raw)
        names, parts = [], []
        for sequence in document["sequences"]:
            name = str(sequence["name"])
            if not name or name != Path(name).name or name.startswith("."):
                raise DataError(f"{url}: sequence name {shown(name)} cannot name a folder")
            names.append(name)
            properties = {"name": name, "fps": str(sequence.get("fps", 30)), "format": "default"}
            for channel, entry in sequence["channels"].items():
                if channel != Path(channel).name or channel.startswith("."):
                    raise DataError(f"{url}: channel {shown(channel)} cannot name a folder")
                properties[f"channels.{channel}"] = f"{channel}/{entry.get('pattern', '')}"
                parts.append(Part(_described(url, entry), folder / name / channel))
            annotation = _described(url, sequence["annotations"])
            parts.append(Part(annotation, folder / name, tuple(properties.items())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{url}: is no description of a VOT data set: {unforeseen(error)}") from None
    return names, parts


def _described(base: str, entry: dict[str, Any]) -> Download:
    checksum = str(entry.get("checksum") or "").lower()
    return Download(
        url=urljoin(base, str(entry["url"])),
        size=entry.get("compressed"),
        checksum=checksum if len(checksum) in KINDS else None,
    )


def fetch_file(download: Download, path: Path, told: Told = lambda *_: None) -> tuple[int, str]:
    """Download a file, going on where an earlier try has stopped; returns its size and SHA-256.

    Raises:
        DataError: the server cannot be reached or refuses, or the file is not what was expected.
    """
    part = path.with_name(path.name + PART)
    for attempt in range(TRIES):
        try:
            _fetch_rest(download, part, told)
            break
        except (urllib.error.HTTPError, DataError) as error:
            if isinstance(error, DataError) or error.code < 500:
                raise _refused(download.url, error) from None
            failure: Exception = error
        except (OSError, HTTPException) as error:
            failure = error
        if attempt + 1 == TRIES:
            raise _refused(download.url, failure) from None
        time.sleep(PAUSE * 2**attempt)
    _check(download, part)
    part.replace(path)
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_rest(download: Download, part: Path, told: Told) -> None:
    there = part.stat().st_size if part.is_file() else 0
    if download.size is not None and there == download.size:
        return
    name = _file_name(download.url)
    try:
        answer = _open(download.url, {"Range": f"bytes={there}-"} if there else {})
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is left, or what is there is of another file
            raise
        whole = str(error.headers.get("Content-Range", "")).rpartition("/")[2]
        if whole.isdecimal() and int(whole) == there:
            return
        part.unlink()
        there, answer = 0, _open(download.url, {})
    with answer:
        if there and answer.status != 206:  # the server sends the whole file again
            there = 0
        length = answer.headers.get("Content-Length")
        whole_size = there + int(length) if length and length.isdecimal() else download.size
        with part.open("ab" if there else "wb") as file:
            told(name, there, whole_size)
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                there += len(chunk)
                told(name, there, whole_size)
    if whole_size is not None and there < whole_size:
        raise ConnectionError(f"the connection ended after {there} of {whole_size} bytes")


def _check(download: Download, part: Path) -> None:
    """Raise DataError where a file is not what was expected; it is removed, so that the next try starts anew."""
    size = part.stat().st_size
    if download.size is not None and size != download.size:
        part.unlink()
        raise DataError(f"{download.url}: has {size} bytes; expected {download.size}")
    if download.checksum is not None:
        kind = KINDS[len(download.checksum)]
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, kind).hexdigest()
        if digest != download.checksum:
            part.unlink()
            raise DataError(f"{download.url}: has {kind} {digest}; expected {download.checksum}")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive; nothing of it can lie outside of ``folder``.

    Raises:
        DataError: it is damaged, or holds what is refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            return
        with archive.open("rb") as file:
            opened = Archive(file, str(archive))
            for name in opened.members:
                write_bytes(folder / name, opened.read(name, MAX_MEMBER))
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{archive}: is damaged: {error}") from None


def _open(url: str, headers: dict[str, str]) -> HTTPResponse:
    """Ask for a file.

    Raises:
        DataError: it is no address of the web.
        OSError: the server cannot be reached, or refuses.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url}: expected an address that begins with http:// or https://")
    request = urllib.request.Request(url, headers={"User-Agent": f"trackbench/{VERSION}", **headers})
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=PATIENCE)
    return answer


def _refused(url: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        return DataError(f"{url}: the server answers {error.code} {error.reason}")
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    said = unforeseen(cause) if isinstance(cause, BaseException) else str(cause)
    return DataError(f"{url}: cannot be fetched: {said}; the same command goes on from here")


def _file_name(url: str) -> str:
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    with suppress(ValueError):
        if name and name == Path(name).name and not name.startswith("."):
            return name
    return hashlib.sha256(url.encode()).hexdigest()[:16]

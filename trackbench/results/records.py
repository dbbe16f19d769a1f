"""What the JSON files of the store hold: checked where they are read, since anybody may have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from trackbench.definitions import describe_invalid, keys_of
from trackbench.errors import DataError
from trackbench.files import read_json


class _Record(BaseModel):
    # What is checked is used as it stands, so that nothing may be another type that could be converted.
    model_config = ConfigDict(extra="allow", protected_namespaces=(), strict=True)


class AnyRecord(_Record):
    """Any object."""


class SessionRecord(_Record):
    """One working session."""

    started: str = ""
    versions: dict[str, str] = {}
    hardware: dict[str, Any] | None = None
    device: str | None = None
    precision: str | None = None
    of: int = 0
    """How many sequences were to be run."""
    dataset_sequences: int | None = None
    data: dict[str, str] = {}
    """Fingerprints of the sequences that it ran on."""
    faults: dict[str, dict[str, int]] = {}
    """Result -> kind of suspicious answer -> how many there were that a code stands for."""


class IdentityRecord(_Record):
    """What decides the numbers of a run."""

    options: dict[str, Any] = {}
    weights_sha256: str | None = None
    refiner: IdentityRecord | None = None
    seed: int | None = None


class ManifestRecord(_Record):
    """What made the results of a run."""

    tracker: str | None = None
    dataset: str | None = None
    protocol: str | None = None
    title: str | None = None
    imported: bool = False
    identity: IdentityRecord = IdentityRecord()
    source: dict[str, Any] = {}
    padded: dict[str, dict[str, int]] = {}
    sessions: list[SessionRecord] = []


class FailureRecord(_Record):
    """Why a sequence could not be run."""

    reason: str
    traceback: str | None = None
    lacks_data: bool = False
    """Whether the data set is at fault, as that machine sees it."""
    machine: str | None = None


class ServerRecord(_Record):
    """What a benchmark's server says of a run."""

    metrics: dict[str, float]
    origin: Literal["server", "typed"]
    source: dict[str, Any] = {}
    answers_sha256: str | None = None


class ProfileRecord(_Record):
    """What was measured of a tracker's network and speed."""

    tracker: str
    title: str
    identity: dict[str, Any]
    device: str
    device_name: str
    parameters: int | None = None
    search_size: int | None = None
    template_flops: int | None = None
    frame_flops: int | None = None
    speeds: dict[str, dict[str, float]] = {}


Record = TypeVar("Record", bound=_Record)


def read_record(path: Path, kind: type[Record]) -> dict[str, Any] | None:
    """Return the document in a JSON file as it stands, or None where there is no such file.

    Raises:
        DataError: it cannot be read, is no JSON, or holds something else than ``kind``; file and key are named.
    """
    document = read_json(path)
    if document is None:
        return None
    check_record(path, document, kind)
    record: dict[str, Any] = document
    return record


def check_record(path: Path, document: Any, kind: type[Record]) -> None:
    """Refuse a document that is not of a kind.

    Raises:
        DataError: it is not; file and key are named.
    """
    if not isinstance(document, dict):
        raise DataError(f"{path}: holds a {type(document).__name__}; expected a JSON object")
    try:
        kind.model_validate(document)
    except ValidationError as error:
        raise DataError(describe_invalid(error, str(path), keys_of(kind))) from None

"""The records of the self-test: what each tracker does on the clip where all is well, in ``records/`` beside this file.

``NAME.npz`` holds readings with drawn weights on a CPU, ``settings.json`` each tracker's options on every benchmark,
``same.json`` the trackers that differ from another in weights and settings of benchmarks only, and have its readings.
``python -m trackbench.doctor.records [NAME]...`` writes them anew, after a change that is meant to move numbers.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.definitions import DATASETS, TRACKERS
from trackbench.doctor.clip import TestClip, make_clip
from trackbench.doctor.readings import Activation, Readings, build, sampled, take
from trackbench.trackers.settings import Settings, resolve_settings

FOLDER = Path(__file__).with_name("records")
SETTINGS, SAME = FOLDER / "settings.json", FOLDER / "same.json"


def recorded_trackers() -> list[str]:
    """Return the names of the trackers that have a record."""
    return sorted([*(path.stem for path in FOLDER.glob("*.npz")), *_same()])


def record_path(name: str) -> Path:
    """Return the file with a tracker's readings."""
    return FOLDER / f"{_same().get(name, name)}.npz"


@lru_cache(maxsize=1)
def _same() -> Mapping[str, str]:
    loaded: Mapping[str, str] = json.loads(SAME.read_text(encoding="utf-8"))
    return loaded


def clip_sha256(clip: TestClip) -> str:
    """Return the hash of the clip's frames."""
    return hashlib.sha256(b"".join(frame.tobytes() for frame in clip.frames)).hexdigest()


def as_record(readings: Readings) -> Readings:
    """Return readings as a record holds them: inputs sampled."""
    inputs = {phase: sampled(image) for phase, image in readings.inputs.items()}
    return Readings(inputs, readings.activations, readings.boxes, readings.again)


def write_record(path: Path, readings: Readings, clip: TestClip) -> None:
    """Write a record."""
    record = as_record(readings)
    names = [[each.phase, each.module, each.dtype] for each in record.activations]
    described = json.dumps({"clip": clip_sha256(clip), "activations": names, "inputs": list(record.inputs)})
    values = [each.values for each in record.activations]
    np.savez_compressed(
        path,
        described=np.array(described),
        inputs=np.array(list(record.inputs.values()), np.float32),
        activations=np.array(values, np.float32),
        boxes=record.boxes,
        again=record.again,
    )


def read_record(path: Path) -> tuple[Readings, str]:
    """Return a record, and the hash of the clip on which it was made."""
    with np.load(path) as file:
        described = json.loads(str(file["described"]))
        activations = [
            Activation(phase, module, values, dtype)
            for (phase, module, dtype), values in zip(described["activations"], file["activations"], strict=True)
        ]
        inputs = dict(zip(described["inputs"], file["inputs"], strict=True))
        return Readings(inputs, activations, file["boxes"], file["again"]), described["clip"]


def settings_everywhere(name: str, datasets: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a tracker's options without a data set (under the empty name), and what differs on each data set."""
    plain = _options(resolve_settings(name))
    settings = {"": plain}
    for dataset in datasets:
        own = _options(resolve_settings(name, dataset))
        settings[dataset] = {key: value for key, value in own.items() if value != plain.get(key)}
    return settings


@lru_cache(maxsize=1)
def recorded_settings() -> Mapping[str, dict[str, dict[str, Any]]]:
    """Return tracker -> data set -> options, as they were recorded."""
    loaded: Mapping[str, dict[str, dict[str, Any]]] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return loaded


def _options(settings: Settings) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(settings.options.model_dump_json())
    return loaded


def trackers_with_records() -> list[str]:
    """Return the built-in trackers and refiners that answer the same everywhere: those without an argument."""
    resolved = (TRACKERS.get(name) for name in TRACKERS.names())
    return [
        each.name for each in resolved if each.builtin and each.value.argument is None and each.same_as == each.name
    ]


def _numbers_of(name: str) -> str:
    """Return what decides a tracker's readings."""
    return json.dumps([TRACKERS.get(name).value.model, _options(resolve_settings(name))], sort_keys=True)


def main(names: list[str]) -> None:
    """Write the records of the trackers named, of all where none is, and all settings."""
    clip = make_clip()
    FOLDER.mkdir(exist_ok=True)
    everything = trackers_with_records()
    first: dict[str, str] = {}
    numbers = {name: first.setdefault(_numbers_of(name), name) for name in everything}
    same = {name: other for name, other in numbers.items() if name != other}
    SAME.write_text(json.dumps(same, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name in names or first.values():
        settings = resolve_settings(name)
        write_record(FOLDER / f"{name}.npz", take(build(settings, "cpu"), clip), clip)
        print(name, flush=True)
    datasets = [name for name in DATASETS.names() if DATASETS.get(name).builtin]
    by_tracker = {name: settings_everywhere(name, datasets) for name in everything}
    SETTINGS.write_text(json.dumps(by_tracker, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

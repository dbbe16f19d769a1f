"""The numeric self-test: each tracker with drawn weights on the bundled clip, against its record.

It finds what a user would else find in a benchmark's numbers: another library, device or setting that moves boxes. The
weights are drawn from the parameters' names, so no checkpoint is needed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from trackbench.definitions import TRACKERS
from trackbench.doctor.clip import make_clip
from trackbench.doctor.faults import Fault, Name, find_faults
from trackbench.doctor.findings import Finding, bad, good, note
from trackbench.doctor.readings import build, take
from trackbench.doctor.records import (
    clip_sha256,
    read_record,
    record_path,
    recorded_settings,
    recorded_trackers,
    settings_everywhere,
)
from trackbench.trackers.settings import resolve_settings

_MENDS: dict[Name, str] = {
    "TF32": "unset NVIDIA_TF32_OVERRIDE; torch.backends.cuda.matmul.allow_tf32 = False",
    "half precision": "run in float32: --set precision=float32, torch.set_default_dtype(torch.float32)",
    "OpenCV 5's warp": "pip install --force-reinstall trackbench, whose own warp gives the pixels of OpenCV 4",
    "settings of another data set": "remove the changed definition, or name the data set by its name",
}
_REINSTALL = "pip install --force-reinstall --no-deps trackbench"


def devices() -> list[str]:
    """Return the CPU and every GPU."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *(f"cuda:{index}" for index in range(count))]


def self_test(name: str, device: str) -> Iterator[Finding]:
    """Yield what the self-test of one tracker on one device finds.

    Raises:
        UsageError: there is no such tracker.
    """
    definition = TRACKERS.get(name)
    subject = f"{definition.name} on {device}"
    if not definition.builtin:
        yield note(subject, f"{definition.path} is a definition of your own, which has no record")
        return
    if definition.same_as not in recorded_trackers():
        yield note(subject, "has no record to compare with")
        return
    begin = time.perf_counter()
    faults = [*setting_faults(definition.same_as), *_numbers(definition.same_as, device)]
    took = f"{time.perf_counter() - begin:.1f} s"
    for fault in faults:
        yield bad(subject, f"{fault.name}: {fault.text}", _MENDS.get(fault.name, _REINSTALL))
    if not faults:
        yield good(subject, f"settings, crops, activations and boxes are those of the record ({took})")


def setting_faults(name: str) -> Iterator[Fault]:
    """Compare a tracker's options on every benchmark with the recorded ones."""
    record = recorded_settings()[name]
    settings = settings_everywhere(name, [dataset for dataset in record if dataset])
    plain, was_plain = settings[""], record[""]
    for dataset in record:
        own, theirs = plain | settings[dataset], was_plain | record[dataset]
        changed = [f"{key} is {own.get(key)}, not {theirs[key]}" for key in theirs if own.get(key) != theirs[key]]
        if changed:
            where = dataset or "no data set"
            others = [other for other in record if other and was_plain | record[other] == own]
            whose = f", as on {others[0]}" if others else ""
            yield Fault("settings of another data set", f"on {where}, {'; '.join(changed)}{whose}")
            return


def _numbers(name: str, device: str) -> list[Fault]:
    record, sha256 = read_record(record_path(name))
    clip, settings = make_clip(), resolve_settings(name)
    if clip_sha256(clip) != sha256:
        return [Fault("crop", f"the clip itself is drawn otherwise here: NumPy {np.__version__} computes wrongly")]

    built = build(settings, device)
    return find_faults(take(built, clip), record, clip, lambda other: take(built, other, brief=True))

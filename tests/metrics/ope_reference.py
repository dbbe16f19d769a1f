"""Reads the benchmarks and published results of the reference material, ``evaluation/ope/*.zip``.

Each function opens one benchmark's archives straight into arrays; nothing here knows of trackbench's own layouts.
"""

from __future__ import annotations

import configparser
import json
import re
import zipfile
from ast import literal_eval
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from trackbench.metrics.got10k import Got10kTruth
from trackbench.metrics.ope import SequenceGroundTruth
from trackbench.metrics.trackingnet import TrackingNetGroundTruth

Floats = NDArray[np.float64]
_SEPARATORS = bytes.maketrans(b",;\t", b"   ")

OTB = ["IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR"]
UAV = ["SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB"]
LASOT = ["IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC"]
TNL2K = ["CM", "ROT", "DEF", "FOC", "IV", "OV", "POC", "VC", "SV", "BC", "MB", "ARC", "LR", "FM", "AS", "TC", "MS"]
DTB = ["SV", "ARV", "OCC", "DEF", "FCM", "IPR", "OPR", "OV", "BC", "SOA", "MB"]


def numbers(text: bytes) -> Floats:
    """Parse numbers between commas, tabs, blanks or line ends."""
    return np.array(text.translate(_SEPARATORS).split(), np.float64)


def boxes(text: bytes) -> Floats:
    return numbers(text).reshape(-1, 4)


class Archive:
    """The members of a zip file whose paths match a pattern, by one of its groups."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)

    def read(self, name: str) -> bytes:
        return self._file.read(name)

    def matching(self, pattern: str) -> Iterator[tuple[re.Match[str], bytes]]:
        for name in self._file.namelist():
            if found := re.fullmatch(pattern, name):
                yield found, self._file.read(name)


@dataclass
class Benchmark:
    """Sequences, attributes and trackers of one benchmark."""

    ground_truths: list[SequenceGroundTruth]
    attributes: dict[str, list[str]]
    trackers: Callable[[str], dict[str, Floats]]
    """Tracker -> sequence name -> predictions."""

    def predictions(self, tracker: str) -> list[Floats]:
        found = self.trackers(tracker)
        return [found[ground_truth.name] for ground_truth in self.ground_truths]

    @cached_property
    def frames(self) -> int:
        return sum(len(ground_truth.boxes) for ground_truth in self.ground_truths)


def read_benchmark(folder: Path, name: str) -> Benchmark:
    return _READERS[name](folder)


def _results(folder: Path, archive: str, top: str, names: list[str]) -> Callable[[str], dict[str, Floats]]:
    """Find a tracker's files by name: exactly, or as the raw files of OTB are named (``faceOcc1``, ``human4-2``)."""
    written = {name: name for name in names} | {_otb_key(name): name for name in names if top == "OTB100"}

    def read(tracker: str) -> dict[str, Floats]:
        # LaSOT's archives are one for each tracker.
        files = Archive(folder / archive.format(tracker=tracker.replace("+", "p")))
        pattern = rf"{top}/{re.escape(tracker)}/(.+)\.txt"
        key = _otb_key if top == "OTB100" else str
        return {written[key(found[1])]: boxes(text) for found, text in files.matching(pattern)}

    return read


def _otb_key(name: str) -> str:
    return re.sub(r"[-_.]", "_", name.lower())


def _flags(columns: list[str], rows: Iterator[tuple[str, bytes]]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {column: [] for column in columns}
    for name, text in rows:
        for column, flag in zip(columns, numbers(text), strict=True):
            if flag:
                members[column].append(name)
    return members


def _names(ground_truths: list[SequenceGroundTruth]) -> list[str]:
    return [ground_truth.name for ground_truth in ground_truths]


def _named(files: Archive, pattern: str) -> Iterator[tuple[str, bytes]]:
    return ((found[1], text) for found, text in files.matching(pattern))


def _otb(folder: Path) -> Benchmark:
    files = Archive(folder / "otb_gt.zip")
    table = json.loads(files.read("sequences.json"))
    ground_truths = [SequenceGroundTruth(row["name"], boxes(files.read(f"OTB/{row['anno']}"))) for row in table]
    attributes = _flags(OTB, _named(files, r"att_official/(.+)\.txt"))
    return Benchmark(ground_truths, attributes, _results(folder, "otb100_results.zip", "OTB100", _names(ground_truths)))


def otb_subset(folder: Path, listing: str, names: tuple[str, ...]) -> list[int]:
    """Return the indices in ``names`` of the sequences on a list of the OTB toolkit."""
    lines = Archive(folder / "otb_gt.zip").read(f"lists/{listing}.txt").decode().splitlines()
    place = {_otb_key(name): index for index, name in enumerate(names)}
    return [place[_otb_key(line.split("\t")[0])] for line in lines if line.strip()]


def _uav(which: str) -> Callable[[Path], Benchmark]:
    def read(folder: Path) -> Benchmark:
        files = Archive(folder / "uav_gt.zip")
        rows = _named(files, rf"UAV123/anno/{which}/([^/]+)\.txt")
        ground_truths = [SequenceGroundTruth(name, boxes(text)) for name, text in rows]
        attributes = _flags(UAV, _named(files, rf"UAV123/anno/{which}/att/([^/]+)\.txt"))
        return Benchmark(
            ground_truths, attributes, _results(folder, f"{which.lower()}_results.zip", which, _names(ground_truths))
        )

    return read


def _dtb70(folder: Path) -> Benchmark:
    files = Archive(folder / "dtb70_gt.zip")
    rows = _named(files, r"DTB70/([^/]+)/groundtruth_rect\.txt")
    ground_truths = [SequenceGroundTruth(name, boxes(text)) for name, text in rows]
    attributes = _flags(DTB, _named(files, r".*att/([^/]+)\.txt"))
    return Benchmark(ground_truths, attributes, _results(folder, "dtb70_results.zip", "DTB70", _names(ground_truths)))


def _lasot(folder: Path) -> Benchmark:
    files = Archive(folder / "lasot_gt.zip")
    ground_truths = [
        SequenceGroundTruth(
            found[2],
            boxes(text),
            numbers(files.read(f"{found[1]}/full_occlusion.txt") + b"\n").astype(bool)
            | numbers(files.read(f"{found[1]}/out_of_view.txt")).astype(bool),
        )
        for found, text in files.matching(r"(LaSOT/[^/]+/([^/]+))/groundtruth\.txt")
    ]
    attributes = _flags(LASOT, _named(files, r"toolkit/att/([^/]+)\.txt"))
    return Benchmark(
        ground_truths, attributes, _results(folder, "lasot_results_{tracker}.zip", "LaSOT", _names(ground_truths))
    )


def _tnl2k(folder: Path) -> Benchmark:
    files = Archive(folder / "tnl2k_gt.zip")
    ground_truths = []
    for name, text in _named(files, r"TNL2K_test_subset/([^/]+)/groundtruth\.txt"):
        ground_truth = boxes(text)
        # advSamp_monitor_bikeyellow has a flag more than frames.
        absent = numbers(files.read(f"toolkit/absent/{name}.txt"))[: len(ground_truth)].astype(bool)
        ground_truths.append(SequenceGroundTruth(name, ground_truth, absent))
    attributes = _flags(TNL2K, _named(files, r"toolkit/att/(.+)_attribute\.txt"))
    return Benchmark(ground_truths, attributes, _synthetic(ground_truths))


def _tc128(folder: Path) -> Benchmark:
    files = Archive(folder / "tc128_gt.zip")
    rows = _named(files, r"Temple-color-128/[^/]+/([^/]+)_gt\.txt")
    ground_truths = [SequenceGroundTruth(name, boxes(text)) for name, text in rows]
    return Benchmark(ground_truths, {}, _synthetic(ground_truths))


def _synthetic(ground_truths: list[SequenceGroundTruth]) -> Callable[[str], dict[str, Floats]]:
    """The two trackers of the benchmarks without published results: the first box, and the box of ten frames ago."""

    def read(tracker: str) -> dict[str, Floats]:
        made = {}
        for ground_truth in ground_truths:
            frames = np.arange(len(ground_truth.boxes))
            if tracker == "static":
                rows = np.zeros_like(frames)
            else:
                known = (ground_truth.boxes[:, 2:] > 0).all(axis=1)
                rows = np.maximum.accumulate(np.where(known, frames, 0))[np.maximum(frames - 10, 0)]
            made[ground_truth.name] = _to_six_digits(ground_truth.boxes[rows])
        return made

    return read


def _to_six_digits(values: Floats) -> Floats:
    """Return the values as they are after being written with ``%g``."""
    return np.array([f"{value:g}" for value in values.ravel()], np.float64).reshape(values.shape)


_READERS: dict[str, Callable[[Path], Benchmark]] = {
    "OTB100": _otb,
    "UAV123": _uav("UAV123"),
    "UAV20L": _uav("UAV20L"),
    "DTB70": _dtb70,
    "LaSOT": _lasot,
    "TNL2K": _tnl2k,
    "TC128": _tc128,
}


def read_got10k(folder: Path) -> tuple[list[Got10kTruth], Callable[[str], tuple[list[list[Floats]], list[Floats]]]]:
    """Return the GOT-10k-like set, and a reader of a tracker's repetitions and times."""
    files = Archive(folder / "got10k_like.zip")
    ground_truths = []
    for name in files.read("data/val/list.txt").decode().split():
        meta = configparser.ConfigParser()
        meta.read_string(files.read(f"data/val/{name}/meta_info.ini").decode())
        cover = numbers(files.read(f"data/val/{name}/cover.label")).astype(np.int64)
        size = literal_eval(meta["METAINFO"]["resolution"])
        ground_truth = boxes(files.read(f"data/val/{name}/groundtruth.txt"))
        ground_truths.append(Got10kTruth(name, ground_truth, cover, size, meta["METAINFO"]["object_class"]))

    def tracker(which: str) -> tuple[list[list[Floats]], list[Floats]]:
        repetitions, times = [], []
        for ground_truth in ground_truths:
            base = rf"results/GOT-10k/{which}/{ground_truth.name}/{ground_truth.name}"
            repetitions.append([boxes(text) for _, text in files.matching(rf"{base}_\d+\.txt")])
            times.append(numbers(files.read(f"{base}_time.txt")))
        return repetitions, times

    return ground_truths, tracker


def read_trackingnet(folder: Path) -> tuple[list[TrackingNetGroundTruth], list[Floats | None]]:
    """Return the devkit's dummy ground truth and submission, None for the file that it lacks."""
    ground_truth, submission = (Archive(folder / f"trackingnet_dummy_{which}.zip") for which in ("GT", "subm"))
    found = {PurePosixPath(m[0]).stem: boxes(text) for m, text in submission.matching(r".+\.txt")}
    ground_truths = [TrackingNetGroundTruth(name, boxes(text)) for name, text in _named(ground_truth, r"(.+)\.txt")]
    return ground_truths, [found.get(t.name) for t in ground_truths]

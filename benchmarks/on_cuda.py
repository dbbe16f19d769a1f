"""What a CUDA device gains, as one table and one JSON file: ``benchmarks/on_cuda.sh`` runs this after the CUDA tests.

The rows, each a number with its ratio to another of the same run:

- one sequence: the plain eager float32 loop, CUDA graphs, ``torch.compile``, float16 and bfloat16, alone and as graphs,
  with the largest distance of any box and the change of success AUC from the eager loop
- equal numbers: boxes of batches 1, 8 and 32, and the cost of ``--exact``
- crops on the device and on the host, and whether their pixels are equal
- what decoding allows, by library and threads
- many sequences: whole runs, decoding and storing included, by batch, halves in turn, precision and execution, with
  what their time went into; against eager batch 1 and against what decoding allows
- memory: the batch that ``--batch auto`` finds

Parts that the time no longer allows are named as left out. ``--dry`` goes the same way on a CPU at a tiny size, with
stand-ins for what a CPU lacks; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.decoding import threaded
from benchmarks.trackers import drift, follow, scenes
from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.datasets.synthetic import make_scene, synthesize
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.engine.queue import Rules
from trackbench.engine.scheduler import Progress
from trackbench.frames import Decoder
from trackbench.metrics.conventions import convention
from trackbench.metrics.ope import SequenceGroundTruth, evaluate
from trackbench.nn.crops.resample import resample_squares
from trackbench.nn.crops.square import square_crop, square_windows
from trackbench.regions import region_to_box
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.registry import find_tracker

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    device: str
    trackers: tuple[str, ...] = ("sbt-base", "simtrack-b16", "sparsett", "aiatrack", "siamattn-box")
    many: str = "simtrack-b16"
    """The tracker of whole runs: ViT-B/16."""
    frames: int = 40
    batches: tuple[int, ...] = (1, 8, 32)
    sequences: int = 256
    length: int = 40
    image: tuple[int, int] = (1280, 720)
    large: int = 128
    """The batch of whole runs."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of all trackers."""


DRY = Size("cpu", ("dcfnet",), "dcfnet", 4, (1, 2), 2, 3, (96, 64), 2, {"cells": 41})


@dataclass
class Report:
    """The rows so far, and how long there is."""

    seconds: float
    started: float = field(default_factory=time.monotonic)
    rows: list[Row] = field(default_factory=list)
    faults: int = 0

    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.started)

    def add(self, part: str, what: str, **values: Any) -> None:
        self.rows.append({"part": part, "what": what, **values})
        print(_line(self.rows[-1]), flush=True)

    def run(self, part: str, share: float, measure: Callable[[], None]) -> None:
        """Measure a part if ``share`` of all seconds is left for it; a fault costs the part alone, and is a row."""
        if self.left() < share * self.seconds:
            self.add(part, "left out", reason=f"{self.left():.0f} s are left")
            return
        try:
            measure()
        except Exception as error:
            self.faults += 1
            self.add(part, "failed", reason=f"{type(error).__name__}: {error}"[:300])


def _line(row: Row) -> str:
    values = {key: value for key, value in row.items() if key not in ("part", "what")}
    shown = "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )
    return f"{row['part']:<16}{row['what']:<38}{shown}"


def build(name: str, size: Size, **options: Any) -> TrackerModel[Any]:
    model: TrackerModel[Any] = find_tracker(name, options=size.options | options, random_weights=True).build(
        size.device
    )
    return model


def auc(answers: list[list[Any]], frames: int) -> float:
    """Return the success AUC of the first sequence's boxes."""
    scene = make_scene(0, max(frames, 30))
    truth = np.stack([region_to_box(scene.ground_truth(t).box).array() for t in range(frames)])
    boxes = np.stack([truth[0], *(region_to_box(answer[0]).array() for answer in answers)])
    return float(evaluate([SequenceGroundTruth("scene", truth)], [boxes], convention("matlab")).mean().success_auc)


def one_sequence(report: Report, size: Size, name: str) -> None:
    sequences, regions = scenes(1, size.frames)
    eager: tuple[float, list[list[Any]]] | None = None
    modes: list[dict[str, str]] = [
        {},
        {"execution": "graph"},
        {"precision": "float16"},
        {"precision": "bfloat16"},
        {"precision": "bfloat16", "execution": "graph"},
        {"execution": "compile"},
    ]
    for options in modes:
        if report.left() < 0.35 * report.seconds and options.get("execution") == "compile":
            report.add("one sequence", f"{name} torch.compile", reason="left out: no time")
            continue
        model = build(name, size, **options)
        follow(model, [s[:5] for s in sequences], regions, clock=time.perf_counter)  # kernels, graphs, compilation
        seconds, answers = follow(model, sequences, regions, clock=time.perf_counter)
        each = statistics.median(seconds)
        eager = eager or (each, answers)
        report.add(
            "one sequence",
            " ".join([name, *options.values()]),
            ms=1e3 * each,
            times_eager=eager[0] / each,
            drift_px=drift(eager[1], answers),
            drift_auc=auc(answers, size.frames) - auc(eager[1], size.frames),
        )
        del model


def equal_numbers(report: Report, size: Size, name: str) -> None:
    sequences, regions = scenes(max(size.batches), min(size.frames, 12))
    alone: list[list[Any]] | None = None
    for batch in size.batches:
        model = build(name, size)
        seconds, answers = follow(model, sequences[:batch], regions[:batch], clock=time.perf_counter)
        alone = alone or answers
        each = statistics.median(seconds) / batch
        report.add("equal numbers", f"{name} batch {batch}", ms=1e3 * each, drift_px=drift(alone, answers))


def crops(report: Report, size: Size) -> None:
    count, frames = max(size.batches), scenes(max(size.batches), 2)[0]
    images = [frame[0] for frame in frames]
    boxes = np.array([[40.0 + index, 50.0, 33.0, 41.0] for index in range(count)])
    times = []
    for on_device in (False, True):
        started = time.perf_counter()
        for _ in range(5):
            if on_device:
                windows = square_windows(images, boxes, 4.0)
                made = resample_squares([window.image for window in windows], 256, size.device).cpu().numpy()
            else:
                expected = square_crop(images, boxes, 4.0, 256).images
        times.append((time.perf_counter() - started) / 5 / count)
    report.add(
        "crops",
        f"{count} of 256x256",
        host_ms=1e3 * times[0],
        device_ms=1e3 * times[1],
        times_host=times[0] / times[1],
        equal=bool(np.array_equal(made, np.asarray(expected))),
    )


def many_images(folder: Path, size: Size) -> Dataset:
    """Return sequences of JPEG files; few are drawn, the others are links to them."""
    drawn = min(4, size.sequences)
    synthesize(folder, sequences=drawn, frames=size.length, size=size.image, layout="otb")
    first = sorted(path for path in folder.iterdir() if path.is_dir())
    for index in range(drawn, size.sequences):
        shutil.copytree(first[index % drawn], folder / f"copy{index:04d}", copy_function=os.link)
    return open_dataset(str(folder))


class Spent(Progress):
    """Adds up what a run's time went into."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    def spend(self, kind: str, seconds: float) -> None:
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds

    def note(self, text: str) -> None:
        self.notes.append(text)

    def shares(self) -> str:
        whole = sum(self.seconds.values()) or 1.0
        return " ".join(f"{kind} {100 * seconds / whole:.0f}%" for kind, seconds in self.seconds.items())


def whole_run(dataset: Dataset, name: str, runs: Path, size: Size, rules: Rules, **options: Any) -> tuple[float, Spent]:
    """Return frames a second of a run, and what its time went into."""
    spent = Spent()
    shutil.rmtree(runs, ignore_errors=True)
    plan = make_plan(find_tracker(name, options=size.options | options, random_weights=True), dataset, runs)
    started = time.perf_counter()
    execute([plan], device=size.device, rules=rules, progress=spent)
    return sum(len(sequence) for sequence in dataset.sequences) / (time.perf_counter() - started), spent


def many_sequences(report: Report, size: Size, folder: Path) -> None:
    dataset = many_images(folder / "data", size)
    paths = [path for sequence in dataset.sequences[:16] for path in sequence.frames]
    cores = os.cpu_count() or 1
    names: tuple[Decoder, ...] = ("opencv", "simplejpeg")
    decoders = {decoder: threaded(paths, cores, decoder) for decoder in names}
    for decoder, rate in decoders.items():
        report.add("decoding", f"{decoder}, {cores} threads, {size.image[0]}x{size.image[1]}", frames_per_second=rate)
    few = Dataset(**{**vars(dataset), "sequences": dataset.sequences[:2]})
    base, _ = whole_run(few, size.many, folder / "runs", size, Rules(1, cores))
    report.add("many sequences", f"{size.many} eager batch 1", frames_per_second=base, times_eager=1.0)
    large, fast = size.large, {"precision": "bfloat16", "execution": "graph"}
    ways: list[tuple[str, Rules, dict[str, Any]]] = [
        (f"batch {large}, no turns", Rules(large, cores, turns=1), {}),
        (f"batch {large}, halves in turn", Rules(large, cores, turns=2), {}),
        (f"batch {large}, bfloat16", Rules(large, cores, turns=2), {"precision": "bfloat16"}),
        (f"batch {large}, bfloat16, graph", Rules(large, cores, turns=2), fast),
        (f"batch {large}, bfloat16, graph, OpenCV decodes", Rules(large, cores, decoder="opencv", turns=2), fast),
        ("batch 8, --exact", Rules(min(8, large), cores, exact=True), {}),
        ("batch auto, bfloat16", Rules(None, cores), {"precision": "bfloat16"}),
    ]
    for what, rules, options in ways:
        if report.left() < 0.08 * report.seconds:
            report.add("many sequences", what, reason="left out: no time")
            continue
        data = few if rules.exact else dataset
        rate, spent = whole_run(data, size.many, folder / "runs", size, rules, **options)
        allowed = decoders[rules.decoder]
        found: dict[str, Any] = {"notes": "; ".join(spent.notes)} if spent.notes else {}
        report.add(
            "many sequences",
            f"{size.many} {what}",
            frames_per_second=rate,
            times_eager=rate / base,
            of_decoding=rate / allowed,
            shares=spent.shares(),
            **found,
        )


def stand_ins() -> Iterator[Any]:
    """Yield patches for what a CPU lacks: graphs that call again, half precision, a compiler."""

    def record(call: Callable[[], list[Any]], device: str) -> tuple[Callable[[], None], list[Any]]:
        outputs = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in call()]

        def replay() -> None:
            for old, new in zip(outputs, call(), strict=True):
                if isinstance(old, torch.Tensor):
                    old.copy_(new)

        return replay, outputs

    yield mock.patch("trackbench.nn.graphs.record", record)
    yield mock.patch("trackbench.trackers.networks.can_record", return_value=True)
    yield mock.patch("trackbench.trackers.networks.cannot_compute", return_value=None)
    yield mock.patch("torch.compile", lambda function, **options: function)


def write(report: Report, out: Path, size: Size, dry: bool) -> None:
    card = "none: a dry run, whose numbers mean nothing" if dry else torch.cuda.get_device_name(size.device)
    document = {"schema": 1, "card": card, "torch": torch.__version__, "cores": os.cpu_count(), "rows": report.rows}
    (out / "on_cuda.json").write_text(json.dumps(document, indent=1) + "\n")
    lines = [f"Card: {card}; PyTorch {torch.__version__}; {os.cpu_count()} cores.", "", "```"]
    (out / "on_cuda.md").write_text("\n".join([*lines, *map(_line, report.rows), "```", ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("cuda_results"))
    parser.add_argument("--seconds", type=float, default=270.0, help="what is left when they are over is left out")
    parser.add_argument("--dry", action="store_true", help="the same path on a CPU at a tiny size")
    arguments = parser.parse_args()
    if not arguments.dry and not torch.cuda.is_available():
        parser.error("there is no CUDA device; --dry goes the same path on a CPU")
    size = DRY if arguments.dry else Size("cuda:0")
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = Report(arguments.seconds)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        for patch in stand_ins() if arguments.dry else ():
            stack.enter_context(patch)
        try:
            report.run("crops", 0.0, lambda: crops(report, size))
            report.run("many sequences", 0.3, lambda: many_sequences(report, size, Path(folder)))
            for name in size.trackers:
                report.run("one sequence", 0.1, lambda name=name: one_sequence(report, size, name))  # type: ignore[misc]
            for name in size.trackers:
                report.run("equal numbers", 0.05, lambda name=name: equal_numbers(report, size, name))  # type: ignore[misc]
        finally:
            write(report, arguments.out, size, arguments.dry)
    raise SystemExit(1 if report.faults else 0)


if __name__ == "__main__":
    main()

"""What a tracker costs: parameters, operations, memory, and three kinds of speed.

*Network*: the time within the network alone. *Tracker*: a whole step on a decoded frame, with crops and the way back to
the frame. *Evaluation*: what a run takes from files to stored answers, decoding beside tracking as it does. Of each the
frames of the warm-up are left out.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.datasets.sequence import Dataset, GroundTruth, VideoSequence
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.engine.scheduler import Progress
from trackbench.errors import UsageError
from trackbench.frames import Frame, read_frame
from trackbench.protocols.region_policy import BOXES
from trackbench.results.manifest import session, versions
from trackbench.trackers.base import Target, TrackerModel
from trackbench.trackers.classes import load_class
from trackbench.trackers.devices import resolve_device
from trackbench.trackers.registry import Component, TrackerSpec


@dataclass
class Clock:
    """Sums up the time within a network; calls within calls count once."""

    synchronize: Callable[[], None]
    seconds: float = 0.0
    _depth: int = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose calls are timed."""

        def call(*arguments: Any, **options: Any) -> Any:
            if self._depth:
                return function(*arguments, **options)
            self._depth += 1
            self.synchronize()
            start = time.perf_counter()
            try:
                result = function(*arguments, **options)
                self.synchronize()
                return result
            finally:
                self.seconds += time.perf_counter() - start
                self._depth -= 1

        return call


class TimedNetwork:
    """A network whose methods, and whose parts' methods, are timed.

    Args:
        network: the network.
        clock: is told how long they take.
    """

    def __init__(self, network: Any, clock: Clock) -> None:
        self._network, self._clock = network, clock

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the network."""
        return self._clock.timed(self._network)(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        from torch import nn

        value = getattr(self._network, name)
        if isinstance(value, nn.Module):
            return TimedNetwork(value, self._clock)
        return self._clock.timed(value) if callable(value) else value


@dataclass
class _Stamps(Progress):
    """When each answer of an evaluation came."""

    times: list[float] = field(default_factory=list)

    def advance(self, frames: int) -> None:
        """Take the time."""
        super().advance(frames)
        self.times.append(time.perf_counter())


def profile(
    spec: TrackerSpec,
    dataset: Dataset,
    *,
    device: str = "auto",
    threads: int = 2,
    frames: int = 100,
    warm_up: int = 10,
) -> dict[str, Any]:
    """Measure a tracker on the first sequence of a data set.

    Args:
        spec: the tracker; random weights will do.
        dataset: whose first sequence it tracks.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: threads that decode images in an evaluation.
        frames: how many frames are measured; a shorter sequence is run through again.
        warm_up: how many frames come first and are not measured.

    Returns:
        What ``profile --json`` prints: operations are floating-point, two a multiply-add; None where there is no
        network. Speeds are ``fps`` and the median and 95th percentile of a frame's milliseconds.

    Raises:
        UsageError: the sequence has no second frame.
        DataError: an image or the annotation cannot be read.
    """
    device = resolve_device(device)
    sequence = dataset.sequences[0]
    images = [read_frame(path) for path in sequence.frames[: frames + warm_up + 1]]
    if len(images) < 2:
        raise UsageError(f"{sequence.name}: has {len(images)} frames; expected two or more")
    operations = count_operations(spec, images, sequence)
    model = spec.build(device)
    target = Target(BOXES.target(sequence.initial_region(), model.takes))
    speeds, memory = _track(model, images, target, frames, warm_up)
    speeds["evaluation"] = _evaluate(spec, dataset, device, threads, frames, warm_up)
    machine = session(command=sys.argv, device=device, batch=1, threads=threads)
    options = spec.options.model_dump()
    height, width = images[0].shape[:2]
    return {
        "tracker": _unmarked(spec.label),
        "title": _unmarked(spec.title),
        "identity": _without_weights(spec.identity()),
        "device": device,
        "device_name": machine["device_name"],
        "precision": str(options.get("precision", "float32")),
        "versions": versions(),
        "sequence": {"dataset": dataset.name, "name": sequence.name, "width": width, "height": height},
        "frames": frames,
        "warm_up": warm_up,
        "parameters": count_parameters(spec),
        "search_size": _search_size(options),
        "template_flops": operations[0] if operations else None,
        "frame_flops": operations[1] if operations else None,
        "memory": memory,
        "speeds": speeds,
    }


def count_parameters(spec: TrackerSpec) -> int | None:
    """Return the number of parameters of the networks as they are trained, nothing folded; None without a network."""
    import torch

    from trackbench.trackers.networks import Networked

    counts = []
    for part in spec.parts:
        model = load_class(part.definition)
        if part.weights is not None and issubclass(model, Networked):
            with torch.device("meta"):
                network = model.build_network(part.options)
            counts.append(sum(parameter.numel() for parameter in network.parameters()))
    return sum(counts) if counts else None


def count_operations(spec: TrackerSpec, images: Sequence[Frame], sequence: VideoSequence) -> tuple[int, int] | None:
    """Return the floating-point operations of a start and of one step, by torch's counter; None without a network.

    Counted are matrix products and convolutions, two operations a multiply-add, on the network as it is defined:
    inference folds and packs some layers, which the counter does not see, and changes nothing that has to be computed.
    """
    if all(part.weights is None for part in spec.parts):
        return None
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model = _plain_model(spec)
    target = Target(BOXES.target(sequence.initial_region(), model.takes))
    counts = []
    states: list[Any] = []
    # The counter knows attention by its two products, not by every device's own kernel.
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as counter:
            states.extend(model.start([images[0]], [target]))
        counts.append(counter.get_total_flops())
        model.step([images[1]], states)  # what is computed once for a target is not a frame's
        with FlopCounterMode(display=False) as counter:
            model.step([images[-1]], states)
        counts.append(counter.get_total_flops())
    return counts[0], counts[1]


def _plain_model(spec: TrackerSpec) -> TrackerModel[Any]:
    """Return the model on the CPU with its network as defined, neither folded nor packed, and random weights."""
    models = [_plain_part(part) for part in spec.parts]
    if spec.refiner is None:
        model: TrackerModel[Any] = models[0]
        return model
    from trackbench.trackers.refined import RefinedModel

    return RefinedModel(*models)


def _plain_part(part: Component) -> Any:
    loaded: Any = load_class(part.definition)
    if part.weights is None:
        return loaded(part.options, "cpu")
    plain = type(loaded.__name__, (loaded,), {"prepare": lambda self, network: network})
    return plain(part.options.model_copy(update={"precision": "float32"}), "cpu")


def _track(
    model: TrackerModel[Any], images: Sequence[Frame], target: Target, frames: int, warm_up: int
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Return the speeds of network and tracker, and the memory, over decoded frames."""
    clock = Clock(model.synchronize)
    # An option may be called so, too.
    timed = [part for part in (model, *vars(model).values()) if callable(getattr(part, "network", None))]
    for part in timed:
        part.network = TimedNetwork(part.network, clock)
    gpu = model.device.startswith("cuda")
    if gpu:
        import torch

        torch.cuda.reset_peak_memory_stats(model.device)
    states = model.start([images[0]], [target])
    steps, networks = [], []
    for index in range(frames + warm_up):
        # Forth and back, so that no frame follows one that is far from it.
        place = index % (2 * (len(images) - 1))
        image = images[place + 1] if place < len(images) - 1 else images[2 * (len(images) - 1) - place - 1]
        clock.seconds = 0.0
        model.synchronize()
        start = time.perf_counter()
        model.step([image], states)
        model.synchronize()
        steps.append(time.perf_counter() - start)
        networks.append(clock.seconds)
    speeds = {"tracker": speed_of(steps[warm_up:])}
    if timed:
        speeds["network"] = speed_of(networks[warm_up:])
    if gpu:
        return speeds, {
            "kind": "allocated on the GPU",
            "peak_bytes": int(torch.cuda.max_memory_allocated(model.device)),
        }
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    return speeds, {"kind": "of the process", "peak_bytes": peak}


def _evaluate(
    spec: TrackerSpec, dataset: Dataset, device: str, threads: int, frames: int, warm_up: int
) -> dict[str, float]:
    """Return the speed of a run by one-pass evaluation over the sequence's first frames."""
    sequence = dataset.sequences[0]
    count = min(frames + warm_up + 1, len(sequence.frames))
    paths, truth = sequence.frames[:count], sequence.ground_truth
    part = GroundTruth(truth.boxes[:count], truth.regions and truth.regions[:count])
    short = replace(sequence, read_frames=lambda: paths, read_ground_truth=lambda: part, read_channels={}, sources=())
    stamps = _Stamps()
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(
            spec, replace(dataset, sequences=(short,), of=1), Path(folder), protocol="one-pass", repetitions=1
        )
        execute([plan], device=device, threads=threads, progress=stamps)
        if plan.failed:
            raise UsageError(f"{sequence.name}: {next(iter(plan.failed.values()))}")
    left = min(warm_up, max(len(stamps.times) - 3, 0))
    return speed_of(np.diff(stamps.times[left:]).tolist())


def speed_of(seconds: Sequence[float]) -> dict[str, float]:
    """Return frames per second, and the median and 95th percentile of a frame's milliseconds.

    Example:
        >>> speed_of([0.01, 0.01, 0.04])
        {'fps': 50.0, 'p50_ms': 10.0, 'p95_ms': 37.0}
    """
    total = sum(seconds)
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return {
        "fps": round(len(seconds) / total, 3) if total else 0.0,
        "p50_ms": round(float(p50), 4),
        "p95_ms": round(float(p95), 4),
    }


def _search_size(options: dict[str, Any]) -> int | None:
    """Return the side of the search region in pixels, where an option says it."""
    size = options.get("search_size", options.get("instance_size"))
    if size is None and isinstance(options.get("network"), dict):
        size = options["network"].get("search_size")
    return size if isinstance(size, int) else None


def _unmarked(name: str) -> str:
    """Return a name without the mark of random weights, which change no cost."""
    return name.replace("@random-weights", "").replace(",random-weights", "").rstrip()


def _without_weights(identity: dict[str, Any]) -> dict[str, Any]:
    """Return an identity without its weights, of which no measurement here depends."""
    kept = {key: value for key, value in identity.items() if key not in ("weights_sha256", "random_weights")}
    if isinstance(kept.get("refiner"), dict):
        kept["refiner"] = _without_weights(kept["refiner"])
    return kept

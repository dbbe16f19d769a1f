"""How fast the trackers' networks are: ``python benchmarks/trackers.py [TRACKER ...]``.

On a CPU: one thread, float32, random weights, a synthetic sequence. The yardstick is the median time of
``F.conv2d(x[1, 256, 64, 64], w[256, 256, 3, 3], padding=1)``, timed between the frames of the same process; what is
printed is the time of one ``track`` in yardsticks, beside the official code's ratio and the arithmetic limit: the
multiply-accumulates that a frame cannot do without, in yardsticks of 2.416 GMAC. The time is that of the process, so
that other work on the machine hardly counts.

With ``--device cuda`` the times are in milliseconds, for batch 1 as in a run, compiled by torch.compile, in float16 and
bfloat16, and for batches of 8 and 32; with each mode the largest distance of its boxes from those of float32, batch 1.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from trackbench.datasets.synthetic import make_scene
from trackbench.regions import Region, region_to_box
from trackbench.trackers.base import Frame, Target, TrackerModel
from trackbench.trackers.matching import trackers_with_weights
from trackbench.trackers.networks import NetworkModel
from trackbench.trackers.registry import find_tracker

YARDSTICK_GMAC = 64 * 64 * 256 * 256 * 9 / 1e9


@dataclass(frozen=True)
class Anchor:
    """The official code's ratio, measured as above, and the arithmetic of a frame."""

    ratio: float
    gmac: float
    """Without what depends on the template alone and what no output needs."""


ANCHORS = {
    "aiatrack": Anchor(11.8, 14.6),
    "aiatrack-no-aia": Anchor(9.3, 10.4),
    "simtrack-b16": Anchor(15.4, 23.6),
    "simtrack-b16star": Anchor(9.6, 15.9),
    "simtrack-b32": Anchor(8.0, 10.8),
    "simtrack-l14": Anchor(53.9, 94.0),
    "sbt-light": Anchor(5.8, 3.1),
    "sbt-small": Anchor(15.9, 11.5),
    "sbt-base": Anchor(22.3, 19.2),
    "sbt-large": Anchor(35.7, 31.3),
    "sparsett": Anchor(13.9, 13.05),
    "siamattn": Anchor(36.7, 56.3),
    "siamattn-box": Anchor(34.2, 54.3),
}


class Yardstick:
    """Times the convolution by which machines are compared."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.x, self.w = torch.randn(1, 256, 64, 64), torch.randn(256, 256, 3, 3)
        self.seconds: list[float] = []

    @torch.inference_mode()
    def measure(self) -> None:
        started = time.process_time()
        F.conv2d(self.x, self.w, padding=1)
        self.seconds.append(time.process_time() - started)


def scenes(count: int, frames: int) -> tuple[list[list[Frame]], list[Region]]:
    """Return ``count`` sequences of frames and the target's first region in each."""
    drawn = [make_scene(index, max(frames, 30)) for index in range(count)]
    return [[scene.image(t) for t in range(frames)] for scene in drawn], [scene.ground_truth(0).box for scene in drawn]


def follow(
    model: TrackerModel[Any],
    sequences: list[list[Frame]],
    regions: list[Region],
    between: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.process_time,
) -> tuple[list[float], list[list[Region]]]:
    """Return the seconds of every call of ``step`` and the answers, over sequences side by side."""
    states = model.start([frames[0] for frames in sequences], [Target(box) for box in regions])
    seconds, answers = [], []
    for frames in zip(*[frames[1:] for frames in sequences], strict=True):
        model.synchronize()
        started = clock()
        predictions = model.step(list(frames), states)
        model.synchronize()
        seconds.append(clock() - started)
        answers.append([prediction.region for prediction in predictions])
        if between:
            between()
    return seconds, answers


def on_cpu(names: list[str], frames: int) -> None:
    torch.set_num_threads(1)
    print(f"{'tracker':<22}{'ms':>9}{'yardsticks':>12}{'official':>10}{'of official':>13}{'limit':>8}{'of limit':>10}")
    for name in names:
        model = find_tracker(name, random_weights=True).build("cpu")
        yardstick = Yardstick()
        sequences, regions = scenes(1, frames)
        yardstick.measure()  # the first call also makes the kernel
        yardstick.seconds.clear()
        seconds, _ = follow(model, sequences, regions, yardstick.measure)
        track, unit = statistics.median(seconds[2:]), statistics.median(yardstick.seconds)
        row = f"{name:<22}{1e3 * track:>9.1f}{track / unit:>12.2f}"
        anchor = ANCHORS.get(name)
        if anchor:
            limit = anchor.gmac / YARDSTICK_GMAC
            row += f"{anchor.ratio:>10.1f}{track / unit / anchor.ratio:>13.2f}"
            row += f"{limit:>8.1f}{track / unit / limit:>10.2f}"
        print(row, flush=True)
        del model
        gc.collect()


def on_cuda(names: list[str], frames: int, device: str) -> None:
    print(f"{'tracker':<22}{'mode':<20}{'ms a frame':>12}{'of eager':>10}{'box drift, px':>15}")
    for name in names:
        sequences, regions = scenes(32, frames)
        eager: tuple[float, list[list[Region]]] | None = None
        for mode, batch, precision, compiled in (
            ("eager", 1, "float32", False),
            ("torch.compile", 1, "float32", True),
            ("float16", 1, "float16", False),
            ("bfloat16", 1, "bfloat16", False),
            ("batch 8", 8, "float32", False),
            ("batch 32", 32, "float32", False),
        ):
            spec = find_tracker(name, options={"precision": precision}, random_weights=True)
            model = spec.build(device)
            if compiled:
                compile_parts(model)
            follow(model, [s[:4] for s in sequences[:batch]], regions[:batch], clock=time.perf_counter)
            seconds, answers = follow(model, sequences[:batch], regions[:batch], clock=time.perf_counter)
            each = statistics.median(seconds) / batch
            if eager is None:
                eager = each, answers
            moved = drift(eager[1], answers)
            print(f"{name:<22}{mode:<20}{1e3 * each:>12.2f}{each / eager[0]:>10.2f}{moved:>15.3f}", flush=True)
            del model
            torch.cuda.empty_cache()


def compile_parts(model: TrackerModel[Any]) -> None:
    """Compile each part of a tracker's network; trackers call the parts rather than the network as a whole."""
    assert isinstance(model, NetworkModel)
    for part in model.network.children():
        part.compile()


def drift(first: list[list[Region]], second: list[list[Region]]) -> float:
    """Return the largest distance in pixels between the boxes of the first sequence in two runs."""
    pairs = [(region_to_box(a[0]), region_to_box(b[0])) for a, b in zip(first, second, strict=True)]
    return max(max(abs(p - q) for p, q in zip(a.numbers(), b.numbers(), strict=True)) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="*", help="default: all with a network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=14)
    arguments = parser.parse_args()
    names = arguments.trackers or [name for name in trackers_with_weights() if name != "alpharefine"]
    if arguments.device == "cpu":
        on_cpu(names, arguments.frames)
    else:
        on_cuda(names, arguments.frames, arguments.device)


if __name__ == "__main__":
    main()

"""What the deformable operators cost: ``python benchmarks/deformable.py``.

Prints ratios within one run, at SiamAttn's shapes: the time of a deformable convolution, without the convolution that
predicts its offsets, over a plain convolution of the same shape; the time of deformable RoI pooling over RoIAlign; and
the memory that each takes at its peak beside inputs and outputs. On a CPU one thread and the time of the process count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from trackbench.nn.layers.deformable import deformable_conv2d, deformable_roi_pool
from trackbench.nn.layers.roi_align import roi_align

Operator = Callable[[], Tensor]


def operators(batch: int, device: str) -> dict[str, Operator]:
    """Return the operators on inputs as the network gives them: channels last, offsets of a few cells."""
    torch.manual_seed(0)

    def features(side: int) -> Tensor:
        return torch.randn(batch, 256, side, side, device=device).to(memory_format=torch.channels_last)

    level, fine, coarse = features(31), features(63), features(25)
    offsets = 2 * torch.randn(batch, 18, 31, 31, device=device)
    weight = torch.randn(256, 256, 3, 3, device=device).to(memory_format=torch.channels_last)
    rois = torch.tensor([[item, 80.2, 90.7, 170.1, 150.4] for item in range(batch)], device=device)
    moves = {size: torch.randn(batch, 2, size, size, device=device) for size in (4, 16)}
    return {
        "convolution": lambda: F.conv2d(level, weight, padding=1),
        "deformable convolution": lambda: deformable_conv2d(level, offsets, weight),
        "RoIAlign 4x4": lambda: roi_align(coarse, rois, 4, 25 / 255),
        "deformable pooling 4x4": lambda: deformable_roi_pool(coarse, rois, 4, 25 / 255, moves[4]),
        "RoIAlign 16x16": lambda: roi_align(fine, rois, 16, 63 / 255),
        "deformable pooling 16x16": lambda: deformable_roi_pool(fine, rois, 16, 63 / 255, moves[16]),
    }


PAIRS = (
    ("deformable convolution", "convolution"),
    ("deformable pooling 4x4", "RoIAlign 4x4"),
    ("deformable pooling 16x16", "RoIAlign 16x16"),
)


def seconds(run: Operator, device: str) -> float:
    if device == "cpu":
        started = time.process_time()
        run()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def peak_bytes(run: Operator, device: str) -> int:
    """Return the memory that torch has allocated at the peak of one call, less what the call returns."""
    run()
    if device == "cpu":
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            out = run()
        memory = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
        memory.sort(key=lambda event: event.start_ns())
        return max(accumulate(event.nbytes() for event in memory), default=0) - out.nbytes
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    out = run()
    return torch.cuda.max_memory_allocated() - before - out.nbytes


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=8, help="of the second measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for batch in (1, arguments.batch):
        runs = operators(batch, arguments.device)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.rounds + 1):  # interleaved, so that a disturbance meets all alike
            for name, run in runs.items():
                times[name].append(seconds(run, arguments.device))
        middle = {name: 1000 * statistics.median(values[1:]) for name, values in times.items()}
        for ours, plain in PAIRS:
            print(f"batch {batch}: {ours} {middle[ours]:.2f} ms, {middle[ours] / middle[plain]:.2f} of {plain}")
    for pair in PAIRS:
        for name in pair:
            peak = peak_bytes(runs[name], arguments.device)
            print(f"batch {arguments.batch}: {name}: {peak / 2**20:.0f} MiB at its peak")


if __name__ == "__main__":
    main()

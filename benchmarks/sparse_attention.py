"""What SparseTT's sparse attention costs: ``python benchmarks/sparse_attention.py``.

Prints the time of attention to the K strongest of 361 keys over that of plain attention to all of them, at SparseTT's
shape (8 heads of 32 channels), without gradients as in tracking, and with gradients as in training; and the same for a
whole frame of the tracker. On a CPU one thread and the time of the process count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from trackbench.datasets.synthetic import make_scene
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Target
from trackbench.trackers.registry import load_model
from trackbench.trackers.zoo.sparsett.attention import sparse_attention

TOKENS = 361


def seconds(runs: list[Callable[[], Any]], times: int) -> list[float]:
    """Return the median of each, taken in turn so that all meet the same machine."""
    found: list[list[float]] = [[] for _ in runs]
    for turn in range(times + 2):
        for run, kept in zip(runs, found, strict=True):
            started = time.process_time()
            run()
            if turn >= 2:  # the first ones make kernels and fill caches
                kept.append(time.process_time() - started)
    return [statistics.median(kept) for kept in found]


def trained(attention: Callable[[torch.Tensor], torch.Tensor], q: torch.Tensor) -> None:
    asked = q.detach().requires_grad_()
    torch.autograd.grad(attention(asked).sum(), asked)


def following(top_k: int, first: Frame, box: Box, frame: Frame) -> Callable[[], Any]:
    """Return a call that tracks a target into ``frame``."""
    model = load_model("sparsett", device="cpu", options={"top_k": top_k}, random_weights=True)
    states = model.start([first], [Target(box)])
    return lambda: model.step([frame], states)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    times = parser.parse_args().times
    torch.set_num_threads(1)
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 8, TOKENS, 32) for _ in range(3))
    for top_k in (16, 32, 64, 128):

        def sparse(x: torch.Tensor, top_k: int = top_k) -> torch.Tensor:
            return sparse_attention(x, k, v, top_k)

        def plain(x: torch.Tensor) -> torch.Tensor:
            return F.scaled_dot_product_attention(x, k, v)

        with torch.inference_mode():
            tracking, whole = seconds([lambda: sparse(q), lambda: plain(q)], times)
        training, wholly = seconds([lambda: trained(sparse, q), lambda: trained(plain, q)], times)
        print(f"K = {top_k:<4} tracking {1e3 * tracking:6.2f} ms, {tracking / whole:.1f} times plain attention", end="")
        print(f"; training {1e3 * training:6.2f} ms, {training / wholly:.1f} times")
    scene = make_scene(0, 30)
    frame = scene.image(1)
    steps = [following(top_k, scene.image(0), scene.ground_truth(0).box, frame) for top_k in (32, TOKENS)]
    strongest, everything = seconds(steps, max(times // 4, 3))
    print(f"a frame with K = 32: {1e3 * strongest:.0f} ms, {strongest / everything:.3f} times one with all keys")


if __name__ == "__main__":
    main()

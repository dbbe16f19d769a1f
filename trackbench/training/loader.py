"""Batches of samples, made ahead of need by worker processes; the same ones whatever the number of workers."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from trackbench.training.tasks.base import SampleSet, TrainingTask


class Steps(Sampler[list[int]]):
    """The numbers of the samples of each step.

    Args:
        first: step to begin with.
        last: step to end before.
        batch: samples of a step, all processes together.
        rank: of this process.
        world: number of processes.
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, world: int = 1) -> None:
        self.first, self.last, self.batch, self.rank, self.world = first, last, batch, rank, world

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch // self.world
        for step in range(self.first, self.last):
            start = step * self.batch + self.rank * share
            yield list(range(start, start + share))


def make_loader(
    task: TrainingTask, seed: int, steps: Steps, workers: int, pin: bool = False
) -> Iterable[dict[str, Tensor]]:
    """Return the batches of the steps: dictionaries of stacked arrays.

    Args:
        task: makes samples.
        seed: of the recipe.
        steps: which samples.
        workers: processes that make them; 0 makes them here.
        pin: whether batches lie in page-locked memory, for a GPU.
    """
    return DataLoader(
        SampleSet(task, seed),
        batch_sampler=steps,
        num_workers=workers,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
    )


def _start_worker(_: int) -> None:
    """Leave the processor's other cores to the other workers and the network, and signals to the training."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal or a scheduler sends them to all processes
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)

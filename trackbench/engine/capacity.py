"""How many targets of a tracker are under way at once: as asked, or as many as fit into memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import psutil

from trackbench.engine.calls import ActiveJob, BatchedCall, Job, start_job
from trackbench.errors import DataError
from trackbench.frames import read_frame
from trackbench.protocols.base import Init, Track
from trackbench.trackers.base import TrackerModel, UnbatchedModel

#: Most targets at once that are tried on a GPU; the host keeps a frame or two of each.
MOST_ON_GPU = 256
#: Most on a CPU, which computes hardly faster in larger calls.
MOST_ON_CPU = 8
#: Share of the memory that is free at the beginning which the tries may take; the rest is for what trackers remember.
SHARE = 0.9


class Capacity:
    """How many targets of each model are under way at once.

    Args:
        batch: of every model whose own number is not known.
    """

    def __init__(self, batch: int = 1) -> None:
        self._batch = max(1, batch)
        self._sizes: dict[int, int] = {}

    @property
    def least(self) -> int:
        """Return the number of the model that takes the fewest."""
        return min(self._sizes.values(), default=self._batch)

    def size(self, model: TrackerModel[Any]) -> int:
        """Return how many targets of a model are under way at once."""
        return self._sizes.get(id(model), self._batch)

    def set(self, model: TrackerModel[Any], size: int) -> None:
        """Set the number of one model."""
        self._sizes[id(model)] = size

    def share(self, model: int, turns: int) -> int:
        """Return how many targets of a model, named by its ``id``, share a call where calls are made in turns."""
        return -(-self._sizes.get(model, self._batch) // turns)

    def halve(self, model: TrackerModel[Any], count: int, turns: int = 1) -> str:
        """Let calls be half as large as one that memory did not hold, and free what is kept for later use.

        Args:
            model: the tracker.
            count: targets of the call.
            turns: in how many turns calls are made.

        Returns:
            A line that says so.
        """
        before = self.size(model)
        self.set(model, min(before, max(1, count // 2 * turns)))
        if before == self.size(model):  # a call was smaller than all that are under way
            self.set(model, max(1, before // 2))
        free_memory(model.device)
        return (
            f"{model.device} ran out of memory with {count} targets in a call; from here on {self.size(model)} are "
            f"under way at once instead of {before} (--batch)"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or this machine, has no memory left."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")  # nobody can raise its errors before it is imported
    if torch is None or not isinstance(error, RuntimeError):
        return False
    said = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in said)


def free_memory(device: str) -> None:
    """Give back what torch keeps of a GPU's memory for later use."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


def largest(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to ``most`` that fits, 0 where none does.

    Numbers are doubled until one does not fit; then the gap is halved.

    Example:
        >>> largest(lambda n: n <= 21, 64)
        21
    """
    good, bad, size = 0, most + 1, 1
    while good < most and good + 1 < bad:
        if fits(size):
            good, size = size, min(2 * size, most, bad - 1) if bad > most else (size + bad) // 2
        else:
            bad, size = size, (good + size) // 2
    return good


def largest_batch(model: TrackerModel[Any], jobs: list[Job]) -> int:
    """Return how many targets of a model fit into memory, by trying: a start and two steps on a job's first frame.

    On a CPU, where running out of memory may end the process, a number is tried only if what the ones before it took
    says that it fits.

    Args:
        model: the tracker; external ones, of which each target is an object of its own, take one.
        jobs: what it will run; not more targets than these are tried.

    Returns:
        The number, at least 1: whether one target fits, the run itself will tell.
    """
    item = next(filter(None, map(_startable, jobs)), None)
    if item is None or isinstance(model, UnbatchedModel):
        return 1
    on_gpu = model.device.startswith("cuda")
    most = min(len(jobs), MOST_ON_GPU if on_gpu else MOST_ON_CPU)
    trial = _Trial(item, on_gpu)
    if not on_gpu:
        return max(1, largest(trial.fits, most))
    import torch

    free, whole = torch.cuda.mem_get_info(model.device)
    torch.cuda.set_per_process_memory_fraction(
        min(1.0, (torch.cuda.memory_reserved(model.device) + SHARE * free) / whole), model.device
    )
    try:
        return max(1, largest(trial.fits, most))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, model.device)
        free_memory(model.device)


class _Trial:
    """Tries numbers of targets."""

    def __init__(self, item: ActiveJob, on_gpu: bool) -> None:
        self._item, self._on_gpu = item, on_gpu
        self._frame = read_frame(item.path)
        self._peaks: dict[int, int] = {}
        self._room = peak_memory() + int(SHARE * psutil.virtual_memory().available)

    def fits(self, count: int) -> bool:
        if not self._on_gpu and self._expected(count) > self._room:
            return False
        job, start = self._item.job, self._item.request
        items = [ActiveJob(job, self._item.script, start) for _ in range(count)]
        frames = [self._frame] * count
        try:
            BatchedCall(items, frames).end()
            for _ in range(2):
                for item in items:
                    item.request = Track(start.index)
                BatchedCall(items, frames).end()
        except Exception:  # where it is not want of memory, the run itself will say it of each sequence
            free_memory(job.model.device)
            return False
        self._peaks[count] = peak_memory()
        return True

    def _expected(self, count: int) -> float:
        """Return the bytes of the process at its height with so many targets, as those before suggest."""
        if len(self._peaks) < 2:
            return 0.0
        (a, low), (b, high) = sorted(self._peaks.items())[-2:]
        return high + (high - low) / (b - a) * (count - b)


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _startable(job: Job) -> ActiveJob | None:
    """Return a job with its first request, if its first frame can be read."""
    started = start_job(job)
    if not isinstance(started, ActiveJob) or not isinstance(started.request, Init):
        return None
    try:
        read_frame(started.path)
    except DataError:
        return None
    return started

"""Drives many protocol generators in lock-step.

Each live generator has one open request. A round collects them all, decodes every frame that they name once, puts the
requests of one tracker into one batch, and sends the answers back. Frames that the generators will probably ask for
next are decoded meanwhile. Runs over one sequence that start on different frames can wait for each other, so that they
look at the same frame in the same round.

With two turns the jobs are in two halves. While the device computes for one half, the host reads the answers of the
other, waits for its frames, cuts its crops and hands them to the device.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

from trackbench.engine.calls import ActiveJob, BatchedCall, Job, Outcome, advance_job, failure, start_job
from trackbench.engine.capacity import Capacity, is_out_of_memory
from trackbench.errors import LostStateError
from trackbench.frames import Decoder, Frame, FrameSource
from trackbench.protocols.base import Answer, Init

__all__ = ["KINDS", "Job", "Listed", "Outcome", "Progress", "Work", "run"]

#: What a worker's time goes into: waiting for images, cutting crops, the rest of the tracker's calls, storing.
KINDS = ("decode", "crop", "network", "write")


@dataclass(eq=False)
class _Group:
    """Jobs over one sequence, of which some may still wait for their round."""

    waiting: deque[Job]
    live: list[ActiveJob] = field(default_factory=list)
    round: int = 0

    def jobs(self) -> list[Job]:
        return [*(item.job for item in self.live), *self.waiting]

    def due(self) -> Job | None:
        """Return the job whose turn it is."""
        if self.waiting and not self.live:
            self.round = max(self.round, self.waiting[0].delay)
        return self.waiting[0] if self.waiting and self.waiting[0].delay <= self.round else None


@dataclass(eq=False)
class _Part:
    """The groups that have their rounds together, and their open calls."""

    groups: list[_Group] = field(default_factory=list)
    calls: list[BatchedCall] = field(default_factory=list)

    def live(self) -> list[ActiveJob]:
        return [item for group in self.groups for item in group.live]

    def next_round(self) -> None:
        for group in self.groups:
            group.round += 1
        self.groups = [group for group in self.groups if group.live or group.waiting]

    def remove(self, item: ActiveJob) -> None:
        for group in self.groups:
            if item in group.live:
                group.live.remove(item)


@dataclass
class Progress:
    """What the engine reports while it works; subclass and override."""

    frames: int = 0
    started: float = field(default_factory=time.perf_counter)

    def begin(self, job: Job) -> None:
        """A sequence starts."""

    def advance(self, frames: int) -> None:
        """So many answers more have come."""
        self.frames += frames

    def end(self, outcome: Outcome) -> None:
        """A sequence has ended."""

    def spend(self, kind: str, seconds: float) -> None:
        """Note time that went into one of `KINDS`."""

    def note(self, text: str) -> None:
        """Take a line of what the user has to know."""


class Work(Protocol):
    """Where jobs come from."""

    def take(self, live: int) -> list[Job] | None:
        """Return the next group of jobs over one sequence, or None where none may start now.

        Args:
            live: how many jobs are under way.
        """

    def wait(self) -> bool:
        """Wait until there are jobs again; called when nothing is under way. False ends the run."""


class Listed:
    """Work that is known from the beginning.

    Args:
        jobs: groups of jobs over the same sequence.
    """

    def __init__(self, jobs: list[list[Job]]) -> None:
        self._jobs = deque(jobs)

    def take(self, live: int) -> list[Job] | None:
        """Return the next group."""
        return self._jobs.popleft() if self._jobs else None

    def wait(self) -> bool:
        """There is no more work when all is done."""
        return False


def run(
    work: Work | list[list[Job]],
    batch: int | Capacity = 1,
    threads: int = 2,
    progress: Progress | None = None,
    *,
    exact: bool = False,
    turns: int = 1,
    decoder: Decoder = "simplejpeg",
) -> Iterator[Outcome]:
    """Run jobs and yield their outcomes as they end.

    Args:
        work: gives groups of jobs over the same sequence, or is a list of them; a group runs together, and a frame that
            several of its jobs look at in one round is decoded once.
        batch: how many jobs of a model are under way at once; their requests share one call.
        threads: threads that decode images.
        progress: is told how it goes.
        exact: each request is a call of its own, so that no number depends on what else is under way.
        turns: 2: in two halves, of which the device computes one while the host prepares the other.
        decoder: the library that decodes JPEG files.

    An exception in a tracker or a broken image ends its own job only. When a call with several targets fails, each of
    them is run again alone, so that only the one at fault is lost; when it fails for want of memory, they are run again
    in calls of half as many, and so is everything after them.
    """
    progress = progress or Progress()
    capacity = batch if isinstance(batch, Capacity) else Capacity(batch)
    if isinstance(work, list):
        work = Listed(work)
    with FrameSource(threads, decoder) as source:
        engine = _Engine(source, progress, exact)
        while True:
            for outcome in engine.run(work, capacity, turns):
                progress.end(outcome)
                yield outcome
            if engine.alone:
                alone = Listed([[job] for job in engine.alone])
                engine.alone.clear()
                for outcome in engine.run(alone, Capacity(1), 1):
                    progress.end(outcome)
                    yield outcome
            elif not work.wait():
                return


@dataclass
class _Engine:
    source: FrameSource
    progress: Progress
    exact: bool
    alone: list[Job] = field(default_factory=list)
    """Jobs to be run again, each alone."""
    smaller: deque[Job] = field(default_factory=deque)
    """Jobs to be run again in smaller calls."""

    def run(self, work: Work, capacity: Capacity, turns: int) -> Iterator[Outcome]:
        """Run until nothing is under way and there is no more work now."""
        parts = [_Part() for _ in range(turns)]
        while True:
            for part in parts:
                answered = sum(len(call.items) for call in part.calls)
                yield from self._end(part, capacity, turns)
                if answered:
                    self.progress.advance(answered)
                part.next_round()
                # A single place is that of the first part.
                if part is parts[0] or capacity.least > 1:
                    self._open(part, parts, work, capacity)
                yield from self._fill(part, capacity, turns)
                yield from self._begin(part, parts)
            if not any(part.groups for part in parts):
                return

    def _open(self, part: _Part, parts: list[_Part], work: Work, capacity: Capacity) -> None:
        """Take new groups as long as each model has fewer jobs in those of the part than fit into a call.

        Jobs that wait for their round count, so that there is room for them when it comes.
        """
        while True:
            jobs = Counter(id(job.model) for group in part.groups for job in group.jobs())
            if any(count >= capacity.share(model, len(parts)) for model, count in jobs.items()):
                return
            under_way = sum(len(group.jobs()) for each in parts for group in each.groups)
            taken = [self.smaller.popleft()] if self.smaller else work.take(under_way)
            if taken is None:
                return
            part.groups.append(_Group(deque(sorted(taken, key=lambda job: job.delay))))

    def _fill(self, part: _Part, capacity: Capacity, turns: int) -> Iterator[Outcome]:
        """Start jobs in the free places; yields those that cannot start."""
        places = Counter(id(item.job.model) for item in part.live())
        for group in part.groups:
            while (job := group.due()) is not None and places[id(job.model)] < capacity.share(id(job.model), turns):
                group.waiting.popleft()
                self.progress.begin(job)
                started = start_job(job)
                if isinstance(started, Outcome):
                    yield started
                else:
                    group.live.append(started)
                    places[id(job.model)] += 1

    def _begin(self, part: _Part, parts: list[_Part]) -> Iterator[Outcome]:
        """Get the frames of a part's requests and make calls of them; yields the jobs without a frame."""
        live = part.live()
        ahead = [item.ahead() for each in parts for item in each.live()]
        soon = (path for paths in zip_longest(*ahead) for path in paths if path)
        self.source.plan((item.path for item in live), soon)
        calls: dict[tuple[int, type, int, int], list[tuple[ActiveJob, Frame]]] = {}
        before = time.perf_counter()
        for item in live:
            try:
                frame = self.source.get(item.path)
            except Exception as error:  # an image may make its decoder fail in any way
                part.remove(item)
                yield failure(item.job, error)
                continue
            # Trackers that draw at random are seeded before they start, so jobs with different seeds start apart.
            seed = item.job.seed if isinstance(item.request, Init) else 0
            apart = id(item) if self.exact else 0
            calls.setdefault((id(item.job.model), type(item.request), seed, apart), []).append((item, frame))
        self.progress.spend("decode", time.perf_counter() - before)
        turns = len(parts)
        part.calls = [BatchedCall([i for i, _ in pairs], [f for _, f in pairs], turns) for pairs in calls.values()]
        if turns > 1:  # else each call begins when the one before it has ended, so that its time is its own
            for call in part.calls:
                call.prepare()

    def _end(self, part: _Part, capacity: Capacity, turns: int) -> Iterator[Outcome]:
        """Answer a part's open requests; yields the jobs that end with that."""
        calls, part.calls = part.calls, []
        for call in calls:
            answers: list[Answer] = []
            lost: Outcome | None = None
            again = len(self.smaller)
            try:
                answers = call.end()
            except Exception as error:
                lost = self._lose(part, call, capacity, error)
            self.progress.spend("crop", call.crop_seconds)
            self.progress.spend("network", call.seconds - call.crop_seconds)
            if len(self.smaller) > again:  # what the error held on to is free by now
                self.progress.note(capacity.halve(call.model, len(call.items), turns))
            if lost is not None:
                yield lost
            for item, answer in zip(call.items if answers else [], answers, strict=True):
                item.batch = max(item.batch, len(call.items))
                outcome = advance_job(item, answer)
                if outcome is not None:
                    part.remove(item)
                    yield outcome

    def _lose(self, part: _Part, call: BatchedCall, capacity: Capacity, error: Exception) -> Outcome | None:
        """Note the jobs of a call that has failed for another try; returns the outcome of one that gets none."""
        for item in call.items:
            part.remove(item)
        jobs = [item.job for item in call.items]
        if is_out_of_memory(error) and capacity.size(call.model) > 1:
            self.smaller.extend(jobs)
        elif len(jobs) > 1 or isinstance(error, LostStateError):
            self.alone.extend(jobs)
        else:
            return failure(jobs[0], error)
        return None

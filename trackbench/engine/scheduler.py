"""Drives many protocol generators in lock-step.

Each live generator has one open request. A round collects them all, decodes every frame that they name once, puts the
requests of one tracker into one batch, and sends the answers back. Frames that the generators will probably ask for
next are decoded meanwhile. Runs over one sequence that start on different frames can wait for each other, so that they
look at the same frame in the same round.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import LostStateError, TrackbenchError
from trackbench.frames import Frame, FrameSource
from trackbench.protocols.base import Answer, EpisodeGenerator, Init, Request, Track, Trajectory
from trackbench.protocols.region_policy import BOXES, RegionPolicy
from trackbench.regions import Region
from trackbench.trackers.base import Channel, Target, TrackerModel, Video

#: How many frames ahead of each generator are decoded at most.
AHEAD = 4


@dataclass(eq=False)
class Job:
    """One run of one tracker over one sequence."""

    key: Hashable
    """Handed back with the outcome."""
    sequence: VideoSequence
    model: TrackerModel[Any]
    script: Callable[[VideoSequence], EpisodeGenerator]
    seed: int = 0
    region_policy: RegionPolicy = BOXES
    delay: int = 0
    """Rounds after the beginning of its group that it starts."""
    step: int = 1
    """1: it goes on to the last frame of the sequence; -1: back to the first."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a trajectory, or with the reason why there is none."""

    job: Job
    trajectory: Trajectory | None
    reason: str | None = None
    trace: str | None = None
    """The traceback where the reason is an error in the tracker."""


@dataclass(eq=False)
class _ActiveJob:
    """A job under way."""

    job: Job
    script: EpisodeGenerator
    request: Request
    state: Any = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """Further images of the target that is followed."""
    step: int = 1
    """By how much the frame index changed last: the direction in which frames are decoded ahead."""

    @property
    def path(self) -> Path:
        return self.job.sequence.frames[self.request.index]

    def start_target(self, region: Region) -> Target:
        """Return what the tracker starts on, with the sentence and the channels of the sequence."""
        sequence, model = self.job.sequence, self.job.model
        self.channels = {name: Channel(paths) for name, paths in sequence.channels.items()}
        video = Video(sequence.name, sequence.frames[self.request.index :: self.job.step])
        return Target(self.job.region_policy.target(region, model.takes), sequence.sentence, self.channels, video)

    def ahead(self) -> list[Path]:
        frames = self.job.sequence.frames
        indices = (self.request.index + n * self.step for n in range(1, AHEAD + 1))
        return [frames[index] for index in indices if 0 <= index < len(frames)]


@dataclass(eq=False)
class _Group:
    """Jobs over one sequence, of which some may still wait for their round."""

    waiting: deque[Job]
    live: list[_ActiveJob] = field(default_factory=list)
    round: int = 0

    def due(self) -> Job | None:
        """Return the job whose turn it is."""
        if self.waiting and not self.live:
            self.round = max(self.round, self.waiting[0].delay)
        return self.waiting[0] if self.waiting and self.waiting[0].delay <= self.round else None


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


def run(jobs: list[list[Job]], batch: int = 1, threads: int = 2, progress: Progress | None = None) -> Iterator[Outcome]:
    """Run jobs and yield their outcomes as they end.

    Args:
        jobs: groups of jobs over the same sequence; a group runs together, and a frame that several of its jobs look at
            in one round is decoded once.
        batch: how many jobs of a model are under way at once; their requests share one call.
        threads: threads that decode images.
        progress: is told how it goes.

    An exception in a tracker or a broken image ends its own job only. When a call with several targets fails, each of
    them is run again alone, so that only the one at fault is lost.
    """
    progress = progress or Progress()
    again: list[list[Job]] = []
    with FrameSource(threads) as source:
        yield from _run(jobs, max(1, batch), source, progress, again)
        while again:
            groups, again = again, []
            yield from _run(groups, 1, source, progress, again)


def _run(
    jobs: list[list[Job]], batch: int, source: FrameSource, progress: Progress, again: list[list[Job]]
) -> Iterator[Outcome]:
    waiting = deque(_Group(deque(sorted(group, key=lambda job: job.delay))) for group in jobs)
    groups: list[_Group] = []
    places: Counter[int] = Counter()  # model -> jobs under way
    while waiting or groups:
        for group in _open(groups, waiting, batch):
            while (job := group.due()) is not None and places[id(job.model)] < batch:
                group.waiting.popleft()
                progress.begin(job)
                started = _start(job)
                if isinstance(started, Outcome):
                    progress.end(started)
                    yield started
                else:
                    group.live.append(started)
                    places[id(job.model)] += 1
        live = [item for group in groups for item in group.live]
        ended: set[int] = set()
        for item, outcome in _step_all(live, source, again):
            ended.add(id(item))
            places[id(item.job.model)] -= 1
            if outcome is not None:
                progress.end(outcome)
                yield outcome
        progress.advance(len(live))
        for group in groups:
            group.live = [item for item in group.live if id(item) not in ended]
            group.round += 1
        groups = [group for group in groups if group.live or group.waiting]


def _open(groups: list[_Group], waiting: deque[_Group], batch: int) -> Iterator[_Group]:
    """Yield the groups under way, then new ones as long as some model has fewer jobs in them than fit into a batch.

    Jobs that wait for their round count, so that there is room for them when it comes.
    """
    yield from groups
    while waiting:
        jobs = Counter(id(item.job.model) for group in groups for item in group.live)
        jobs += Counter(id(job.model) for group in groups for job in group.waiting)
        if max(jobs.values(), default=0) >= batch:
            return
        groups.append(waiting.popleft())
        yield groups[-1]


def _start(job: Job) -> _ActiveJob | Outcome:
    try:
        _ = job.sequence.frames
        script = job.script(job.sequence)
        return _ActiveJob(job, script, next(script))
    except TrackbenchError as error:
        return Outcome(job, None, str(error))


def _step_all(
    live: list[_ActiveJob], source: FrameSource, again: list[list[Job]]
) -> Iterator[tuple[_ActiveJob, Outcome | None]]:
    """Answer every open request; yields the jobs that ended, with None for those that will run again alone."""
    ahead = [item.ahead() for item in live]
    source.plan((item.path for item in live), (path for paths in zip_longest(*ahead) for path in paths if path))
    calls: dict[tuple[int, type, int], list[tuple[_ActiveJob, Frame]]] = {}
    for item in live:
        try:
            frame = source.get(item.path)
        except TrackbenchError as error:
            yield item, Outcome(item.job, None, str(error))
            continue
        # Trackers that draw at random are seeded before they start, so jobs with different seeds start apart.
        seed = item.job.seed if isinstance(item.request, Init) else 0
        calls.setdefault((id(item.job.model), type(item.request), seed), []).append((item, frame))
    for call in calls.values():
        try:
            answers = _call(call)
        except Exception as error:
            if len(call) > 1 or isinstance(error, LostStateError):
                again.extend([item.job] for item, _ in call)
                yield from ((item, None) for item, _ in call)
            else:
                yield call[0][0], _failure(call[0][0].job, error)
            continue
        for (item, _), answer in zip(call, answers, strict=True):
            outcome = _advance(item, answer)
            if outcome is not None:
                yield item, outcome


def _call(call: list[tuple[_ActiveJob, Frame]]) -> list[Answer]:
    """Make one call to the model for all its open requests of one kind; a share of its time goes to each."""
    items, frames = [item for item, _ in call], [frame for _, frame in call]
    model = items[0].job.model
    targets = [item.start_target(item.request.region) for item in items if isinstance(item.request, Init)]
    for item in items:
        for channel in item.channels.values():
            channel.index = item.request.index
    if targets:
        model.seed(items[0].job.seed)
    model.synchronize()
    before = time.perf_counter()
    if targets:
        states = model.start(frames, targets)
        model.synchronize()
        seconds = (time.perf_counter() - before) / len(items)
        for item, state in zip(items, states, strict=True):
            item.state = state
        return [Answer(None, seconds, _size(frame)) for frame in frames]
    predictions = model.step(frames, [item.state for item in items])
    model.synchronize()
    seconds = (time.perf_counter() - before) / len(items)
    return [
        Answer(item.job.region_policy.answer(prediction, _size(frame)), seconds, _size(frame))
        for item, frame, prediction in zip(items, frames, predictions, strict=True)
    ]


def _size(frame: Frame) -> tuple[int, int]:
    return frame.shape[1], frame.shape[0]


def _advance(item: _ActiveJob, answer: Answer) -> Outcome | None:
    """Send an answer to its protocol; returns the outcome when that was the last one."""
    try:
        following = item.script.send(answer)
    except StopIteration as end:
        return Outcome(item.job, end.value)
    except TrackbenchError as error:
        return Outcome(item.job, None, str(error))
    jump = following.index - item.request.index or item.step
    # A restart leaves out some frames once, a tracker that is too slow for its video does so all the time.
    item.step = jump if isinstance(following, Track) else (1 if jump > 0 else -1)
    item.request = following
    return None


def _failure(job: Job, error: Exception) -> Outcome:
    if isinstance(error, TrackbenchError):
        return Outcome(job, None, str(error), getattr(error, "trace", None))
    reason = f"{type(error).__name__}: {error}".strip().replace("\n", " ")
    return Outcome(job, None, reason, "".join(traceback.format_exception(error)))

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
from typing import Any, Protocol

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import LostStateError, TrackbenchError, TrackerError
from trackbench.frames import Frame, FrameSource
from trackbench.protocols.base import Answer, EpisodeGenerator, Init, Request, Track, Trajectory
from trackbench.protocols.region_policy import BOXES, RegionPolicy
from trackbench.quoting import printable
from trackbench.regions import Region
from trackbench.trackers.base import Channel, Prediction, Target, TrackerModel, Video

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
    batch: int = 1
    """How many targets shared a call at most."""
    is_tracker_error: bool = False
    """Whether the tracker refused, or is at fault."""


@dataclass(eq=False)
class _ActiveJob:
    """A job under way."""

    job: Job
    script: EpisodeGenerator
    request: Request
    state: Any = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """Further images of the target that is followed."""
    batch: int = 1
    """How many targets have shared a call with it at most."""
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

    def spend(self, kind: str, seconds: float) -> None:
        """Time went into ``decode`` (waiting for images), ``tracker`` (its calls) or ``write`` (storing)."""


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
    batch: int = 1,
    threads: int = 2,
    progress: Progress | None = None,
    *,
    exact: bool = False,
) -> Iterator[Outcome]:
    """Run jobs and yield their outcomes as they end.

    Args:
        work: gives groups of jobs over the same sequence, or is a list of them; a group runs together, and a frame that
            several of its jobs look at in one round is decoded once.
        batch: how many jobs of a model are under way at once; their requests share one call.
        threads: threads that decode images.
        progress: is told how it goes.
        exact: each request is a call of its own, so that no number depends on what else is under way.

    An exception in a tracker or a broken image ends its own job only. When a call with several targets fails, each of
    them is run again alone, so that only the one at fault is lost.
    """
    progress = progress or Progress()
    again: list[list[Job]] = []
    if isinstance(work, list):
        work = Listed(work)
    with FrameSource(threads) as source:
        engine = _Engine(source, progress, again, exact)
        while True:
            yield from engine.run(work, max(1, batch))
            if again:
                alone = Listed(list(again))
                again.clear()
                yield from engine.run(alone, 1)
            elif not work.wait():
                return


@dataclass
class _Engine:
    source: FrameSource
    progress: Progress
    again: list[list[Job]]
    """Groups to be run again alone."""
    exact: bool

    def run(self, work: Work, batch: int) -> Iterator[Outcome]:
        """Run until nothing is under way and there is no more work now."""
        progress = self.progress
        groups: list[_Group] = []
        places: Counter[int] = Counter()  # model -> jobs under way
        while True:
            for group in _open(groups, work, batch):
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
            if not groups:
                return
            live = [item for group in groups for item in group.live]
            ended: set[int] = set()
            for item, outcome in self._step_all(live):
                ended.add(id(item))
                places[id(item.job.model)] -= 1
                if outcome is not None:
                    progress.end(outcome)
                    yield outcome
            if live:
                progress.advance(len(live))
            for group in groups:
                group.live = [item for item in group.live if id(item) not in ended]
                group.round += 1
            groups = [group for group in groups if group.live or group.waiting]

    def _step_all(self, live: list[_ActiveJob]) -> Iterator[tuple[_ActiveJob, Outcome | None]]:
        """Answer every open request; yields the jobs that ended, with None for those that will run again alone."""
        ahead = [item.ahead() for item in live]
        self.source.plan(
            (item.path for item in live), (path for paths in zip_longest(*ahead) for path in paths if path)
        )
        calls: dict[tuple[int, type, int, int], list[tuple[_ActiveJob, Frame]]] = {}
        before = time.perf_counter()
        for item in live:
            try:
                frame = self.source.get(item.path)
            except Exception as error:  # an image may make its decoder fail in any way
                yield item, _failure(item.job, error)
                continue
            # Trackers that draw at random are seeded before they start, so jobs with different seeds start apart.
            seed = item.job.seed if isinstance(item.request, Init) else 0
            apart = id(item) if self.exact else 0
            calls.setdefault((id(item.job.model), type(item.request), seed, apart), []).append((item, frame))
        self.progress.spend("decode", time.perf_counter() - before)
        for call in calls.values():
            before = time.perf_counter()
            try:
                answers = _call(call)
            except Exception as error:
                if len(call) > 1 or isinstance(error, LostStateError):
                    self.again.extend([item.job] for item, _ in call)
                    yield from ((item, None) for item, _ in call)
                else:
                    yield call[0][0], _failure(call[0][0].job, error)
                continue
            finally:
                self.progress.spend("tracker", time.perf_counter() - before)
            for (item, _), answer in zip(call, answers, strict=True):
                item.batch = max(item.batch, len(call))
                outcome = _advance(item, answer)
                if outcome is not None:
                    yield item, outcome


def _open(groups: list[_Group], work: Work, batch: int) -> Iterator[_Group]:
    """Yield the groups under way, then new ones as long as some model has fewer jobs in them than fit into a batch.

    Jobs that wait for their round count, so that there is room for them when it comes.
    """
    yield from groups
    while True:
        jobs = Counter(id(item.job.model) for group in groups for item in group.live)
        jobs += Counter(id(job.model) for group in groups for job in group.waiting)
        if max(jobs.values(), default=0) >= batch:
            return
        taken = work.take(jobs.total())
        if taken is None:
            return
        groups.append(_Group(deque(sorted(taken, key=lambda job: job.delay))))
        yield groups[-1]


def _start(job: Job) -> _ActiveJob | Outcome:
    try:
        _ = job.sequence.frames
        script = job.script(job.sequence)
        return _ActiveJob(job, script, next(script))
    except Exception as error:  # whatever is wrong with its files is the sequence's fault alone
        return _failure(job, error)


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
        states = _checked(model, "start", model.start(frames, targets), len(items), object)
        model.synchronize()
        seconds = (time.perf_counter() - before) / len(items)
        for item, state in zip(items, states, strict=True):
            item.state = state
        return [Answer(None, seconds, _size(frame)) for frame in frames]
    found = model.step(frames, [item.state for item in items])
    predictions: list[Prediction] = _checked(model, "step", found, len(items), Prediction)
    model.synchronize()
    seconds = (time.perf_counter() - before) / len(items)
    return [
        Answer(item.job.region_policy.answer(prediction, _size(frame)), seconds, _size(frame))
        for item, frame, prediction in zip(items, frames, predictions, strict=True)
    ]


def _checked(model: TrackerModel[Any], method: str, found: Any, count: int, kind: type) -> list[Any]:
    """Return what a tracker gave back, or raise TrackerError where it is not a list of as many as it was asked for."""
    expected = f"expected a list of {count} {'state' if kind is object else kind.__name__}{'s' if count > 1 else ''}"
    where = f"{type(model).__name__}.{method}() returned"
    if not isinstance(found, list | tuple):
        raise TrackerError(f"{where} {_described(found)}; {expected}")
    if len(found) != count:
        raise TrackerError(f"{where} {len(found)} for {count} targets; {expected}")
    for each in found:
        if not isinstance(each, kind):
            raise TrackerError(f"{where} a list with {_described(each)}; {expected}")
        if isinstance(each, Prediction) and not isinstance(each.region, Region):
            found_region = _described(each.region)
            raise TrackerError(f"{where} a Prediction whose region is {found_region}; expected a Box, Polygon or Mask")
    return list(found)


def _described(value: Any) -> str:
    if value is None:
        return "None"
    text = repr(value).replace("\n", " ")
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:39] + '…'}"


def _size(frame: Frame) -> tuple[int, int]:
    return frame.shape[1], frame.shape[0]


def _advance(item: _ActiveJob, answer: Answer) -> Outcome | None:
    """Send an answer to its protocol; returns the outcome when that was the last one."""
    try:
        following = item.script.send(answer)
    except StopIteration as end:
        return Outcome(item.job, end.value, batch=item.batch)
    except TrackbenchError as error:
        return Outcome(item.job, None, str(error))
    jump = following.index - item.request.index or item.step
    # A restart leaves out some frames once, a tracker that is too slow for its video does so all the time.
    item.step = jump if isinstance(following, Track) else (1 if jump > 0 else -1)
    item.request = following
    return None


def _failure(job: Job, error: Exception) -> Outcome:
    if isinstance(error, TrackbenchError):
        trace: str | None = getattr(error, "trace", None)
        return Outcome(job, None, str(error), trace, is_tracker_error=isinstance(error, TrackerError))
    reason = printable(f"{type(error).__name__}: {error}".strip().replace("\n", " "))
    return Outcome(job, None, reason, "".join(traceback.format_exception(error)))

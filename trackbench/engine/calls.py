"""Jobs, and the calls of a tracker for the open requests of several of them."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import TrackbenchError, TrackerError
from trackbench.frames import Frame
from trackbench.metrics.answers import fault_of
from trackbench.protocols.base import Answer, EpisodeGenerator, Init, Request, Track, Trajectory
from trackbench.protocols.region_policy import BOXES, RegionPolicy
from trackbench.quoting import printable
from trackbench.regions import Region
from trackbench.trackers.base import Channel, Prediction, Target, TrackerModel, Video

R = TypeVar("R")

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
class ActiveJob:
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
    """Last change of the frame index: the direction in which frames are decoded ahead."""

    @property
    def path(self) -> Path:
        """Return the image that the open request is about."""
        return self.job.sequence.frames[self.request.index]

    def start_target(self, region: Region) -> Target:
        """Return what the tracker starts on, with all that the sequence says of it."""
        sequence, model = self.job.sequence, self.job.model
        self.channels = {name: Channel(paths) for name, paths in sequence.channels.items()}
        video = Video(sequence.name, sequence.frames[self.request.index :: self.job.step])
        target = self.job.region_policy.target(region, model.takes)
        return Target(target, sequence.sentence, self.channels, video, sequence.category)

    def ahead(self) -> list[Path]:
        """Return the images of the requests that will probably follow."""
        frames = self.job.sequence.frames
        indices = (self.request.index + n * self.step for n in range(1, AHEAD + 1))
        return [frames[index] for index in indices if 0 <= index < len(frames)]


@dataclass(eq=False)
class BatchedCall:
    """Open requests of one kind to one tracker, answered together.

    Args:
        items: the jobs.
        frames: the frame of each.
        turns: how many calls are on the device in turn; with more than one, none of them waits for the device but to
            read its own answers.
    """

    items: list[ActiveJob]
    frames: list[Frame]
    turns: int = 1
    seconds: float = 0.0
    """Time of the host so far."""
    crop_seconds: float = 0.0
    """Those of them that went into cutting crops."""
    _began: float = 0.0
    _finish: Callable[[], list[Answer]] | None = None
    _error: Exception | None = None

    @property
    def model(self) -> TrackerModel[Any]:
        """Return the tracker."""
        return self.items[0].job.model

    def prepare(self) -> None:
        """Do what the host has to do before the device computes; an error is raised by :meth:`end`."""
        try:
            self._finish = self._timed(self._begin)
        except Exception as error:
            self._error = error

    def end(self) -> list[Answer]:
        """Return the answers; a share of the call's time goes to each."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        finish, self._finish = self._finish or self._timed(self._begin), None
        return self._timed(finish)

    def _begin(self) -> Callable[[], list[Answer]]:
        items, frames, model = self.items, self.frames, self.model
        targets = [item.start_target(item.request.region) for item in items if isinstance(item.request, Init)]
        for item in items:
            for channel in item.channels.values():
                channel.index = item.request.index
        if targets:
            model.seed(items[0].job.seed)
        if self.turns == 1:
            model.synchronize()
        self._began = time.perf_counter()
        if targets:
            states = _checked(model, "start", model.start(frames, targets), len(items), object)
            for item, state in zip(items, states, strict=True):
                item.state = state
            return self._started
        finish = model.launch(frames, [item.state for item in items])
        return lambda: self._stepped(finish())

    def _started(self) -> list[Answer]:
        seconds = self._each()
        return [Answer(None, seconds, _size(frame)) for frame in self.frames]

    def _stepped(self, returned: Any) -> list[Answer]:
        predictions: list[Prediction] = _checked(self.model, "step", returned, len(self.items), Prediction)
        seconds = self._each()
        answers = []
        for item, frame, prediction in zip(self.items, self.frames, predictions, strict=True):
            size = _size(frame)
            answer = item.job.region_policy.answer(prediction, size)
            answers.append(Answer(answer, seconds, size, fault_of(prediction.region, size)))
        return answers

    def _each(self) -> float:
        """Return each target's share of the time since the beginning; calls in turn share that time."""
        if self.turns == 1:
            self.model.synchronize()
        return (time.perf_counter() - self._began) / len(self.items) / self.turns

    def _timed(self, work: Callable[[], R]) -> R:
        before, crops = time.perf_counter(), self.model.crop_seconds
        try:
            return work()
        except SystemExit as error:  # a tracker's code may have been a program
            raise _ended(type(self.model).__name__, error) from error
        finally:
            self.seconds += time.perf_counter() - before
            self.crop_seconds += self.model.crop_seconds - crops


def _ended(tracker: str, error: SystemExit) -> TrackerError:
    ended = TrackerError(f"{tracker} calls sys.exit({error.code!r}); expected an answer, or an error that says why not")
    ended.trace = "".join(traceback.format_exception(error))
    return ended


def start_job(job: Job) -> ActiveJob | Outcome:
    """Return a job with its first request, or the reason why it has none."""
    try:
        _ = job.sequence.frames
        script = job.script(job.sequence)
        return ActiveJob(job, script, next(script))
    except Exception as error:  # whatever is wrong with its files is the sequence's fault alone
        return failure(job, error)


def advance_job(item: ActiveJob, answer: Answer) -> Outcome | None:
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


def failure(job: Job, error: Exception) -> Outcome:
    """Return the outcome of a job that an error has ended."""
    if isinstance(error, TrackbenchError):
        trace: str | None = getattr(error, "trace", None)
        return Outcome(job, None, str(error), trace, is_tracker_error=isinstance(error, TrackerError))
    reason = printable(f"{type(error).__name__}: {error}".strip().replace("\n", " "))
    return Outcome(job, None, reason, "".join(traceback.format_exception(error)))


def _checked(model: TrackerModel[Any], method: str, answers: Any, count: int, kind: type) -> list[Any]:
    """Return what a tracker gave back, or raise TrackerError where it is not a list of as many as it was asked for."""
    expected = f"expected a list of {count} {'state' if kind is object else kind.__name__}{'s' if count > 1 else ''}"
    where = f"{type(model).__name__}.{method}() returned"
    if not isinstance(answers, list | tuple):
        raise TrackerError(f"{where} {_described(answers)}; {expected}")
    if len(answers) != count:
        targets = f"{count} target{'s' * (count != 1)}"
        raise TrackerError(f"{where} {len(answers)} for {targets}: {_described(answers)}; {expected}")
    for each in answers:
        if not isinstance(each, kind):
            raise TrackerError(f"{where} a list with {_described(each)}; {expected}")
        if isinstance(each, Prediction) and not isinstance(each.region, Region):
            found_region = _described(each.region)
            raise TrackerError(f"{where} a Prediction whose region is {found_region}; expected a Box, Polygon or Mask")
    return list(answers)


def _described(value: Any) -> str:
    if value is None:
        return "None"
    text = repr(value).replace("\n", " ")
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:39] + '…'}"


def _size(frame: Frame) -> tuple[int, int]:
    return frame.shape[1], frame.shape[0]

"""Which training belongs to which tracker."""

from __future__ import annotations

from trackbench.errors import UsageError
from trackbench.trackers.networks import Networked
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack
from trackbench.trackers.zoo.sbt.tracker import SBT
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnTracker
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker
from trackbench.trackers.zoo.sparsett.tracker import SparseTT
from trackbench.training.tasks.base import TrainingTask
from trackbench.training.tasks.siamattn import SiamAttnTask
from trackbench.training.tasks.sparsett import SparseTTTask
from trackbench.training.tasks.stark import AiATrackTask, SBTTask, SimTrackTask

TASKS: tuple[tuple[type[Networked], type[TrainingTask]], ...] = (
    (SimTrackTracker, SimTrackTask),
    (SBT, SBTTask),
    (AiATrack, AiATrackTask),
    (SparseTT, SparseTTTask),
    (SiamAttnTracker, SiamAttnTask),
)


def task_class(model: type[object], tracker: str) -> type[TrainingTask]:
    """Return the training of a tracker's class.

    Raises:
        UsageError: there is none.
    """
    for kind, task in TASKS:
        if issubclass(model, kind):
            return task
    raise UsageError(f"tracker '{tracker}' cannot be trained: there is a training of {_names()}")


def _names() -> str:
    return ", ".join(kind.__name__ for kind, _ in TASKS)

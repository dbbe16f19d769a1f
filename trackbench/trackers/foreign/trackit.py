"""``trackit:METHOD:CONFIG``: repositories of the trackit line (LoRAT, LoRATv2, SPMTrack, DTPTrack), in batches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, computed_field

from trackbench.regions import Box, Mask, Region
from trackbench.trackers.base import Options
from trackbench.trackers.foreign.model import CheckpointOptions, ForeignModel, Repository, named
from trackbench.trackers.foreign.repository import fingerprint
from trackbench.trackers.foreign.video_models import Precision


class TrackitOptions(CheckpointOptions):
    """Which configuration of which repository, and how its evaluator runs."""

    tracker: Annotated[str, named(r"[\w.-]+:[\w./-]+", "METHOD:CONFIG, such as LoRAT:B-224")]
    """``METHOD:CONFIG``: folders of the repository's ``config``."""
    repo: Annotated[Repository, Field(exclude=True)]
    """The repository's folder."""
    mixin: tuple[str, ...] = ()
    """Names of mixins, as ``--mixin_config`` of the repository's ``main.py`` takes them."""
    constants: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Constants over those of the repository's ``consts.yaml``, or of its template where there is none."""
    task: str = "eval"
    """The task of the configuration whose transform and evaluator run."""
    precision: Precision | None = None
    """Precision of the network; default: as the configuration says, which is mixed with float16 in LoRAT's."""
    max_batch: Annotated[int, Field(ge=1, exclude=True)] = 32
    """Targets that the evaluator has room for at once."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def repository(self) -> Mapping[str, str]:
        """Which code it is."""
        return fingerprint(self.repo)


class TrackitModel(ForeignModel):
    """A tracker of such a repository; one network for all targets."""

    Options: ClassVar[type[Options]] = TrackitOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Mask)
    door = "trackit"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"trackit:{self.options.tracker}"

    def payload(self) -> dict[str, Any]:
        """Return what the door gets of the options."""
        method, _, config = self.options.tracker.partition(":")
        return super().payload() | {"method": method, "config": config}

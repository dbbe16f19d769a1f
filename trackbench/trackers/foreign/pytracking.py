"""``pytracking:NAME[:CONFIG]``: repositories of the pytracking line (STARK, OSTrack, ODTrack, ARTrack, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, computed_field

from trackbench.trackers.base import Options
from trackbench.trackers.foreign.model import ForeignModel, Repository, SensorOptions, UserFolder, named
from trackbench.trackers.foreign.repository import fingerprint


class PytrackingOptions(SensorOptions):
    """Which tracker of which repository, and what its functions are given."""

    tracker: Annotated[str, named(r"\w+(:[^:]+)?", "NAME or NAME:CONFIG, such as ostrack:vitb_256_mae_ce_32x4_ep300")]
    """``NAME`` or ``NAME:CONFIG``: a module of the repository, and a file of its ``experiments/NAME``."""
    repo: Annotated[Repository, Field(exclude=True)]
    """The repository's folder."""
    save_dir: Annotated[UserFolder | None, Field(exclude=True)] = None
    """What its settings call ``save_dir``; default: ``output`` in the repository."""
    dataset_name: str | None = None
    """What the tracker is told of the data set, which chooses update intervals in some."""
    epoch: int | None = None
    """The epoch that its parameters want; default: the number in the checkpoint's name."""
    args: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Further arguments of its ``parameters`` function and of its class."""
    params: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Attributes of its parameters that are set over its own, as ``--params__NAME`` of some repositories."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def repository(self) -> Mapping[str, str]:
        """Which code it is."""
        return fingerprint(self.repo)


class PytrackingModel(ForeignModel):
    """A tracker of such a repository; one object for each target."""

    Options: ClassVar[type[Options]] = PytrackingOptions
    door = "pytracking"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"pytracking:{self.options.tracker}"

    def payload(self) -> dict[str, Any]:
        """Return what the door gets of the options."""
        name, _, config = self.options.tracker.partition(":")
        return super().payload() | {"name": name, "config": config or None}

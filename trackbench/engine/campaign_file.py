"""Campaign files: trackers x data sets x weights x options in one TOML file, for ``trackbench run campaign.toml``.

::

    datasets = ["otb100", "lasot"]           # of all runs that name none of their own
    protocol = "one-pass"                    # also root, sequences, limit, repetitions, convention, seed

    [[run]]
    trackers = ["dcf", "opencv:mil"]

    [[run]]
    trackers = ["dcfnet"]
    weights = ["epoch10.pth", "epoch20.pth"]     # relative to this file

    [[run.variants]]
    set = { learning_rate = 0.01 }

    [[run.variants]]
    label = "fast"
    set = { learning_rate = 0.02, "scales" = 1 }

The file says what is evaluated, the command line how: device, workers, batch, place of the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trackbench.datasets.catalogue import is_path
from trackbench.definitions import describe_invalid, keys_of
from trackbench.engine.campaign import TrackerChoice, prepare
from trackbench.engine.plan import Plan
from trackbench.errors import SeveralErrors, TrackbenchError, UsageError
from trackbench.files import read_toml
from trackbench.trackers.weights import file_mark

_Names = Annotated[list[str], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Variant(_Table):
    """Options of one series of runs."""

    label: str | None = None
    """What stands behind the tracker's name in the label of the runs."""
    set_: Annotated[dict[str, Any], Field(alias="set")] = {}
    """Dotted option name -> value, as after ``--set``."""


class CampaignEntry(_Table):
    """Trackers x data sets x weights x variants."""

    trackers: _Names
    datasets: _Names | None = None
    weights: _Names | None = None
    random_weights: bool = False
    trust_checkpoint: bool = False
    refine: str | None = None
    variants: Annotated[list[Variant], Field(min_length=1)] = [Variant()]

    def choices(self, folder: Path, seed: int) -> list[TrackerChoice]:
        """Return the trackers with each of the weights and each of the variants.

        Args:
            folder: to which files are relative.
            seed: for trackers that draw at random.
        """
        names = [f"{name}+{self.refine}" for name in self.trackers] if self.refine else self.trackers
        files = [None] if self.weights is None else [folder / Path(file).expanduser() for file in self.weights]
        return [
            TrackerChoice(
                names,
                _dotted(variant.set_),
                file,
                self.random_weights,
                self.trust_checkpoint,
                seed,
                # Of several files, each needs a label of its own.
                f"{variant.label},{file_mark(file)}" if variant.label and file and len(files) > 1 else variant.label,
            )
            for file in files
            for variant in self.variants
        ]


class CampaignFile(_Table):
    """What a campaign file holds."""

    datasets: _Names | None = None
    root: str | None = None
    sequences: _Names | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    protocol: str | None = None
    repetitions: Annotated[int, Field(ge=1)] | None = None
    convention: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    run: Annotated[list[CampaignEntry], Field(min_length=1)]


def read_campaign(path: Path) -> CampaignFile:
    """Return what a campaign file holds.

    Raises:
        UsageError: it cannot be read, or is not as it should be; key and expectation are named.
    """
    try:
        campaign = CampaignFile.model_validate(read_toml(path))
    except ValidationError as error:
        tables = {"run": keys_of(CampaignEntry), "run.variants": keys_of(Variant)}
        raise UsageError(describe_invalid(error, str(path), keys_of(CampaignFile), tables)) from None
    for number, entry in enumerate(campaign.run, 1):
        if entry.datasets is None and campaign.datasets is None:
            raise UsageError(f"{path}: key 'datasets' is missing in [[run]] number {number}, and at the top")
    return campaign


def prepare_campaign(
    path: Path, runs: Path, given: Mapping[str, Any], *, restart: bool = False, dry: bool = False, say: Any = None
) -> list[list[Plan]]:
    """Return the plans of a campaign file, those over one data set together; see `trackbench.engine.campaign.prepare`.

    Args:
        path: the file.
        runs: the folder of all runs.
        given: what the command line says instead of the file; None: nothing.
        restart: throw away what is stored.
        dry: change nothing on disk.
        say: takes a line of what else there is to know.

    Raises:
        UsageError: the file is not as it should be.
        TrackbenchError: a tracker or data set cannot be had, or results of other settings are stored.
    """
    campaign = read_campaign(path)
    own = {"sequences": campaign.sequences, "root": campaign.root and path.parent / Path(campaign.root).expanduser()}
    own |= {key: getattr(campaign, key) for key in ("limit", "protocol", "repetitions", "convention")}
    how: dict[str, Any] = own | {key: value for key, value in given.items() if value is not None}
    how["say"] = say or (lambda _: None)
    work = [
        (
            f"{path}: [[run]] number {n}",
            choice,
            [_place(d, path.parent) for d in entry.datasets or campaign.datasets or []],
        )
        for n, entry in enumerate(campaign.run, 1)
        for choice in entry.choices(path.parent, campaign.seed)
    ]
    if restart:  # nothing is thrown away for a campaign that cannot begin
        _plans(work, runs, {**how, "restart": True, "dry": True, "say": lambda _: None})
    return _plans(work, runs, {**how, "restart": restart, "dry": dry})


def _plans(
    work: Sequence[tuple[str, TrackerChoice, list[str]]], runs: Path, how: Mapping[str, Any]
) -> list[list[Plan]]:
    """Return the plans of each place in the file, its trackers and its data sets."""
    groups: dict[tuple[str, Path], dict[Path, Plan]] = {}
    # Text -> the error, with the place in the file: each is said once, however many runs it keeps from beginning.
    errors: dict[str, TrackbenchError] = {}
    for place, choice, datasets in work:
        try:
            prepared = prepare(choice, datasets, runs, **how)
        except TrackbenchError as error:
            for each in error.errors if isinstance(error, SeveralErrors) else [error]:
                errors.setdefault(str(each), type(each)(f"{place}: {each}"))
            continue
        for plan in (plan for group in prepared for plan in group):
            same = groups.setdefault((plan.dataset.name, plan.dataset.root), {})
            if plan.folder.path in same and same[plan.folder.path].manifest != plan.manifest:
                raise UsageError(
                    f"{plan.folder.path}: two runs of the campaign have this label; 'label' tells them apart"
                )
            same[plan.folder.path] = plan
    if errors:
        once = list(errors.values())
        raise once[0] if len(once) == 1 else SeveralErrors(once)
    return [list(group.values()) for group in groups.values()]


def _dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a table with dotted keys, as after ``--set``."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _place(dataset: str, folder: Path) -> str:
    """Return a data set as the file means it: a path is relative to the file."""
    return f"{folder / Path(dataset).expanduser()}/" if is_path(dataset) else dataset

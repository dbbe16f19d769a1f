"""A search: optuna suggests settings, each trial is an ordinary run, and the study is kept in a folder.

``study.log`` is optuna's journal, which several processes may share; ``runs/`` holds a run for each trial, so that a
trial that was interrupted goes on where it stopped; ``search.json`` says what is searched. The best run is also copied
into the folder of all runs. Its manifest says that its settings were searched, and on what.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trackbench.datasets.sequence import Dataset
from trackbench.engine.campaign import TrackerChoice, prepare
from trackbench.engine.claims import is_running, machine, process_started
from trackbench.engine.plan import Plan
from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.files import read_json, write_text
from trackbench.metrics.table import METRICS, metric
from trackbench.results.manifest import differences
from trackbench.results.merging import merge_runs
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs
from trackbench.search.space import Space

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

Sampler = Literal["tpe", "random", "grid"]
Run = Callable[[list[list[Plan]]], None]
"""Carries out plans."""


@dataclass(frozen=True)
class SearchTask:
    """What is searched for."""

    tracker: TrackerChoice
    """One tracker, without the settings of the space."""
    space: Space
    dataset: Dataset
    """The sequences on which trials are run and scored."""
    metric: str
    """Key of the metric; the best value is the highest, or the lowest of one that is better when low."""
    folder: Path
    sampler: Sampler = "tpe"
    protocol: str | None = None

    @property
    def maximise(self) -> bool:
        """Whether a higher value is better."""
        return metric(self.metric).higher_is_better is not False

    def document(self) -> dict[str, Any]:
        """Return what decides the results; a folder holds one such search."""
        return {
            "schema": 1,
            "tracker": self.tracker.names[0],
            "seed": self.tracker.seed,
            "dataset": self.dataset.name,
            "sequences": [sequence.name for sequence in self.dataset.sequences],
            "protocol": self.protocol or self.dataset.protocol,
            "metric": self.metric,
            "space": self.space.document(),
        }


@dataclass(frozen=True)
class FinishedTrial:
    """One finished trial."""

    number: int
    settings: Mapping[str, Any]
    value: float
    label: str
    """Label of its run."""


@dataclass
class SearchResult:
    """The result of a search so far."""

    trials: list[FinishedTrial] = field(default_factory=list)
    """Finished trials, best first."""
    failed: dict[int, str] = field(default_factory=dict)
    """Trial -> why it has no value."""
    running: int = 0
    """Trials that other processes are at."""
    kept: Path | None = None
    """Where the best run was copied to; None while others are at work, the last of whom does it."""


def search(
    task: SearchTask,
    trials: int,
    runs: Path,
    carry_out: Run,
    *,
    restart: bool = False,
    report: Callable[[FinishedTrial, FinishedTrial], object] = lambda *_: None,
) -> SearchResult:
    """Run trials until a study has so many that are finished, and keep the best run.

    Args:
        task: what is searched for.
        trials: how many finished trials there are to be, those of earlier commands included.
        runs: the folder of all runs, which gets the best one.
        carry_out: runs plans.
        restart: throw away what the folder holds first.
        report: is told each finished trial and the best one so far.

    Raises:
        UsageError: optuna is not installed, the folder holds another search, or a setting does not fit the tracker.
        TrackbenchError: the tracker cannot be built, or no trial has a value.
    """
    optuna = _optuna()
    began = _claim(task, restart)
    study = _open(task, optuna)
    _take_up(study)
    outcome = SearchResult(failed=_failures(study))
    points = _grid(task, study)
    trials = trials if points is None else min(trials, points - len(outcome.failed))
    # Trials that others are running count: whoever finishes the last one keeps the best run.
    while _finished(study) + len(_running(study)) < trials:
        before = len(study.trials)
        trial = study.ask()
        trial.set_user_attr("owner", _owner())
        try:
            value, label = _value(task, _settings(task.space, trial), carry_out)
        except UsageError:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if began and not _finished(study):  # the command put right is another search
                _forget(task)
            raise
        except (DataError, TrackbenchError) as error:
            trial.set_user_attr("reason", str(error))
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            outcome.failed[trial.number] = str(error)
            if len(outcome.failed) > max(3, before // 2):
                raise
            continue
        except BaseException:
            _give_back(study, trial.number, trial.params)
            raise
        trial.set_user_attr("label", label)
        study.tell(trial, value)
        outcomes = _outcomes(study, task)
        report(next(one for one in outcomes if one.number == trial.number), outcomes[0])
    outcome.trials = _outcomes(study, task)
    outcome.running = len(_running(study))
    if outcome.trials and not outcome.running:
        outcome.kept = _keep(task, outcome.trials[0], len(outcome.trials), runs)
    return outcome


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("search needs optuna: pip install 'trackbench[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _claim(task: SearchTask, restart: bool) -> bool:
    """Make the folder this search's, or refuse; return whether the search begins.

    Raises:
        UsageError: it holds another search.
    """
    path = task.folder / "search.json"
    if restart and path.is_file():
        shutil.rmtree(task.folder / "runs", ignore_errors=True)
        _forget(task)
    stored = read_json(path)
    if stored is None:
        write_text(path, json.dumps(task.document(), indent=2) + "\n")
    elif changes := differences(stored, json.loads(json.dumps(task.document()))):
        raise UsageError(f"{task.folder}: holds another search ({'; '.join(changes[:3])}); --out DIR keeps both")
    return stored is None


def _forget(task: SearchTask) -> None:
    """Remove what the folder says of its search, but not the runs."""
    for name in ("study.log", "search.json"):
        (task.folder / name).unlink(missing_ok=True)


def _open(task: SearchTask, optuna: Any) -> OptunaStudy:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(task.folder / "study.log")))
    study: OptunaStudy = optuna.create_study(
        storage=storage,
        study_name="trackbench",
        direction="maximize" if task.maximise else "minimize",
        sampler=_sampler(task, optuna),
        load_if_exists=True,
    )
    return study


def _sampler(task: SearchTask, optuna: Any) -> BaseSampler:
    seed = task.tracker.seed
    sampler: BaseSampler
    if task.sampler == "tpe":
        sampler = optuna.samplers.TPESampler(seed=seed)
    else:
        sampler = optuna.samplers.RandomSampler(seed=seed)
    return sampler


def _grid(task: SearchTask, study: OptunaStudy) -> int | None:
    """Let a grid's settings come next, those that have not been tried; returns how many there are in all."""
    if task.sampler != "grid":
        return None
    keys = list(task.space.varied)
    points = list(product(*(axis.values() for axis in task.space.varied.values())))
    for point in points:
        study.enqueue_trial(dict(zip(keys, point, strict=True)), skip_if_exists=True)
    return len(points)


def _take_up(study: OptunaStudy) -> None:
    """Try again the settings of trials whose process has ended: their runs hold what was finished."""
    running = {trial.number for trial in _running(study)}
    for trial in study.get_trials():
        if trial.state.name == "RUNNING" and trial.number not in running:
            _give_back(study, trial.number, trial.params)


def _give_back(study: OptunaStudy, number: int, settings: Mapping[str, Any]) -> None:
    """End a trial without a value, and let its settings be the next ones."""
    from optuna.trial import TrialState

    study.tell(number, state=TrialState.FAIL)
    if settings:
        study.enqueue_trial(dict(settings))


def _owner() -> dict[str, Any]:
    return {"machine": machine(), "process": os.getpid(), "process_started": process_started()}


def _running(study: OptunaStudy) -> list[FrozenTrial]:
    """Return the trials that a process is at: one of this machine that lives, or of another for at most a day."""
    return [trial for trial in study.get_trials() if trial.state.name == "RUNNING" and _lives(trial)]


def _lives(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get("owner")
    if isinstance(owner, dict) and owner.get("machine") == machine():
        return is_running(owner["process"], owner["process_started"])
    # A process says who it is right after it has begun a trial.
    patience = timedelta(days=1) if owner else timedelta(minutes=1)
    return trial.datetime_start is not None and datetime.now() - trial.datetime_start < patience


def _finished(study: OptunaStudy) -> int:
    return sum(trial.value is not None for trial in study.trials)


def _failures(study: OptunaStudy) -> dict[int, str]:
    return {t.number: str(t.user_attrs["reason"]) for t in study.trials if "reason" in t.user_attrs}


def _settings(space: Space, trial: Trial) -> dict[str, Any]:
    return {**space.fixed, **{key: axis.suggest(trial, key) for key, axis in space.varied.items()}}


def _value(task: SearchTask, settings: Mapping[str, Any], carry_out: Run) -> tuple[float, str]:
    """Run a trial; returns its value and the label of its run."""
    runs = task.folder / "runs"
    choice = replace(task.tracker, options=settings)
    groups = prepare(choice, [task.dataset], runs, protocol=task.protocol)
    carry_out(groups)
    (plan,) = groups[0]
    if plan.failed:
        name, reason = next(iter(plan.failed.items()))
        raise DataError(f"{len(plan.failed)} sequences failed, the first: {name}: {reason}")
    label = plan.folder.key.tracker
    (score,) = score_runs(task.dataset, runs, [label], protocol=plan.folder.key.protocol)
    value = score.metrics.get(task.metric)
    if value is None or math.isnan(value):
        known = ", ".join(score.metrics)
        raise UsageError(f"--metric {task.metric}: {task.dataset.name} gives no such number (there are: {known})")
    return value, label


def _outcomes(study: OptunaStudy, task: SearchTask) -> list[FinishedTrial]:
    """Return the finished trials, best first; of equal ones the first tried."""
    rows = [
        FinishedTrial(t.number, {**task.space.fixed, **t.params}, t.value, str(t.user_attrs.get("label")))
        for t in study.trials
        if t.value is not None
    ]
    return sorted(rows, key=lambda row: (-row.value if task.maximise else row.value, row.number))


def _keep(task: SearchTask, best: FinishedTrial, trials: int, runs: Path) -> Path:
    """Copy the best run into the folder of all runs, with a note of the search in both manifests."""
    protocol = task.protocol or task.dataset.protocol
    source = RunFolder(task.folder / "runs", RunKey(best.label, task.dataset.name, protocol))
    note = {
        "dataset": task.dataset.name,
        "test_set": is_test_set(task.dataset),
        "trials": trials,
        "metric": task.metric,
        "space": task.space.document(),
        "sequences": len(task.dataset.sequences),
    }
    source.write_manifest({**(source.manifest() or {}), "search": note})
    target = RunFolder(runs, source.key)
    staged = task.folder / "best"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(source.path, RunFolder(staged, source.key).path)
    merge_runs([staged], runs)
    shutil.rmtree(staged)
    target.write_manifest({**(target.manifest() or {}), "search": note})
    return target.path


def is_test_set(dataset: Dataset) -> bool:
    """Whether a data set is a benchmark on which numbers are published, and not one for training or validation."""
    return bool(dataset.definition.name) and dataset.definition.purpose == "test"


def metric_of(dataset: Dataset, key: str | None) -> str:
    """Return the metric that a search is about: the one asked for, or the main one of the data set's rules.

    Raises:
        UsageError: there is no such metric.
    """
    if key is None:
        if dataset.protocol in ("supervised", "multistart"):
            return "eao"
        return {"got10k": "ao", "trackingnet": "success"}.get(dataset.convention, "success_auc")
    return METRICS.get(key, "--metric").key

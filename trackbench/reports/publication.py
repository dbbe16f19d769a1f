"""What a run publishes: ``.eval_results`` files as Hugging Face reads them, and a leaderboard as plain files.

``.eval_results/*.yaml`` of a model's repository hold a list of entries: a data set of the Hub that is a benchmark, one
of its tasks, a value (huggingface.co/docs/hub/eval-results, hub-docs/eval_results.yaml). A benchmark names its tasks in
its own ``eval.yaml``; here a task is a metric, called by its key. Values are as papers print them, in percent where
tables are. Nothing is uploaded.
"""

from __future__ import annotations

import datetime as dates
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError
from trackbench.metrics.table import Metric
from trackbench.reports import tables
from trackbench.scoring import Score
from trackbench.version import VERSION

FRAMEWORK = "trackbench"
_HUB_ID = r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}"
_TASK = r"[A-Za-z0-9][\w.-]*"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HubDataset(_Entry):
    """Where the leaderboard lives."""

    id: str = Field(pattern=f"^{_HUB_ID}$")
    """``ORGANISATION/NAME`` of a data set of the Hub."""
    task_id: str = Field(pattern=f"^{_TASK}$")
    """One of the tasks of its ``eval.yaml``."""
    revision: str | None = None


class EvalSource(_Entry):
    """Where the numbers can be looked up."""

    url: str = Field(pattern=r"^https?://\S+$")
    name: str | None = None
    user: str | None = Field(None, pattern=r"^[A-Za-z0-9][\w.-]*$")


class EvalResult(_Entry):
    """One entry of an ``.eval_results`` file."""

    dataset: HubDataset
    value: float
    date: str | None = None
    """ISO 8601."""
    source: EvalSource | None = None
    evaluation_framework: str | None = None
    notes: str | None = None

    @field_validator("date")
    @classmethod
    def _iso(cls, value: str | None) -> str | None:
        if value is not None:
            dates.datetime.fromisoformat(value)
        return value


class EvalTask(_Entry):
    """One task of a benchmark."""

    id: str = Field(pattern=f"^{_TASK}$")
    config: str = "default"
    split: str = "test"


class EvalTasks(_Entry):
    """The ``eval.yaml`` of a data set that is a benchmark."""

    name: str
    description: str
    evaluation_framework: str = FRAMEWORK
    tasks: tuple[EvalTask, ...]


def hub_ids(texts: Sequence[str]) -> dict[str, str]:
    """Return data set -> data set of the Hub, as ``--hub NAME=ORGANISATION/NAME`` says it.

    Raises:
        UsageError: a text has no such form.
    """
    ids = {}
    for text in texts:
        name, _, wanted = text.partition("=")
        if not name or not re.fullmatch(_HUB_ID, wanted):
            raise UsageError(f"--hub '{text}': expected DATASET=ORGANISATION/NAME, as lasot=l-lt/LaSOT")
        ids[name] = wanted
    return ids


def hub_id(dataset: Dataset, given: Mapping[str, str]) -> str | None:
    """Return what the Hub calls a data set; None where nobody says."""
    return given.get(dataset.name) or dataset.definition.names_in("huggingface").dataset


def published_metrics(scores: Sequence[Score]) -> list[Metric]:
    """Return the metrics that say how good a tracker is, in the order of tables."""
    return [column for column in tables.used_columns(scores) if column.higher_is_better is not None]


def eval_results(score: Score, hub: str, *, source: EvalSource | None = None, revision: str | None = None) -> str:
    """Return the ``.eval_results`` file of a run, an entry a metric.

    Args:
        score: of a complete run.
        hub: the data set of the Hub.
        source: where the numbers can be looked up.
        revision: of the data set of the Hub.

    Raises:
        UsageError: a value does not fit the form.
    """
    entries = []
    for column in published_metrics([score]):
        value = score.metrics.get(column.key)
        if value is None or value != value:
            continue
        try:
            entry = EvalResult(
                dataset=HubDataset(id=hub, task_id=column.key, revision=revision),
                value=round(column.scale * value, 6),
                date=_date(score),
                source=source,
                evaluation_framework=FRAMEWORK,
                notes=_notes(score),
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"{score.tracker}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        entries.append(entry.model_dump(exclude_none=True))
    return _yaml(entries)


def eval_tasks(dataset: Dataset, scores: Sequence[Score]) -> str:
    """Return the ``eval.yaml`` with which the owner of a data set of the Hub makes it a benchmark."""
    tasks = tuple(EvalTask(id=column.key) for column in published_metrics(scores))
    description = (
        f"{dataset.title}: single-object tracking on {dataset.of} sequences, protocol {scores[0].protocol}, "
        f"rules '{scores[0].convention}'."
    )
    return _yaml(EvalTasks(name=dataset.title, description=description, tasks=tasks).model_dump())


def leaderboard_document(parts: Sequence[tuple[Dataset, Sequence[Score]]]) -> dict[str, Any]:
    """Return the leaderboard as data: the rows of ``report --json`` without curves, data set by data set."""
    left_out = ("curves", "per_sequence")
    return {
        "schema": 1,
        "generated_by": f"{FRAMEWORK} {VERSION}",
        "datasets": [
            {
                "name": dataset.name,
                "title": dataset.title,
                "metrics": [column.key for column in tables.used_columns(scores)],
                "rows": [
                    {"title": score.title}
                    | {key: value for key, value in score.document().items() if key not in left_out}
                    for score in scores
                ],
            }
            for dataset, scores in parts
        ],
    }


def leaderboard_markdown(parts: Sequence[tuple[Dataset, Sequence[Score]]]) -> str:
    """Return the leaderboard as Markdown, which repositories show as their first page."""
    pieces = ["# Leaderboard\n"]
    for dataset, scores in parts:
        pieces += [f"## {tables.markdown(dataset.title)}\n", tables.markdown_table(scores)]
    return "\n".join([*pieces, f"Made with trackbench {VERSION}. `index.html` has curves and attributes.\n"])


def _date(score: Score) -> str | None:
    """Return the day on which a run ended, or None where nothing says."""
    sessions = score.manifest.get("sessions") or []
    started = str(sessions[-1].get("started", "")) if sessions else ""
    try:
        return dates.datetime.fromisoformat(started).date().isoformat()
    except ValueError:
        return None


def _notes(score: Score) -> str:
    """Return in one line what decides the numbers."""
    weights = score.run.get("weights_sha256")
    parts = [
        f"trackbench {VERSION}",
        f"protocol {score.protocol}",
        f"rules {score.convention}",
        f"{score.repetitions} repetitions" if score.repetitions > 1 else "",
        f"weights {str(weights)[:12]}" if weights else "",
        "results imported" if score.run.get("imported") else "",
        "settings searched on this test set" if score.is_tuned else "",
    ]
    return ", ".join(filter(None, parts))


def _yaml(content: Any) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=4096)
    return text

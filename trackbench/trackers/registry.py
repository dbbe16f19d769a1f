"""Build a tracker by its name: definition, options, weights, device, class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trackbench.checkpoints.weight_cache import file_sha256
from trackbench.definitions import TRACKERS, DatasetDefinition, ResolvedDefinition, TrackerDefinition
from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.files import as_bytes
from trackbench.trackers.base import Options, TrackerModel
from trackbench.trackers.classes import load_class
from trackbench.trackers.devices import resolve_device
from trackbench.trackers.settings import Settings, find_definition, resolve_settings
from trackbench.trackers.source import source_sha256
from trackbench.trackers.weights import Weights, choose_weights, file_mark


@dataclass(frozen=True)
class Component:
    """A tracker or a refiner with everything decided, before any network is built."""

    settings: Settings
    weights: Weights | None
    """None where there is no network."""

    @property
    def definition(self) -> ResolvedDefinition[TrackerDefinition]:
        """The definition and where it is."""
        return self.settings.definition

    @property
    def options(self) -> Options:
        """Its options, validated."""
        return self.settings.options

    @cached_property
    def checkpoint_sha256(self) -> str | None:
        """SHA-256 of the checkpoint that the tracker loads itself; None where there is none."""
        return None if self._checkpoint is None else file_sha256(self._checkpoint)

    @property
    def _checkpoint(self) -> Path | None:
        """The checkpoint that the tracker loads itself."""
        key = self.definition.value.checkpoint
        path: Path | None = getattr(self.options, key) if key else None
        return path

    @property
    def mark(self) -> str:
        """What a run's label says of its weights; empty where nothing has to be said."""
        if self._checkpoint is not None:
            return file_mark(self._checkpoint)
        return self.weights.mark if self.weights else ""

    def identity(self) -> dict[str, Any]:
        """Return what decides its numbers, for the manifest."""
        options = self.options.model_dump(mode="json")
        files = {
            key: self.checkpoint_sha256 if key == self.definition.value.checkpoint else file_sha256(value)
            for key, value in self.options.model_dump().items()
            if isinstance(value, Path) and value.is_file()
        }
        value = self.definition.value
        # A file is known by what it holds, not by where it is.
        kept = {key: option for key, option in options.items() if key not in files}
        identity = {
            "tracker": self.settings.name,
            "class": value.model,
            "version": value.version,
            "options": kept,
            "files_sha256": files,
        }
        if not self.definition.builtin and (source := source_sha256(load_class(self.definition))):
            identity["source_sha256"] = source
        return identity | (self.weights.identity() if self.weights else {})

    def build(self, device: str) -> Any:
        """Build it on ``device``.

        Raises:
            UsageError: the class is not what its definition says.
            DataError: the weights do not fit.
        """
        loaded: Any = load_class(self.definition)
        if self.weights is None:
            return loaded(self.options, device)
        from trackbench.trackers.networks import Networked

        if not issubclass(loaded, Networked):
            raise UsageError(f"{self.definition.path}: table 'weights': class '{loaded.__name__}' has no network")
        weights = self.weights.load(self.settings, loaded)
        return loaded(self.options, device, weights=weights, seed=self.weights.seed or 0)


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker, and the refiner behind it if there is one."""

    tracker: Component
    refiner: Component | None = None
    mark: str | None = None
    """What stands behind the name in the label, where the user says it; else what was changed."""

    @property
    def parts(self) -> list[Component]:
        """The tracker, then the refiner."""
        return [self.tracker] if self.refiner is None else [self.tracker, self.refiner]

    @property
    def name(self) -> str:
        """As typed, in canonical spelling: ``dcf``, ``opencv:mil``, ``dcf+alpharefine``."""
        return "+".join(part.settings.name for part in self.parts)

    @property
    def definition(self) -> ResolvedDefinition[TrackerDefinition]:
        """The tracker's definition and where it is."""
        return self.tracker.definition

    @property
    def options(self) -> Options:
        """The tracker's options, validated."""
        return self.tracker.options

    @property
    def has_network(self) -> bool:
        """Whether its numbers come from weights."""
        return any(part.weights is not None for part in self.parts)

    @property
    def label(self) -> str:
        """The name of this identity: ``dcf``, ``dcf@learning_rate=0.05``, ``dcfnet@epoch20``.

        Long or odd settings become a short hash; the manifest holds them in full.
        """
        if self.mark is not None:
            # Nothing hides that a network knows nothing.
            drawn = any(part.weights is not None and part.weights.seed is not None for part in self.parts)
            return f"{self.name}@{self.mark}{',random-weights' if drawn else ''}"
        changed = dict(self.tracker.settings.changed)
        if self.refiner is not None:
            settings = self.refiner.settings
            changed |= {f"{settings.name}.{key}": value for key, value in settings.changed.items()}
        changed = {key: value for key, value in changed.items() if self._is_identity(key)}
        marks = list(dict.fromkeys(part.mark for part in self.parts if part.mark))
        if changed:
            text = ",".join(f"{key}={value}" for key, value in sorted(changed.items()))
            plain = all(c.isalnum() or c in "=,._-+" for c in text) and len(text) <= 60
            marks.insert(0, text if plain else hashlib.sha256(as_bytes(text)).hexdigest()[:8])
        return f"{self.name}@{','.join(marks)}" if marks else self.name

    def _is_identity(self, key: str) -> bool:
        """Whether an option that the user set belongs into a label: how and where a tracker runs does not."""
        field = type(self.options).model_fields.get(key.partition(".")[0])
        return field is None or (not field.exclude and key != self.definition.value.checkpoint)

    @property
    def title(self) -> str:
        """The name as tables print it, marked where the weights are random."""
        title = self.definition.value.title
        if self.definition.value.argument:
            title = f"{title} {self.tracker.settings.name.partition(':')[2]}"
        if self.refiner is not None:
            title = f"{title}+{self.refiner.definition.value.title}"
        if self.definition.value.offline:
            title = f"{title} (offline)"
        marks = self.label.removeprefix(self.name)
        return f"{title} {marks}" if marks else title

    def identity(self) -> dict[str, Any]:
        """Return what decides the tracker's numbers, for the manifest: no two identities may share stored results."""
        identity = self.tracker.identity()
        return identity if self.refiner is None else identity | {"refiner": self.refiner.identity()}

    def build(self, device: str = "cpu") -> TrackerModel[Any]:
        """Build the model on ``device``.

        Raises:
            UsageError: a class is not what its definition says.
            DataError: the weights do not fit.
        """
        device = resolve_device(device)
        model: TrackerModel[Any] = self.tracker.build(device)
        if self.refiner is None:
            return model
        from trackbench.trackers.refined import RefinedModel

        return RefinedModel(model, self.refiner.build(device))


def find_tracker(
    name: str,
    dataset: DatasetDefinition | str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    protocol: str | None = None,
    weights: Path | None = None,
    random_weights: bool = False,
    seed: int = 0,
    trust_checkpoint: bool = False,
    label: str | None = None,
) -> TrackerSpec:
    """Return the tracker called ``name`` with its settings for ``dataset`` and the user's ``options`` over them.

    Args:
        name: a definition's name, or ``DEFINITION:ARGUMENT`` (``opencv:mil``, ``got10k:my_module:MyTracker``), and
            ``+REFINER`` after either (``dcf+alpharefine``).
        dataset: record of the benchmark whose settings count, or its name.
        options: dotted option name -> value; a refiner's begin with its name (``alpharefine.threshold``).
        protocol: whose settings count; by default the benchmark's own.
        weights: an official checkpoint to use instead of the kept weights, the tracker's; behind a tracker without a
            network the refiner's.
        random_weights: use random weights; ignored by trackers without a network.
        seed: of the random weights.
        trust_checkpoint: let a tracker that loads its checkpoint itself execute what the file asks for.
        label: what stands behind the name in the run's label, instead of what was changed.

    Raises:
        UsageError: unknown name or option, a value that does not fit, or a checkpoint for a tracker that takes none.
        TrackerError: there are no weights.
        DataError: the checkpoint cannot be read.
    """
    if label is not None and (not label or len(label) > 60 or not all(c.isalnum() or c in "=,._-+" for c in label)):
        raise UsageError(f"--label '{label}': expected at most 60 letters, digits and = , . _ - +")
    head, tail = _split(name)
    own, refining = dict(options or {}), {}
    if tail is not None:
        prefix = f"{tail}."
        refining = {key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)}
        own = {key: value for key, value in own.items() if not key.startswith(prefix)}
    own, weights = _own_checkpoint(head, own, weights, trust_checkpoint)
    settings = resolve_settings(head, dataset, own, protocol=protocol)
    if settings.definition.value.refiner:
        raise UsageError(
            f"'{settings.name}' is no tracker, it refines one's boxes: name it behind a tracker, as in "
            f"dcf+{settings.name}"
        )
    if tail is None:
        return TrackerSpec(Component(settings, choose_weights(settings, weights, random_weights, seed)), mark=label)
    refiner = resolve_settings(tail, dataset, refining, protocol=protocol)
    first = settings.definition.value.weights is not None
    return TrackerSpec(
        Component(settings, choose_weights(settings, weights if first else None, random_weights, seed)),
        Component(refiner, choose_weights(refiner, None if first else weights, random_weights, seed)),
        label,
    )


def _own_checkpoint(
    name: str, options: dict[str, Any], weights: Path | None, trust: bool
) -> tuple[dict[str, Any], Path | None]:
    """Return options and checkpoint, the latter among the former where the tracker loads it itself.

    Raises:
        UsageError: trust in a checkpoint that only our reader opens, or none at all.
    """
    option = find_definition(name.partition(":")[0]).value.checkpoint
    if option is None:
        if trust:
            raise UsageError(f"--trust-checkpoint: {name} loads no checkpoint by itself; leave it out")
        return options, weights
    if weights is not None:
        options = options | {option: weights}
    return options | ({"trust_checkpoint": True} if trust else {}), None


def _split(name: str) -> tuple[str, str | None]:
    """Return the tracker's name and the refiner's, in canonical spelling; None where there is none.

    Raises:
        UsageError: what follows the last plus is no refiner, or there are two of them.
    """
    head, plus, tail = name.rpartition("+")
    names = {fold_name(known): known for known in TRACKERS.names()}
    if not plus or fold_name(name) in names:
        return name, None
    if ":" in head and (not tail or "." in tail or "/" in tail):
        return name, None  # a plus in the name of a file: sam2:configs/sam2.1/sam2.1_hiera_b+.yaml
    known = names.get(fold_name(tail))
    if known is None:
        hint = suggestion(tail, names.values())
        raise UsageError(f"tracker '{name}': unknown refiner '{tail}'{hint} (`trackbench list trackers` shows all)")
    if not TRACKERS.get(known).value.refiner:
        raise UsageError(f"tracker '{name}': '{known}' is a tracker, no refiner")
    if _split(head)[1] is not None:
        raise UsageError(f"tracker '{name}' has two refiners; expected one")
    return head, known


def load_model(
    name: str,
    *,
    device: str = "auto",
    options: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    random_weights: bool = False,
) -> TrackerModel[Any]:
    """Return the model of the tracker called ``name``; see :func:`find_tracker`."""
    return find_tracker(name, options=options, weights=weights, random_weights=random_weights).build(device)

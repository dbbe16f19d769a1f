"""From the name of a tracker to its model: definition, options, weights, device, class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackbench.definitions import Found, TrackerDefinition
from trackbench.errors import UsageError
from trackbench.trackers.base import Options, TrackerModel
from trackbench.trackers.classes import load_class
from trackbench.trackers.devices import resolve_device
from trackbench.trackers.settings import Settings, settle
from trackbench.trackers.weights import Weights, choose_weights


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker with everything decided, before any network is built."""

    settings: Settings
    weights: Weights | None
    """None for a tracker without a network."""

    @property
    def name(self) -> str:
        """As typed, in canonical spelling: ``dcf``, ``opencv:mil``."""
        return self.settings.name

    @property
    def definition(self) -> Found[TrackerDefinition]:
        """The definition and where it lies."""
        return self.settings.definition

    @property
    def options(self) -> Options:
        """Its options, validated."""
        return self.settings.options

    @property
    def label(self) -> str:
        """The name of this identity: ``dcf``, ``dcf@learning_rate=0.05``, ``aiatrack@random-weights``.

        Long or odd settings become a short hash; the manifest holds them in full.
        """
        changed = self.settings.changed
        marks = [self.weights.mark] if self.weights and self.weights.mark else []
        if changed:
            text = ",".join(f"{key}={value}" for key, value in sorted(changed.items()))
            plain = all(c.isalnum() or c in "=,._-+" for c in text) and len(text) <= 60
            marks.insert(0, text if plain else hashlib.sha256(text.encode()).hexdigest()[:8])
        return f"{self.name}@{','.join(marks)}" if marks else self.name

    @property
    def title(self) -> str:
        """The name as tables print it; of random weights it says so."""
        title = self.definition.value.title
        if self.definition.value.argument:
            title = f"{title} {self.name.partition(':')[2]}"
        marks = self.label.removeprefix(self.name)
        return f"{title} {marks}" if marks else title

    def identity(self) -> dict[str, Any]:
        """Return what decides the tracker's numbers, for the manifest: no two identities may share stored results."""
        options = self.options.model_dump(mode="json")
        files = {
            key: hashlib.sha256(value.read_bytes()).hexdigest()
            for key, value in self.options.model_dump().items()
            if isinstance(value, Path) and value.is_file()
        }
        value = self.definition.value
        # A file is known by what it holds, not by where it lies.
        kept = {key: option for key, option in options.items() if key not in files}
        identity = {
            "tracker": self.name,
            "class": value.model,
            "version": value.version,
            "options": kept,
            "files_sha256": files,
        }
        return identity | (self.weights.identity() if self.weights else {})

    def build(self, device: str = "cpu") -> TrackerModel[Any]:
        """Build the model on ``device``.

        Raises:
            UsageError: the class is not what its definition says.
            DataError: the weights do not fit.
        """
        loaded = load_class(self.definition)
        if self.weights is None:
            model: TrackerModel[Any] = loaded(self.options, resolve_device(device))
            return model
        from trackbench.trackers.networks import NetworkModel

        if not issubclass(loaded, NetworkModel):
            raise UsageError(f"{self.definition.path}: table 'weights': class '{loaded.__name__}' has no network")
        weights = self.weights.load(self.settings, loaded)
        return loaded(self.options, resolve_device(device), weights=weights, seed=self.weights.seed or 0)


def find_tracker(
    name: str,
    dataset: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    weights: Path | None = None,
    random_weights: bool = False,
    seed: int = 0,
) -> TrackerSpec:
    """Return the tracker called ``name`` with its settings for ``dataset`` and the user's ``options`` over them.

    Args:
        name: a definition's name, or ``DEFINITION:ARGUMENT`` (``opencv:mil``, ``got10k:my_module:MyTracker``).
        dataset: name of the data set whose settings count.
        options: dotted option name -> value.
        weights: an official checkpoint to use instead of the kept weights.
        random_weights: use random weights; trackers without a network do not mind.
        seed: of the random weights.

    Raises:
        UsageError: unknown name or option, a value that does not fit, or a checkpoint for a tracker that takes none.
        TrackerError: there are no weights.
        DataError: the checkpoint cannot be read.
    """
    settings = settle(name, dataset, options)
    return TrackerSpec(settings, choose_weights(settings, weights, random_weights, seed))


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

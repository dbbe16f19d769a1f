"""Which weights a run uses: those kept for the tracker, those of a file, or random ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trackbench.checkpoints.weight_cache import cached_path, file_sha256, load_cached, origin
from trackbench.errors import DataError, TrackerError, UsageError
from trackbench.trackers.settings import Settings
from trackbench.trackers.status import how_to_get_weights, shipped_file

if TYPE_CHECKING:
    from torch import Tensor

    from trackbench.trackers.networks import Networked

#: Endings of checkpoints' names that say nothing.
ENDINGS = {".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors", ".zip", ".model", ".pkl", ".onnx"}


@dataclass(frozen=True)
class Weights:
    """The weights of one run; exactly one of ``sha256`` and ``seed`` is there."""

    sha256: str | None = None
    """SHA-256 of the official file that they come from."""
    seed: int | None = None
    """Seed of random weights."""
    file: Path | None = None
    """The file, where the user named one or it came with the definition; otherwise they are the kept ones."""
    kept: bool = False
    """Whether a run without ``--weights`` has the same."""

    @property
    def mark(self) -> str:
        """What a run's label says of weights other than the kept ones."""
        if self.seed is not None:
            return "random-weights"
        return "" if self.kept or self.file is None else file_mark(self.file)

    def identity(self) -> dict[str, Any]:
        """Return what the manifest says of the weights."""
        return {"weights_sha256": self.sha256} | ({} if self.seed is None else {"random_weights": self.seed})

    def load(self, settings: Settings, model: type[Networked]) -> Mapping[str, Tensor] | None:
        """Return the network's state dict under our names, or None for random weights.

        Raises:
            DataError: the file or what is kept does not fit the network.
        """
        from trackbench.trackers.matching import describe, match_cached, read_weights

        if self.seed is not None:
            return None
        if self.file is not None:
            # Even where it is the kept weights' own: what they leave out of it, these options may need.
            return read_weights(self.file, settings.name, model, settings.options).weights
        kept = settings.definition.same_as
        match = match_cached(load_cached(kept), model, settings.options)
        if not match.complete:
            raise DataError(
                f"{cached_path(kept)}: does not fit '{settings.name}' with these options: {describe(match)}"
            )
        return match.weights


def file_mark(file: Path) -> str:
    """Return what labels call a checkpoint: its name without the endings of such files.

    Two files of one name are told apart by the manifest, which refuses to mix them.

    Example:
        >>> file_mark(Path("work/AIATRACK_ep0500.pth.tar")), file_mark(Path("epoch 20.pt"))
        ('AIATRACK_ep0500', 'epoch_20')
    """
    name = file.name
    while (ending := Path(name).suffix).lower() in ENDINGS:
        name = name.removesuffix(ending)
    text = "".join(c if c.isalnum() or c in "._-+" else "_" for c in name)
    return text[:60] or "weights"


def choose_weights(settings: Settings, file: Path | None, random: bool, seed: int) -> Weights | None:
    """Return the weights for a tracker, or None for one without a network.

    Args:
        settings: the tracker.
        file: an official file to use instead of the kept weights.
        random: use random weights.
        seed: of the random weights.

    Raises:
        UsageError: a file and random weights at once, or a file for a tracker that takes none.
        TrackerError: no weights are kept, and neither a file nor random weights were asked for.
        DataError: the file, or what is kept, cannot be read.
    """
    definition = settings.definition.value
    if file is not None and random:
        raise UsageError("--weights and --random-weights: only one of them can be")
    if definition.weights is None:
        if file is not None:
            raise UsageError(f"--weights {file}: {settings.name} takes no checkpoint")
        return None
    if random:
        return Weights(seed=seed)
    kept = origin(settings.definition.same_as)
    if file is not None:
        sha256 = file_sha256(file)
        return Weights(sha256, file=file, kept=kept is not None and kept.sha256 == sha256)
    shipped = shipped_file(settings.definition)
    if kept is None and shipped is not None:
        return Weights(file_sha256(shipped), file=shipped, kept=True)
    if kept is None:
        how = how_to_get_weights(settings.name, definition)
        raise TrackerError(f"{settings.name} has no weights: {how}, or run it with --random-weights")
    return Weights(kept.sha256, kept=True)

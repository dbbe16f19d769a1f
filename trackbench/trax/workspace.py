"""A workspace of vot-toolkit in which our trackers run: ``config.yaml`` and ``trackers.ini``."""

from __future__ import annotations

import configparser
import io
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trackbench.datasets.catalogue import open_dataset
from trackbench.definitions import DATASETS, RegionKind
from trackbench.errors import UsageError, suggestion
from trackbench.files import write_text
from trackbench.formats.vot import folder_name
from trackbench.trackers.registry import TrackerSpec

CONFIG, REGISTRY, LIST = "config.yaml", "trackers.ini", "list.txt"

#: TraX's names of what we call box, polygon and mask.
WIRE_NAMES: dict[RegionKind, str] = {"box": "rectangle", "polygon": "polygon", "mask": "mask"}


@dataclass(frozen=True)
class TrackerCommand:
    """How the toolkit has to start our trackers."""

    folder: Path
    """Working folder: its ``trackers/`` count, and relative paths of options start there."""
    device: str = "auto"
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Tracker's name -> ``KEY=VALUE`` of its options, as typed."""
    seed: int | None = None
    timeout: int = 300
    """Seconds that the toolkit waits for an answer, loading a network among them."""
    weights: Path | None = None
    """Checkpoint to use instead of the kept one."""
    random_weights: bool = False

    def command(self, spec: TrackerSpec, kind: RegionKind | None, dataset: str | None) -> str:
        """Return the command line that serves a tracker for a kind of benchmark, with its settings for a data set."""
        words = [sys.executable, "-m", "trackbench", "vot", "serve", spec.name, "--folder", str(self.folder)]
        words += ["--device", self.device]
        if kind is not None:
            words += ["--region", WIRE_NAMES[kind]]
        if dataset is not None:
            words += ["--dataset", dataset]
        if self.weights is not None:
            words += ["--weights", str(self.weights.resolve())]
        if self.random_weights:
            words.append("--random-weights")
        for setting in self.settings.get(spec.name, ()):
            words += ["--set", setting]
        if self.seed is not None:
            words += ["--seed", str(self.seed)]
        return shlex.join(words)


def write_workspace(
    folder: Path,
    stack: str,
    trackers: Iterable[TrackerSpec],
    service: TrackerCommand,
    *,
    sequences: Path | None = None,
    kind: RegionKind | None = None,
) -> list[str]:
    """Prepare a workspace and return what the toolkit calls the trackers.

    Args:
        folder: the workspace; no other may be there.
        stack: one of the toolkit's stacks (``vot2018/shortterm``), or the path of a file with one, which is copied.
        trackers: what to register.
        service: how to start them.
        sequences: folder of the sequences in VOT's layout; None: the toolkit downloads the stack's into the workspace.
        kind: the kind of region that the benchmark works with; None: as the sequences have it, or the stack.

    Raises:
        UsageError: there is a workspace already, no such stack or sequences, or two trackers of one name.
    """
    if (folder / CONFIG).exists():
        raise UsageError(f"{folder / CONFIG}: exists; remove the workspace, or give another folder")
    own = find_stack(stack)
    record = next((opened.value for opened in DATASETS.readable() if opened.value.stack == stack), None)
    dataset = None if record is None else record.name
    if record is not None:
        kind = kind or record.regions
    config = {"registry": [f"./{REGISTRY}"], "stack": stack if own is None else own.name, "sequences": "sequences"}
    if sequences is not None:
        if not (sequences / LIST).is_file():
            raise UsageError(f"{sequences / LIST}: is missing; vot-toolkit would download the stack's sequences there")
        config["sequences"] = str(sequences.resolve())
        if record is None:
            opened = open_dataset(str(sequences.resolve()))
            # A folder that is no benchmark's is recognised again where the tracker is served.
            dataset, kind = opened.definition.name or str(opened.root), kind or opened.region_kind()
    registry = configparser.ConfigParser(interpolation=None)
    for spec in trackers:
        name = folder_name(spec.label)
        if name in registry:
            raise UsageError(f"two trackers are called '{name}' in vot-toolkit; give each once")
        # The toolkit's parser takes % for the start of a reference.
        registry[name] = {
            "label": spec.title.replace("%", "%%"),
            "protocol": "trax",
            "command": service.command(spec, kind, dataset).replace("%", "%%"),
            "timeout": str(service.timeout),
        }
    text = io.StringIO()
    registry.write(text)
    for name in ("results", "sequences"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if own is not None:
        write_text(folder / own.name, own.read_text(encoding="utf-8"))
    write_text(folder / REGISTRY, text.getvalue())
    write_text(folder / CONFIG, "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    return registry.sections()


def find_stack(stack: str) -> Path | None:
    """Return the file of a user's own stack, or None where ``stack`` is one of the toolkit's.

    Raises:
        UsageError: it is neither.
    """
    from vot.stack import list_integrated_stacks

    path = Path(stack)
    if path.is_file():
        if path.suffix not in (".yaml", ".yml"):
            raise UsageError(f"--stack '{stack}': expected a .yaml file")
        return path
    known = sorted(list_integrated_stacks())
    if stack not in known:
        listed = ", ".join(name for name in known if name.startswith("vot20"))
        raise UsageError(
            f"--stack '{stack}': no such stack or file{suggestion(stack, known)} (vot-toolkit has {listed})"
        )
    return None

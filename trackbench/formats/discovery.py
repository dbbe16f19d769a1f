"""Recognising result trees: which files are trajectories of which sequence, which run, which tracker.

======================================  ==================================================================
``<tracker>/<seq>.txt``                 pysot, LaSOT and TNL2K (``<tracker>_tracking_result/``), TrackingNet
``<tracker>/<param>[_%03d]/<seq>.txt``  pytracking, OSTrack and their kin, a folder a run
``<tracker>/<seq>.txt``, ``times/``     got10k toolkit
``<tracker>/<seq>/<seq>_%03d.txt``      GOT-10k, a file a run
``<seq>_<TRACKER>.mat``                 OTB MATLAB toolkit
``manifest.json``, ``<seq>.txt``        our own store, ``repetition-%03d/`` for further runs
======================================  ==================================================================
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from trackbench.errors import UsageError, suggestion
from trackbench.formats.archives import ENDINGS
from trackbench.formats.names import SIDE, Names
from trackbench.formats.writers import FORMATS
from trackbench.quoting import listed

Shape = Literal["flat", "nested", "mat", "own"]

#: The OSTrack family puts these two benchmarks, and no others, into a folder below the run's.
_BELOW_RUN = ("got10k", "trackingnet")
#: Endings of files with one trajectory each.
TEXTS = ("txt", "csv", "json", "jsonl")
#: Most places at which a name is cut.
MAX_CUTS = 12
_NUMBERED = re.compile(r"(.+)_(\d{3})", re.DOTALL)
_OWN_RUN = re.compile(r"repetition-(\d{3})")


@dataclass(frozen=True)
class DiscoveredResult:
    """A trajectory file."""

    file: str
    written: str
    """The sequence's name as the file has it."""
    run: int
    """Number of the run in the tool's own counting."""

    @property
    def folder(self) -> str:
        """The folder of the file."""
        return self.file.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """The name of the file without its ending."""
        return self.file.rpartition("/")[2].rpartition(".")[0]


@dataclass(frozen=True)
class ResultGroup:
    """What belongs to one tracker."""

    label: str
    """Its folder, or for ``.mat`` files the folder and the tracker's name."""
    shape: Shape
    entries: list[DiscoveredResult] = field(default_factory=list)

    def matched(self, names: Names) -> int:
        """Return how many entries name a sequence."""
        return sum(bool(names.hits(entry.written)) for entry in self.entries)


def find_groups(files: Iterable[str], names: Names, suffix: str | None = None) -> list[ResultGroup]:
    """Return the trackers of a tree of files, sorted by label; files beside trajectories belong to none.

    Args:
        files: all files of the tree.
        names: the sequences' names.
        suffix: how trajectory files end; None: as those of most tools do, `TEXTS`.
    """
    files = list(files)
    own = {file.rpartition("/")[0] for file in files if file.rpartition("/")[2] == "manifest.json"}
    present = set(files)
    endings = TEXTS if suffix is None or suffix == ".txt" else (suffix.lower().lstrip("."),)
    groups: dict[tuple[str, Shape], list[DiscoveredResult]] = defaultdict(list)
    mats: dict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, _, base = file.rpartition("/")
        stem, _, ending = base.rpartition(".")
        if ending.lower() in TEXTS[1:] and (f"{file[: -len(ending)]}txt" in present or _is_below(folder, own)):
            continue  # beside a text it is something else
        if ending.lower() == "mat":
            mats[folder].append(file)
        elif ending.lower() in endings and (names.is_name(stem) or not SIDE.fullmatch(stem)):
            label, shape, entry = _place(file, folder, stem, own)
            groups[label, shape].append(entry)
    joined = _join_runs([ResultGroup(label, shape, entries) for (label, shape), entries in groups.items()])
    for folder, members in mats.items():
        joined += _split_mats(folder, members, names)
    return sorted(joined, key=lambda group: group.label)


def by_names(groups: list[ResultGroup], names: Names) -> list[ResultGroup]:
    """Return groups whose files name their sequences otherwise than by their own name alone, as by that.

    ``<tracker>/<seq>/result.txt`` is called by its folder; ``T_<seq>.txt`` and ``<seq>_T.txt`` share what is added.
    """
    kept: list[ResultGroup] = []
    folders: dict[str, list[DiscoveredResult]] = defaultdict(list)
    for group in groups:
        above, _, last = group.label.rpartition("/")
        within = group.shape == "flat" and not group.matched(names) and above and names.hits(last)
        if not within:
            kept += _without_affix(group, names)
        elif not any(entry.written.lower().startswith("groundtruth") for entry in group.entries):
            for entry in group.entries:
                label = above if len(group.entries) == 1 else f"{above}/{entry.written}"
                folders[label].append(replace(entry, written=last))
    return sorted(
        [*kept, *(ResultGroup(label, "flat", entries) for label, entries in folders.items())], key=lambda g: g.label
    )


def _without_affix(group: ResultGroup, names: Names) -> list[ResultGroup]:
    """Return the trackers of a group of which the files' names are those of sequences with something added to each."""
    if group.shape != "flat" or 2 * group.matched(names) >= len(group.entries):
        return [group]
    options: dict[str, dict[str, str]] = {}
    for entry in group.entries:
        stem = entry.written
        cuts = [match.start() for match in re.finditer(r"[-_. ]", stem)][:MAX_CUTS]
        heads, tails = [0, *(cut + 1 for cut in cuts)], [*cuts, len(stem)]
        parts = {f"{stem[:head]}*{stem[tail:]}": stem[head:tail] for head in heads for tail in tails if head < tail}
        options[entry.file] = {affix: part for affix, part in parts.items() if names.hits(part)}
    shared = Counter(affix for affixes in options.values() for affix in affixes)
    if 2 * sum(map(bool, options.values())) <= len(group.entries):
        return [group]
    trackers: dict[str, list[DiscoveredResult]] = defaultdict(list)
    for entry in group.entries:
        affixes = options[entry.file]
        affix = max(affixes, key=lambda affix: (shared[affix], len(affixes[affix])), default="")
        trackers[affix].append(replace(entry, written=affixes.get(affix, entry.written)))
    if len(trackers) == 1 or (len(trackers) == 2 and "" in trackers):
        return [replace(group, entries=[entry for entries in trackers.values() for entry in entries])]
    return [
        ResultGroup(f"{group.label}/{affix.strip('_*- .')}", "flat", entries) for affix, entries in trackers.items()
    ]


def _is_below(folder: str, places: set[str]) -> bool:
    return any(folder == place or folder.startswith(f"{place}/") for place in places)


def choose(
    groups: list[ResultGroup], names: Names, tool: str | None, only: str | None, where: str, seen: Iterable[str] = ()
) -> ResultGroup:
    """Return the group to import: the one that is asked for, or the only one that fits the data set.

    ``seen`` are the names of all files, of which some are named where none is a result.

    Raises:
        UsageError: there is none, or more than one.
    """
    if tool is not None:
        groups = [group for group in groups if group.shape in FORMATS.get(tool).shapes]
    if not groups:
        kind = f" of the kind that {tool} writes" if tool else ""
        seen = list(seen)
        contents = f" (it holds {listed(seen, 3)}; results end in {', '.join(ENDINGS)})" if seen else ""
        raise UsageError(f"{where}: holds no result files{kind}{contents}{_way(seen)}")
    if only is not None:
        chosen = [group for group in groups if f"/{group.label}".endswith(f"/{only}")]
        if not chosen:
            labels = [group.label for group in groups]
            raise UsageError(f"--only '{only}': {where} holds {listed(labels)}{suggestion(only, labels)}")
        groups = chosen
    if len(groups) > 1:
        # Beside results of other data sets: those of this one are the ones whose names fit.
        fitting = [group for group in groups if 2 * group.matched(names) >= len(group.entries)]
        groups = fitting or [group for group in groups if group.matched(names)] or groups[:1]
    if len(groups) > 1:
        labels = [group.label for group in groups]
        raise UsageError(
            f"{where}: holds results of {len(groups)} trackers ({listed(labels)}); --only NAME takes one, --all each"
        )
    return groups[0]


def _way(seen: list[str]) -> str:
    """Return how files that are no results become some."""
    endings = {file.lower().rpartition(".")[2] for file in seen}
    if endings & {"zip", "gz", "tgz", "tar", "xz", "bz2", "rar", "7z"}:
        return "; unpack the archive within and give its folder"
    if endings & {"pkl", "pickle", "npy", "npz", "pt", "pth"}:
        return "; numpy.savetxt(file, boxes, delimiter=',') writes a file that is read"
    return ""


def guess_tool(group: ResultGroup, files: Iterable[str], family: str, tabs: bool) -> str:
    """Return the id of the tool that most likely wrote the group; what is read does not depend on it.

    Args:
        group: the files.
        files: all files of the tree.
        family: the data set's.
        tabs: the trajectories are separated by tabs.
    """
    if group.shape != "flat":
        return {"nested": "got10k", "mat": "otb-mat", "own": "trackbench"}[group.shape]
    folders = {entry.folder for entry in group.entries}
    beside = [file for file in files if file.rpartition("/")[0] in folders]
    if any(folder.endswith("_tracking_result") for folder in folders):
        return "lasot"
    if any(f"{folder}/times/" in file for folder in folders for file in files):
        return "got10k"
    if any(file.endswith(("_all_scores.txt", "_all_boxes.txt")) for file in beside) or any(
        folder.endswith(tuple(f"/{name}" for name in _BELOW_RUN)) for folder in folders
    ):
        return "ostrack"
    if tabs or any(file.endswith("_time.txt") for file in beside):
        return "pytracking"
    return "trackingnet" if family == "trackingnet" else "pysot"


def time_files(entry: DiscoveredResult, shape: Shape) -> list[str]:
    """Return where the times of a trajectory can be."""
    if shape == "own":
        return [f"{entry.folder}/{entry.written}.time"]
    here = entry.folder + "/" if entry.folder else ""
    stems = dict.fromkeys((entry.written, entry.stem))
    return [
        f"{here}{place.format(stem)}"
        for stem in stems
        for place in ("{}_time.txt", "{}_times.txt", "times/{}_time.txt")
    ]


def score_files(entry: DiscoveredResult, shape: Shape) -> list[str]:
    """Return where the confidences of a trajectory can be."""
    if shape == "own":
        return [f"{entry.folder}/{entry.written}.score"]
    here = f"{entry.folder}/{entry.stem}" if entry.folder else entry.stem
    suffixes = ("_object_presence_scores.txt", "_all_scores.txt", "_scores.txt", "_confidence.txt", "_confidence.value")
    return [here + suffix for suffix in suffixes]


def _place(file: str, folder: str, stem: str, own: set[str]) -> tuple[str, Shape, DiscoveredResult]:
    above, _, parent = folder.rpartition("/")
    if folder in own:
        return folder, "own", DiscoveredResult(file, stem, 1)
    if above in own and (run := _OWN_RUN.fullmatch(parent)):
        return above, "own", DiscoveredResult(file, stem, int(run[1]))
    numbered = _NUMBERED.fullmatch(stem)
    if numbered and numbered[1] == parent:
        return above, "nested", DiscoveredResult(file, parent, int(numbered[2]))
    if stem == parent:
        return above, "nested", DiscoveredResult(file, parent, 1)
    return folder, "flat", DiscoveredResult(file, stem, 1)


def _join_runs(groups: list[ResultGroup]) -> list[ResultGroup]:
    """Join ``<param>_000``, ``<param>_001``, … into one group; numbers that do not count on are part of the names."""
    families: dict[tuple[str, str], dict[int, ResultGroup]] = defaultdict(dict)
    joined: list[ResultGroup] = []
    for group in groups:
        run, slash, below = group.label.rpartition("/")
        if below not in _BELOW_RUN:
            run, slash, below = group.label, "", ""
        numbered = _NUMBERED.fullmatch(run)
        if group.shape == "flat" and numbered:
            families[numbered[1], slash + below][int(numbered[2])] = group
        else:
            joined.append(group)
    for (label, below), members in families.items():
        numbers = sorted(members)
        if len(numbers) == 1 or numbers not in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
            joined += members.values()
            continue
        entries = [replace(entry, run=number) for number in numbers for entry in members[number].entries]
        joined.append(ResultGroup(label + below, "flat", entries))
    return joined


def _split_mats(folder: str, files: list[str], names: Names) -> list[ResultGroup]:
    """Tell sequence from tracker in ``car1_s_ECO_HC``: the tracker's part is the one that most files share."""
    splits: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        stem = file.rpartition("/")[2][: -len(".mat")]
        cuts = [(stem[: cut.start()], stem[cut.end() :]) for cut in re.finditer("_", stem)]
        splits[file] = [(head, tail) for head, tail in [*cuts, (stem, "")] if head and names.hits(head)]
    shared = Counter(tail for options in splits.values() for _, tail in options)
    groups: dict[str, list[DiscoveredResult]] = defaultdict(list)
    for file, options in splits.items():
        stem = file.rpartition("/")[2][: -len(".mat")]
        if not options:
            tails = [tail for tail in shared if tail and stem.endswith(f"_{tail}")]
            tail = max(tails, key=lambda tail: shared[tail], default="")
            options = [(stem.removesuffix(f"_{tail}") if tail else stem, tail)]
        head, tail = max(options, key=lambda option: (shared[option[1]], len(option[0])))
        groups[tail].append(DiscoveredResult(file, head, 1))
    return [ResultGroup("/".join(filter(None, (folder, tail))), "mat", entries) for tail, entries in groups.items()]

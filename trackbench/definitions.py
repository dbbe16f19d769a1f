"""Definitions of trackers and data sets: TOML files that a researcher edits.

The built-in ones travel with the package; a file ``trackers/NAME.toml`` or ``datasets/NAME.toml`` in the working folder
wins over the built-in one of that name. Only the file that is asked for is read, so a broken one harms nothing else.
A file with ``same_as = "OTHER"`` is another definition under a second name; what else it says takes the place of what
the other says, option by option. Where that changes neither class nor options nor weights, both share one checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.file_patterns import FilePatterns
from trackbench.files import read_toml
from trackbench.quoting import printable, shown
from trackbench.registry import Registry as Installed

RegionKind: TypeAlias = Literal["box", "polygon", "mask"]
#: Most sequences of a benchmark: the largest of the field has 30,000.
MAX_SEQUENCES = 1_000_000
#: A text that is printed: on one line, and nothing in it that a terminal would act upon.
Printable: TypeAlias = Annotated[str, AfterValidator(printable)]

#: Family of benchmarks -> whose rules those are. Toolkits' special cases and trackers' settings hang on a family, never
#: on the name of a data set or of its folder.
FAMILIES: dict[str, str] = {
    "generic": "any data set that no toolkit names",
    "otb": "OTB-2013, OTB-50, OTB-100",
    "uav": "UAV123, UAV20L",
    "nfs": "Need for Speed",
    "lasot": "LaSOT, all parts",
    "lasot-ext": "LaSOT's extension, which some toolkits' loaders treat otherwise",
    "tnl2k": "TNL2K, all parts",
    "got10k": "GOT-10k",
    "trackingnet": "TrackingNet",
    "tc128": "Temple Color 128",
    "dtb70": "DTB70",
    "vot": "the short-term challenges of VOT",
    "vasttrack": "VastTrack",
    "avist": "AVisT",
    "totb": "TOTB, Transparent Object Tracking Benchmark",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Card(_Strict):
    """The model card of a tracker: where it comes from and how far it has been verified."""

    paper: str = ""
    code_licence: str = ""
    weights_licence: str = ""
    verified: str = ""
    not_verified: str = ""


class WeightsDefinition(_Strict):
    """The official checkpoint of a tracker variant."""

    files: tuple[str, ...] = ()
    """Its published names; none where it is not published."""
    source: str = ""
    """Where it is published: repository or page, by name, and the folder there."""
    configuration: str = ""
    """How the training program called it: the last part of the ``project_path`` that the file's settings name."""
    note: str = ""


class NamedDataset(_Strict):
    """The option that tells a tracker which data set it runs on."""

    option: str
    tool: str
    """Whose name of the data set it gets; trackbench's where none is known."""


class TrackerDefinition(_Strict):
    """One tracker variant, ``trackers/NAME.toml``."""

    title: Printable
    """The name as papers print it."""
    model: str = Field(alias="class")
    """``module:Class`` of a TrackerModel, or of a Refiner."""
    version: int = 1
    """Raised whenever the tracker's numbers change; part of a run's identity."""
    argument: str | None = None
    """The option that the text after a colon sets: ``opencv:mil`` is definition ``opencv`` with argument ``mil``."""
    variants: str | None = None
    """``module:function`` that names what can stand after the colon and why some of it is not ready."""
    checkpoint: str | None = None
    """The option that ``--weights`` sets, of a tracker that loads a checkpoint itself."""
    dataset_name: NamedDataset | None = None
    """The option that gets the data set's name."""
    pixel_origin: str | None = None
    """The option that gets the coordinate of the first pixel in the data set's boxes, 0 or 1."""
    runs: dict[str, str] = {}
    """Names of trackers that it can run -> what stands after the colon, and the options; for hints."""
    offline: bool = False
    """Whether it sees the whole video before it answers; tables say so, and protocols that restart refuse it."""
    deterministic: bool = True
    """Whether every run gives the same boxes."""
    refiner: bool = False
    """Whether it refines other trackers' boxes (``dcf+alpharefine``) and is no tracker by itself."""
    options: dict[str, Any] = {}
    protocols: dict[str, dict[str, Any]] = {}
    """Options that differ by a protocol (``[protocols.supervised]``)."""
    families: dict[str, dict[str, Any]] = {}
    """Options that differ on a family of benchmarks (``[families.otb]``); they go before those of a protocol."""
    datasets: dict[str, dict[str, Any]] = {}
    """Options that differ on one benchmark (``[datasets.nfs30]``); they go before those of its family."""
    weights: WeightsDefinition | None = None
    """The checkpoint that it needs; None for a tracker without a network."""
    card: Card = Card()

    @field_validator("families")
    @classmethod
    def _families_are_known(cls, families: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for family in families:
            _known_family(family)
        return families


class ToolNames(_Strict):
    """How another tool calls a benchmark and its sequences."""

    dataset: str | None = None
    """The name by which the tool's own functions load it (pytracking's ``get_dataset('otb')``)."""
    folder: str | None = None
    """The folder in which the tool keeps results on it; an empty string: it has none of its own."""
    prefix: str = ""
    """What the tool puts before the names of its sequences."""


class DatasetDefinition(_Strict):
    """One benchmark, ``datasets/NAME.toml``: all that any part of trackbench needs to know of it.

    A folder that is recognised by its layout has the record of the benchmark whose layout that is.
    """

    title: Printable
    family: str = "generic"
    """Whose rules score it, and which of a tracker's settings count: one of `FAMILIES`."""
    origin: Literal[0, 1] = 0
    """The coordinate of the first pixel in its annotation, as stored."""
    layout: str
    """How it lies on disk: the name of a layout, unless ``files`` says it."""
    files: tuple[FilePatterns, ...] = ()
    """How it lies on disk (``[files]``), or the several ways of it (``[[files]]``): a sequence is read in the first one
    in which its annotation is there."""
    table: str | None = None
    """CSV file beside the definition with a line a sequence."""
    subset: str | None = None
    """The word in the table's column ``lists`` that marks this benchmark's sequences."""
    known_by: str | None = None
    """CSV file beside the definition that names the sequences of this and other years (column ``lists``); a folder that
    holds just these is recognised as this benchmark."""
    count: Annotated[int, Field(ge=1, le=MAX_SEQUENCES)] | None = None
    """How many sequences it has, where the table does not name them all: the others are what the folder holds."""
    frames: Annotated[int, Field(ge=1, le=1 << 40)] | None = None
    """How many frames are evaluated in all, where the table does not say it of each sequence."""
    split: str | None = None
    """The part of the download that this is, as the layout names it (``val``, ``TEST``, ``30``)."""
    truth: Literal["whole", "initial"] = "whole"
    """``initial``: the annotation of all frames but the first is withheld, and a server scores."""
    revisions: str | None = None
    """Folder beside the sequences with annotations that replace the original ones (the table's column ``revised``)."""
    version: str = "1"
    protocol: str = "one-pass"
    """By which it is run and scored by default; a name of `trackbench.protocols.catalogue.PROTOCOLS`."""
    convention: str = "official"
    eao_lengths: tuple[int, int] | None = None
    """First and last length, in frames, over which EAO averages; None: all lengths."""
    experiments: tuple[str, ...] = ()
    """Those of its VOT stack, by the toolkit's names; none stands for all three."""
    stack: str | None = None
    """Its stack in vot-toolkit (``vot2018/shortterm``)."""
    server: str | None = None
    """Who scores its submissions: a name of ``trackbench pack``."""
    names: dict[str, ToolNames] = {}
    """Tool -> how it calls the benchmark and its sequences."""
    regions: RegionKind | None = None
    """In which kind of region trackers report; by default in that of the annotation."""
    attributes: dict[str, str] = {}
    """Abbreviation -> meaning, in the benchmark's order."""
    folders: tuple[str, ...] = ()
    """Names that the benchmark's folder goes by below a data root."""
    home: str = ""
    """The official page, by name."""
    tree: str = ""
    """The folder tree as downloaded."""

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """The benchmark's name, which is that of the file; empty for a folder that is no benchmark's."""
        return self._name

    def called(self, name: str) -> DatasetDefinition:
        """Return the same record under the name ``name``."""
        copy = self.model_copy()
        copy._name = name
        return copy

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several(cls, files: Any) -> Any:
        return [files] if isinstance(files, dict) else files

    @model_validator(mode="before")
    @classmethod
    def _lies_somehow(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("files"):
            if "layout" in raw:
                raise ValueError("keys 'layout' and 'files': expected one of them")
            return {**raw, "layout": "patterns"}
        return raw

    @field_validator("family")
    @classmethod
    def _family_is_known(cls, family: str) -> str:
        return _known_family(family)

    def names_in(self, tool: str) -> ToolNames:
        """Return how ``tool`` calls this benchmark; where nothing is known, as trackbench does."""
        return self.names.get(tool, ToolNames())


def _known_family(family: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"unknown family{suggestion(family, FAMILIES)} (known: {', '.join(FAMILIES)})")
    return family


#: The tables of a tracker's definition that say where its options differ.
_LAYERS = ("protocols", "families", "datasets")

D = TypeVar("D", TrackerDefinition, DatasetDefinition)


@dataclass(frozen=True)
class ResolvedDefinition(Generic[D]):
    """A definition and the file it comes from."""

    name: str
    path: Path
    value: D
    builtin: bool
    same_as: str
    """The name under which its weights are kept: its own, unless it only is another definition's second name."""


class Registry(Generic[D]):
    """All definitions of one kind, the working folder's first.

    Args:
        kind: ``trackers`` or ``datasets``.
        schema: what each file must hold.
        noun: what messages call one of them.
    """

    def __init__(self, kind: str, schema: type[D], noun: str) -> None:
        self.kind, self.noun = kind, noun
        self.schema: type[D] = schema
        self._installed: Installed[object] = Installed(
            noun,
            f"trackbench.{kind}",
            lambda found: isinstance(found, type | schema | dict),
            f"a class, a {schema.__name__}, or its keys as a dict",
        )

    def folders(self) -> Iterator[tuple[Path, bool]]:
        """Yield the folders in the order in which they win, and whether each is the built-in one."""
        builtin = content_folder(self.kind)
        own = Path.cwd() / self.kind
        if own.is_dir() and own.resolve() != builtin.resolve():
            yield own, False
        yield builtin, True

    def names(self) -> list[str]:
        """Return the names of all definitions, sorted."""
        return sorted(self._files() | set(self._installed.names()))

    def readable(self) -> Iterator[ResolvedDefinition[D]]:
        """Yield every definition whose file is as it should be, by name."""
        for name in self.names():
            with contextlib.suppress(UsageError):  # is said when that one is asked for
                yield self.get(name)

    def get(self, name: str) -> ResolvedDefinition[D]:
        """Return the definition called ``name`` (case, ``_`` and ``-`` do not matter).

        Raises:
            UsageError: there is none (the message suggests the nearest), or its file is not as it should be.
        """
        if fold_name(name) not in map(fold_name, self._files()) and name in self._installed:
            return self._of_package(self._installed.spelled(name))
        path, builtin = self._find(name)
        raw, same_as = self._read(path), path.stem
        if "same_as" in raw:
            raw, same_as = self._on_another(raw, path)
        return ResolvedDefinition(path.stem, path, self._validated(raw, path), builtin, same_as)

    def _files(self) -> set[str]:
        return {path.stem for folder, _ in self.folders() for path in folder.glob("*.toml")}

    def _of_package(self, name: str) -> ResolvedDefinition[D]:
        """Return what another package has registered by an entry point: a definition, or the class of a tracker."""
        found, point = self._installed.get(name), self._installed.entry_point(name)
        path = Path(f"entry point {name}")
        if isinstance(found, type):
            found = {"title": getattr(found, "title", name), "class": point.value}
        value = found if isinstance(found, self.schema) else self._validated(dict(found), path)  # type: ignore[call-overload]
        if isinstance(value, DatasetDefinition):
            value = value.called(name)
        return ResolvedDefinition(name, path, value, False, name)

    def _find(self, name: str) -> tuple[Path, bool]:
        for folder, builtin in self.folders():
            for path in sorted(folder.glob("*.toml")):
                if fold_name(path.stem) == fold_name(name):
                    return path, builtin
        hint = suggestion(name, self.names())
        raise UsageError(f"unknown {self.noun} '{name}'{hint} (`trackbench list {self.kind}` shows all)")

    def _on_another(self, raw: dict[str, Any], path: Path) -> tuple[dict[str, Any], str]:
        """Return the content of a file with ``same_as``, and the name of the definition whose weights it shares."""
        name = raw["same_as"]
        if not isinstance(name, str):
            raise UsageError(f"{path}: key 'same_as' is {shown(name)}: expected the name of a definition")
        other = self._find(name)[0] if fold_name(name) != fold_name(path.stem) else path
        under = self._read(other)
        if "same_as" in under:
            raise UsageError(f"{path}: key 'same_as' is '{name}': expected a definition that stands by itself")
        own = {key: value for key, value in raw.items() if key != "same_as"}
        tables = {key: _over(under.get(key), own[key]) for key in ("options", "card") if key in own}
        if any(layer in own for layer in _LAYERS):  # settings for one kind of benchmark stand or fall together
            under = {key: value for key, value in under.items() if key not in _LAYERS}
        return {**under, **own, **tables}, path.stem if {"class", "options", "weights"} & set(own) else other.stem

    def _read(self, path: Path) -> dict[str, Any]:
        return read_toml(path)

    def _validated(self, raw: dict[str, Any], path: Path) -> D:
        try:
            valid: D = self.schema.model_validate(raw)
            if isinstance(valid, DatasetDefinition):
                valid = valid.called(path.stem)
        except ValidationError as error:
            raise UsageError(describe_invalid(error, str(path), list(self.schema.model_fields))) from None
        return valid


TRACKERS = Registry("trackers", TrackerDefinition, "tracker")
DATASETS = Registry("datasets", DatasetDefinition, "data set")


def _over(under: Any, own: Any) -> Any:
    """Return ``under`` with the entries of ``own`` in their place, table by table; what is no table is replaced."""
    if not isinstance(under, dict) or not isinstance(own, dict):
        return own
    return under | {key: _over(under.get(key), value) for key, value in own.items()}


def content_folder(kind: str) -> Path:
    """Return the built-in folder ``trackers``, ``datasets`` or ``reports``.

    It lies inside an installed package, and at the top level of a source tree.
    """
    package = Path(__file__).resolve().parent
    installed = package / "content" / kind
    return installed if installed.is_dir() else package.parent / kind


def describe_invalid(error: ValidationError, where: str, known: list[str]) -> str:
    """Return one line that says which keys of ``where`` are wrong, what was found and what was expected."""
    problems = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        if not key:  # what is said of the whole
            problems.append(item["msg"].removeprefix("Value error, "))
            continue
        if item["type"] == "extra_forbidden":
            problems.append(f"unknown key '{key}'{suggestion(key, known)} (known: {', '.join(known) or 'none'})")
        elif item["type"] == "missing":
            problems.append(f"key '{key}' is missing")
        else:
            problems.append(f"key '{key}' is {shown(item['input'])}: {item['msg'][0].lower()}{item['msg'][1:]}")
    more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
    return f"{where}: " + "; ".join(problems[:6]) + more

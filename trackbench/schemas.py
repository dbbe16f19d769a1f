"""What the files that define trackers and data sets hold: the keys of each, with types and meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from trackbench.errors import suggestion
from trackbench.file_patterns import FilePatterns
from trackbench.quoting import printable

RegionKind: TypeAlias = Literal["box", "polygon", "mask"]
#: Most sequences of a benchmark: the largest of the field has 30,000.
MAX_SEQUENCES = 1_000_000
#: Largest length of sequences over which EAO averages: the longest of the field has 30,000 frames.
MAX_LENGTH = 100_000
Length: TypeAlias = Annotated[int, Field(ge=1, le=MAX_LENGTH)]
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


class Download(_Strict):
    """A file that anybody may have, without a form."""

    url: Annotated[str, Field(pattern="^https?://")]
    size: Annotated[int, Field(ge=0)] | None = None
    """Bytes, where known."""
    checksum: Annotated[str, Field(pattern="^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$")] | None = None
    """MD5, SHA-1 or SHA-256 by its length, where known."""
    into: str = ""
    """Folder, below that of the data set, into which the archive is unpacked."""


class WeightsDefinition(_Strict):
    """The official checkpoint of a tracker variant."""

    files: tuple[str, ...] = ()
    """Its published names; none where it is not published."""
    shipped: str | None = None
    """File beside the definition, used where no other weights are kept."""
    source: str = ""
    """Where it is published: repository or page, by name, and the folder there."""
    url: str = ""
    """The file's address, or that of the page that leads to it."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Bytes of the published file, where known."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the published file, where known."""
    configuration: str = ""
    """How the training program called it: the last part of the ``project_path`` that the file's settings name."""
    note: str = ""


class NamedDataset(_Strict):
    """The option that tells a tracker which data set it runs on."""

    option: str
    tool: str
    """Tool whose name of the data set it gets; trackbench's name where the tool has none."""


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
    """Family whose rules score it and whose settings of a tracker apply: one of `FAMILIES`."""
    origin: Literal[0, 1] = 0
    """The coordinate of the first pixel in its annotation, as stored."""
    layout: str
    """How it is laid out on disk: the name of a layout, unless ``files`` says it."""
    files: tuple[FilePatterns, ...] = ()
    """How it is laid out on disk (``[files]``), or the several ways of it (``[[files]]``): a sequence is read in the
    first one in which its annotation is there."""
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
    purpose: Literal["test", "validation", "training"] = "test"
    """What its numbers are for: settings that were searched on a test set are marked in every table."""
    truth: Literal["whole", "initial"] = "whole"
    """``initial``: the annotation of all frames but the first is withheld, and a server scores."""
    revisions: str | None = None
    """Folder beside the sequences with annotations that replace the original ones (the table's column ``revised``)."""
    version: str = "1"
    protocol: str = "one-pass"
    """Default protocol; a name of `trackbench.protocols.catalogue.PROTOCOLS`."""
    convention: str = "official"
    eao_lengths: tuple[Length, Length] | None = None
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
    """Alternative names of its folder under a data root."""
    home: str = ""
    """The official page, by name."""
    url: str = ""
    """The address of the official page."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Bytes of the whole download, where known."""
    downloads: tuple[Download, ...] = ()
    """Archives of which the data set consists, where they may be had without a form."""
    description: str = ""
    """The address of VOT's description of the data set, which says where the archives of each sequence are."""
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

    @field_validator("eao_lengths")
    @classmethod
    def _lengths_ascend(cls, lengths: tuple[int, int] | None) -> tuple[int, int] | None:
        if lengths is not None and lengths[0] > lengths[1]:
            raise ValueError("expected the first length and the last")
        return lengths

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

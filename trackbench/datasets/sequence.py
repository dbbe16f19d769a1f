"""One sequence of a benchmark: its frames, its ground truth, its attributes, all read when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.definitions import DatasetDefinition, RegionKind
from trackbench.errors import DataError
from trackbench.files import reading
from trackbench.regions import Box, Mask, Polygon, Region, Special, region_to_box


@dataclass(frozen=True)
class GroundTruth:
    """The annotation of one sequence of N frames, as stored: nothing is shifted, clipped or repaired."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels; NaN where the data set says so. Polygons and masks: their min-max boxes."""
    regions: tuple[Region, ...] | None = None
    """The N regions where they are more than boxes, else None."""
    absent: NDArray[np.bool_] | None = None
    """(N,): the target is out of view or fully occluded in this frame; None where the data set has no such flag."""
    tags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Attributes of single frames, each (N,) (VOT's ``*.tag`` files, GOT-10k's ``cut_by_image.label``)."""
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Numbers of single frames, each (N,).

    VOT's ``*.value`` files: ``anchor`` starts the runs of multi-start. GOT-10k's ``cover``: visible eighths, 0 to 8.
    """

    @classmethod
    def of_regions(cls, regions: list[Region], **flags: object) -> GroundTruth:
        """Make a ground truth of N regions of any kind."""
        boxes = np.array([region_to_box(region).numbers() for region in regions], np.float64).reshape(-1, 4)
        plain = all(isinstance(region, Box) for region in regions)
        return cls(boxes, None if plain else tuple(regions), **flags)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.boxes)

    @cached_property
    def extent(self) -> tuple[float, float] | None:
        """Width and height, in pixels, of an image that ends where the annotated targets end; None: none is known.

        Frames are at least as large, so that no box is far outside of them that is not far outside of this.

        Example:
            >>> GroundTruth(np.array([[10.0, 10, 40, 30], [np.nan, 0, 0, 0]])).extent
            (50.0, 40.0)
        """
        if not len(self):
            return None
        x, y, w, h = self.boxes.T
        width, height = (float(np.fmax.reduce(ends)) for ends in (x + w, y + h))  # which passes over NaN
        return None if np.isnan(width + height) else (width, height)


class Details(NamedTuple):
    """What a data set's metadata says about a whole sequence."""

    size: tuple[int, int] | None = None
    """(width, height) of the frames in pixels; None where the data set does not say."""
    category: str | None = None
    """Class of the object, by which class-balanced scores average."""
    fps: float | None = None
    """Frames per second of the video, which a real-time protocol goes by."""


def _nothing() -> None:
    return None


@dataclass(eq=False)
class VideoSequence:
    """A sequence whose files are opened only when they are needed.

    Args:
        name: the benchmark's own name of it.
        read_frames: gives the paths of the frames in order; raises DataError where the images are not there.
        read_ground_truth: gives the annotation; raises DataError where it cannot be read.
        attributes: the sequence's attributes, in the benchmark's abbreviations.
        read_details: gives the metadata; raises DataError where they are there and cannot be read.
        annotation_withheld: the benchmark publishes the box of the first frame only (a test split with a server).
        sources: the files that the annotation and the metadata are read from, where listing knows them all; while they
            are unchanged, so is the ground truth.
        read_sentence: gives the sentence that describes the target, or None.
        read_channels: give the images of further sensors (infrared, depth), name -> one image beside each frame; each
            raises DataError where they are not there.
        copies: read other copies of the annotation that lie in the data set's folder, path -> reader; only a check
            compares them.
        cut_surplus_images: images after the last annotated frame are left out; otherwise they are an error.
        read_omitted_starts: gives the ranges of frames (from 0) on which OTB's TRE and SRE start no run.
    """

    name: str
    read_frames: Callable[[], list[Path]]
    read_ground_truth: Callable[[], GroundTruth]
    attributes: tuple[str, ...] = ()
    read_details: Callable[[], Details] = Details
    annotation_withheld: bool = False
    sources: tuple[str | Path, ...] = ()
    read_sentence: Callable[[], str | None] = _nothing
    read_channels: Mapping[str, Callable[[], list[Path]]] = field(default_factory=dict)
    copies: Mapping[str, Callable[[], GroundTruth]] = field(default_factory=dict)
    cut_surplus_images: bool = False
    read_omitted_starts: Callable[[], tuple[range, ...]] = tuple

    def __getstate__(self) -> dict[str, object]:
        # To another process it goes as it was before its files were read.
        return {key: value for key, value in self.__dict__.items() if key not in ("frames", "ground_truth", "details")}

    @cached_property
    def frames(self) -> list[Path]:
        """The paths of the frames, one for each line of the ground truth if that is whole.

        Raises:
            DataError: images are missing, or their number differs from that of the annotations.
        """
        with reading(self.name):
            paths = self.read_frames()
        if self.cut_surplus_images:
            paths = paths[: len(self.ground_truth)]
        if not self.only_first_annotated and len(paths) != len(self.ground_truth):
            raise DataError(
                f"{self.name}: {len(paths)} frames but {len(self.ground_truth)} annotations; expected as many"
            )
        return paths

    @cached_property
    def ground_truth(self) -> GroundTruth:
        """The annotation, read once."""
        with reading(self.name):
            return self.read_ground_truth()

    @cached_property
    def details(self) -> Details:
        """The metadata, read once."""
        with reading(self.name):
            return self.read_details()

    @cached_property
    def sentence(self) -> str | None:
        """Describes the target in words; None where the data set does not."""
        with reading(self.name):
            return self.read_sentence()

    @cached_property
    def omitted_starts(self) -> tuple[range, ...]:
        """Ranges of frames (from 0) on which OTB's TRE and SRE start no run."""
        with reading(self.name):
            return self.read_omitted_starts()

    @cached_property
    def channels(self) -> Mapping[str, list[Path]]:
        """The images of further sensors by name, one beside each frame.

        Raises:
            DataError: images are missing, or their number differs from that of the frames.
        """
        with reading(self.name):
            channels = {name: read() for name, read in self.read_channels.items()}
        for name, paths in channels.items():
            if len(paths) != len(self.frames):
                raise DataError(
                    f"{self.name}: {len(paths)} images of channel '{name}' but {len(self.frames)} frames; "
                    "expected as many"
                )
        return channels

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the frames where the data set's metadata has it."""
        return self.details.size

    @property
    def category(self) -> str | None:
        """Class of the object where the data set's metadata has it."""
        return self.details.category

    @property
    def only_first_annotated(self) -> bool:
        """Whether the annotation ends after the first frame, so that the sequence can be run but not scored.

        Scoring works once the whole annotation of the test split is put in its place.
        """
        return self.annotation_withheld and len(self.ground_truth) == 1

    def __len__(self) -> int:
        return len(self.frames) if self.only_first_annotated else len(self.ground_truth)

    def region(self, index: int) -> Region:
        """Return the annotated region of frame ``index`` (0-based).

        Raises:
            DataError: only the first frame has one.
        """
        if index and self.only_first_annotated:
            raise DataError(
                f"{self.name}: frame {index + 1} has no ground truth; the benchmark publishes the first frame's only"
            )
        regions = self.ground_truth.regions
        return Box.of(self.ground_truth.boxes[index]) if regions is None else regions[index]

    def can_start(self, index: int) -> bool:
        """Whether the ground truth of frame ``index`` is a region that a tracker can start on."""
        region = self.region(index)
        if isinstance(region, Special) or not region_to_box(region).is_valid:
            return False
        return not isinstance(region, Polygon) or bool(np.isfinite(region.points).all())

    def initial_region(self, index: int = 0) -> Region:
        """Return the region with which a tracker starts on frame ``index``.

        Raises:
            DataError: it has no area, or holds something that is not a finite number.
        """
        if not self.can_start(index):
            box = self.ground_truth.boxes[index].tolist()
            raise DataError(
                f"{self.name}: the ground truth of frame {index + 1} is {box} (x, y, w, h); "
                "expected finite numbers and a positive area to start a tracker on"
            )
        box = self.ground_truth.boxes[index]
        if (box[2:] < 1).all() and float(np.nanmax(np.abs(self.ground_truth.boxes))) <= 1.5:
            raise DataError(
                f"{self.name}: the ground truth of frame {index + 1} is {box.tolist()} (x, y, w, h), and all of it "
                "lies between 0 and 1 (fractions of the image?); expected pixels"
            )
        return self.region(index)


@dataclass(frozen=True)
class Dataset:
    """A benchmark as found on disk."""

    name: str
    """Under which runs on it are stored: the benchmark's, or that of the folder."""
    definition: DatasetDefinition
    """The benchmark's record; that of the layout where a folder was recognised by it."""
    root: Path
    sequences: tuple[VideoSequence, ...]
    """The sequences whose annotations are there, in the benchmark's order."""
    of: int
    """How many sequences the benchmark has."""
    missing: tuple[str, ...] = ()
    """Names of the benchmark's sequences that are not on disk."""
    builtin: bool = False
    """Whether its definition travels with trackbench."""

    @property
    def title(self) -> str:
        """As papers print it."""
        return self.definition.title

    @property
    def protocol(self) -> str:
        """The protocol by which it is run and scored by default."""
        return self.definition.protocol

    @property
    def convention(self) -> str:
        """The convention by which it is scored by default."""
        return self.definition.convention

    @property
    def regions(self) -> RegionKind | None:
        """The kind of region in which results are reported; None: that of the annotation."""
        return self.definition.regions

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attribute abbreviations in the benchmark's order."""
        return tuple(self.definition.attributes)

    def members(self) -> dict[str, list[str]]:
        """Return the names of the sequences that carry each attribute."""
        members: dict[str, list[str]] = {attribute: [] for attribute in self.attributes}
        for sequence in self.sequences:
            for attribute in sequence.attributes:
                if attribute in members:
                    members[attribute].append(sequence.name)
        return members

    @property
    def version(self) -> str:
        """Version of the sequence list and of its annotations, part of a run's identity."""
        return self.definition.version

    def titled(self, title: str) -> Dataset:
        """Return the same data set under another title."""
        return replace(self, definition=self.definition.model_copy(update={"title": title}))

    def under(self, protocol: str) -> Dataset:
        """Return the same data set with another protocol as its own."""
        return replace(self, definition=self.definition.model_copy(update={"protocol": protocol}))

    @property
    def shortfall(self) -> str | None:
        """What is said where not all of the benchmark is on disk; None where all is."""
        if len(self.sequences) >= self.of:
            return None
        return f"{self.name}: {len(self.sequences)} of {self.of} sequences are in {self.root}"

    def __getitem__(self, name: str) -> VideoSequence:
        for sequence in self.sequences:
            if sequence.name == name:
                return sequence
        raise KeyError(name)

    def region_kind(self) -> RegionKind:
        """Return the kind of region in which results are reported.

        It is what the definition says, else the richest kind in the annotations that can be read.
        """
        if self.regions is not None:
            return self.regions
        kind: RegionKind = "box"
        for sequence in self.sequences:
            try:
                regions = sequence.ground_truth.regions or ()
            except DataError:  # a run over it reports that
                continue
            if any(isinstance(region, Mask) for region in regions):
                return "mask"
            if any(isinstance(region, Polygon) for region in regions):
                kind = "polygon"
        return kind

"""From the data sets of a recipe to clips on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.roots import candidate_roots
from trackbench.errors import DataError, UsageError
from trackbench.training.data.clips import ClipSet
from trackbench.training.data.imagenet import image_set, video_set
from trackbench.training.data.stills import BOXES, CocoSet, StillSet
from trackbench.training.data.videos import VideoSet, split_sequences
from trackbench.training.data.youtube import bounding_boxes_set, vos_set
from trackbench.training.recipe import DataOptions, SetOptions

Opener = Callable[[str, Path, SetOptions], ClipSet]

PUBLISHED: dict[str, tuple[tuple[str, ...], str, Opener]] = {
    "coco": (
        ("COCO", "coco2017", "COCO2017"),
        "annotations",
        lambda name, root, options: CocoSet(name, root, options.split or "train2017", options.per_image),
    ),
    "imagenet-vid": (
        ("ILSVRC2015", "ILSVRC2015_VID", "ILSVRC", "VID"),
        "Annotations/VID",
        lambda name, root, options: video_set(name, root, options.split or "train+val"),
    ),
    "imagenet-det": (
        ("ILSVRC2015", "ILSVRC2015_DET", "ILSVRC", "DET"),
        "Annotations/DET",
        lambda name, root, options: image_set(name, root, options.split or "train"),
    ),
    "youtube-vos": (
        ("YouTube-VOS", "YouTubeVOS", "ytb_vos"),
        "train/Annotations",
        lambda name, root, options: vos_set(name, root, options.split or "train"),
    ),
    "youtube-bb": (
        ("YouTube-BB", "YouTubeBB", "yt_bb"),
        "",
        lambda name, root, options: bounding_boxes_set(name, root, options.split or "train"),
    ),
}
"""Sets that are no benchmarks: names of their folders, what lies in them, how they are opened."""


@dataclass(frozen=True)
class OpenSet:
    """A data set of a recipe that was found."""

    name: str
    options: SetOptions
    clips: ClipSet
    root: Path


def open_sets(options: DataOptions) -> list[OpenSet]:
    """Open all data sets of a recipe whose share is not 0.

    Raises:
        UsageError: one of them was not found; the message says how to name its folder or to leave it out.
        DataError: one has nothing to train on.
    """
    return [_open(name, table) for name, table in options.sets.items() if table.share]


def _open(name: str, options: SetOptions) -> OpenSet:
    source = options.source or name
    way_out = f"--set data.sets.{name}.root=DIR names its folder, --set data.sets.{name}.share=0 leaves it out"
    if source in PUBLISHED:
        folders, inside, opener = PUBLISHED[source]
        places = [options.root] if options.root else candidate_roots(source, folders, None)
        root = next((place for place in places if place.is_dir() and (place / inside).exists()), None)
        if root is None:
            looked = ", ".join(map(str, places[:3])) or "no root is known"
            raise UsageError(f"training set '{name}': {source} was not found (looked in {looked}); {way_out}")
        clips = opener(name, root, options)
    elif os.sep in source and (Path(source) / BOXES).is_file():
        root = Path(source)
        clips = StillSet(name, root)
    else:
        try:
            dataset = open_dataset(source, options.root)
        except UsageError as error:
            raise UsageError(f"training set '{name}': {error}; {way_out}") from None
        root = dataset.root
        sequences = tuple(s for s in dataset.sequences if s.name not in options.leave_out)
        if options.split is not None:
            sequences = split_sequences(sequences, options.split)
        withheld = [sequence.name for sequence in sequences if sequence.annotation_withheld]
        if withheld:
            raise DataError(f"training set '{name}': the boxes of {source} are withheld; it cannot be trained on")
        clips = VideoSet(name, sequences, options.every)
    if not len(clips):
        raise DataError(f"training set '{name}': {root} holds no target with a box; {way_out}")
    return OpenSet(name, options, clips, root)

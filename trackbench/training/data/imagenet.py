"""ImageNet VID and DET as downloaded (ILSVRC2015): XML annotations beside the images.

``Annotations/VID/train/*/<video>/000000.xml`` has the targets of a frame, told apart by ``trackid``; the frame is
``Data/VID/train/*/<video>/000000.JPEG``. Likewise ``Annotations/DET/train/*/<image>.xml`` and ``Data/DET/train``.
``val`` is below ``VID/val`` likewise, without the level ``*``.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from trackbench.errors import DataError
from trackbench.training.data.index import Entry, IndexedSet, indexed


def video_set(name: str, root: Path, split: str = "train+val") -> IndexedSet:
    """Return ImageNet VID: one clip for each video and track with two boxes at least; frames without it left out.

    Raises:
        DataError: annotations are missing or damaged.
    """
    entries = []
    for part in split.split("+"):
        base = root / "Annotations" / "VID" / part
        entries += indexed(f"vid-{part}", root, base, partial(_videos, root, base))
    return IndexedSet(name, root, entries)


def image_set(name: str, root: Path, split: str = "train") -> IndexedSet:
    """Return ImageNet DET: one clip for each image with a box; of several targets one is drawn.

    Raises:
        DataError: annotations are missing or damaged.
    """
    base = root / "Annotations" / "DET" / split
    return IndexedSet(name, root, indexed(f"det-{split}", root, base, lambda: _images(root, base)), stills=True)


def _videos(root: Path, base: Path) -> list[Entry]:
    entries = []
    for folder, _, files in sorted(os.walk(base)):
        tracks: dict[str, tuple[list[str], list[list[float]]]] = {}
        for file in sorted(files):
            path = Path(folder) / file
            if path.suffix == ".xml":
                for track, box in _targets(path):
                    paths, boxes = tracks.setdefault(track, ([], []))
                    paths.append(_image(root, path))
                    boxes.append(box)
        name = str(Path(folder).relative_to(base))
        entries += [(f"{name}/{track}", *frames) for track, frames in tracks.items() if len(frames[0]) > 1]
    return entries


def _images(root: Path, base: Path) -> list[Entry]:
    entries = []
    for folder, _, files in sorted(os.walk(base)):
        for file in sorted(files):
            path = Path(folder) / file
            boxes = [box for _, box in _targets(path)] if path.suffix == ".xml" else []
            if boxes:
                entries.append((str(path.relative_to(base).with_suffix("")), [_image(root, path)] * len(boxes), boxes))
    return entries


def _image(root: Path, annotation: Path) -> str:
    _, *rest = annotation.relative_to(root).with_suffix(".JPEG").parts
    return str(Path("Data", *rest))


def _targets(path: Path) -> list[tuple[str, list[float]]]:
    """Return track and box x, y, w, h of each target of an annotation; sides are xmax - xmin, as the field has them."""
    try:
        tree = ElementTree.parse(path)
        targets = []
        for target in tree.iter("object"):
            box = target.find("bndbox")
            if box is None:
                raise ValueError("an object without bndbox")
            x1, y1, x2, y2 = (float(box.findtext(key, "")) for key in ("xmin", "ymin", "xmax", "ymax"))
            targets.append((target.findtext("trackid", "0"), [x1, y1, x2 - x1, y2 - y1]))
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise DataError(f"{path}: is no annotation of ImageNet: {error}") from None
    return targets

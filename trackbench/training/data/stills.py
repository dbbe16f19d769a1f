"""Still images with boxes: COCO, and any folder with a ``boxes.csv``."""

from __future__ import annotations

import contextlib
import csv
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError, UsageError
from trackbench.training.data.clips import Clip, ClipSet, Mask, with_area

BOXES = "boxes.csv"


def still_clip(name: str, path: Path, box: NDArray[np.float64], read_mask: Any = None) -> Clip:
    """Return a target in a still image."""
    boxes = np.asarray(box, np.float64).reshape(1, 4)
    return Clip(name, boxes, with_area(boxes), lambda _: path, still=True, read_mask=read_mask)


class StillSet(ClipSet):
    """A folder of images and ``boxes.csv``, a line ``name,x,y,w,h`` for each target; names may lack ``.jpg``.

    Args:
        name: of the set.
        folder: where they lie.

    Raises:
        DataError: the table is missing, lacks a column, or holds something else than numbers.
    """

    stills = True

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        table = folder / BOXES
        self._names: list[str] = []
        boxes = []
        try:
            with table.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                lacking = {"name", "x", "y", "w", "h"} - set(rows.fieldnames or ())
                if lacking:
                    raise DataError(f"{table}: has no column {', '.join(sorted(lacking))}; expected name,x,y,w,h")
                for line, row in enumerate(rows, 2):
                    try:
                        boxes.append([float(row[key]) for key in "xywh"])
                    except (TypeError, ValueError):
                        raise DataError(f"{table}: line {line}: expected four numbers x,y,w,h after the name") from None
                    self._names.append(row["name"])
        except OSError as error:
            raise DataError(f"{table}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{table}: is no text: {error}") from None
        self._boxes = np.array(boxes, np.float64).reshape(-1, 4)

    def __len__(self) -> int:
        return len(self._names)

    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        """See :class:`ClipSet`."""
        name = self._names[index]
        path = self.folder / name
        return still_clip(name, path if path.suffix else path.with_suffix(".jpg"), self._boxes[index])

    def frame_count(self) -> int | None:
        """See :class:`ClipSet`."""
        return len(self)


class CocoSet(ClipSet):
    """COCO as downloaded: ``annotations/instances_<split>.json`` and ``<split>/`` or ``images/<split>/``.

    Args:
        name: of the set.
        folder: where both lie.
        split: ``train2017``, say.
        per_image: whether an item is an image, of which one target is drawn, crowds among them, as SparseTT has it;
            else each target that is no crowd is an item, as in STARK's and pysot's code.

    Raises:
        DataError: the annotation is missing or damaged, or has no boxes.
        UsageError: pycocotools is not installed.
    """

    stills = True

    def __init__(self, name: str, folder: Path, split: str = "train2017", per_image: bool = False) -> None:
        try:
            from pycocotools.coco import COCO
        except ImportError:
            raise UsageError(
                f"data set '{name}': reading COCO needs pycocotools: pip install 'trackbench[train]'"
            ) from None
        self.name, self.per_image = name, per_image
        path = folder / "annotations" / f"instances_{split}.json"
        if not path.is_file():
            raise DataError(f"{path}: is missing; expected COCO's annotations of split '{split}'")
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there
                self._coco = COCO(str(path))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: is no COCO annotation: {error}") from None
        images = folder / split
        self._images = images if images.is_dir() else folder / "images" / split
        every = self._coco.anns.values()
        if per_image:
            self._items: list[list[Any]] = [targets for targets in self._coco.imgToAnns.values() if targets]
        else:
            self._items = [[annotation] for annotation in every if not annotation.get("iscrowd")]
        if not self._items:
            raise DataError(f"{path}: has no boxes to train on")

    def __len__(self) -> int:
        return len(self._items)

    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        """See :class:`ClipSet`; targets have masks."""
        item = self._items[index]
        annotation = item[0 if random is None or len(item) == 1 else int(random.integers(len(item)))]
        image = self._coco.imgs[annotation["image_id"]]
        read = partial(_coco_mask, self._coco, annotation) if annotation.get("segmentation") else None
        return still_clip(str(annotation["id"]), self._images / image["file_name"], annotation["bbox"], read)

    def frame_count(self) -> int | None:
        """See :class:`ClipSet`."""
        return len(self._items)


def _coco_mask(coco: Any, annotation: Any, _: int) -> Mask:
    return np.asarray(coco.annToMask(annotation), np.uint8)

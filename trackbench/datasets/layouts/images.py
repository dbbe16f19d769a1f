"""The frames of a sequence as files: finding their folder, and putting them in order."""

from __future__ import annotations

import os
import re
from pathlib import Path

from trackbench.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Return a sort key by which numbers inside names count as numbers: ``2`` before ``10``."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", name) if part]


def find_child(folder: Path, *names: str) -> Path | None:
    """Return the first of the sub-folders ``names`` that exists."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def image_names(folder: Path) -> list[str]:
    """Return the names of the images directly in ``folder``, in no order; hidden files are none.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}") from None
    return [name for name in names if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and name[0] != "."]


def list_images(folder: Path) -> list[Path]:
    """Return the images directly in ``folder``, in natural order.

    Raises:
        DataError: the folder cannot be listed.
    """
    return [folder / name for name in sorted(image_names(folder), key=natural_key)]


def frames_folder(sequence: str, *places: Path) -> Path:
    """Return the first of ``places`` that is a folder.

    Raises:
        DataError: none is; the frames of ``sequence`` are missing.
    """
    for place in places:
        if place.is_dir():
            return place
    raise DataError(f"the frames of {sequence} are missing; expected in {' or '.join(map(str, places))}")


def numbered_images(sequence: str, folder: Path, numbers: range | None = None) -> list[Path]:
    """Return the images whose names are numbers, in their order, however many leading zeros they have.

    Args:
        sequence: whose frames they are, for messages.
        folder: where the images are; those with other names do not count.
        numbers: the frames wanted; by default all that are there.

    Raises:
        DataError: there are none, one is missing, or two have the same number.
    """
    names = image_names(folder)
    stems = [(os.path.splitext(name)[0], name) for name in names]
    found = {int(stem): name for stem, name in stems if stem.isdecimal()}
    if not found:
        raise DataError(f"the frames of {sequence} are missing; {folder} holds none")
    if len(found) != sum(stem.isdecimal() for stem, _ in stems):
        raise DataError(f"{folder}: several images have the same number; expected one for each frame of {sequence}")
    if numbers is None:
        numbers = range(min(found), max(found) + 1)
    absent = [number for number in numbers if number not in found]
    if absent:
        stem, suffix = os.path.splitext(found[min(found)])
        first = folder / f"{absent[0]:0{len(stem)}d}{suffix}"
        raise DataError(f"{first}: is missing ({len(absent)} of {len(numbers)} frames of {sequence} are)")
    return [folder / found[number] for number in numbers]

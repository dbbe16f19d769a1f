"""The frames of a sequence as files: finding their folder, and putting them in order."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trackbench.errors import DataError

#: How many times as many numbers as images there may be for those to count as missing frames; beyond it, they are no
#: numbers of frames at all.
MOST_GAPS = 100
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Return a sort key by which numbers inside names count as numbers: ``2`` before ``10``."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", name) if part]


def find_child(folder: Path, *names: str) -> Path | None:
    """Return the first of the sub-folders ``names`` that exists, else the first in other letters, as ``Imgs``."""
    exact = next((folder / name for name in names if (folder / name).is_dir()), None)
    return exact or _in_other_letters(folder, names)


def _in_other_letters(folder: Path, names: Sequence[str]) -> Path | None:
    with suppress(OSError):
        found = {entry.name.lower(): entry for entry in os.scandir(folder) if entry.name.lower() in names}
        return next((Path(found[name].path) for name in names if name in found and found[name].is_dir()), None)
    return None


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
    for place in places:
        if (other := _in_other_letters(place.parent, [place.name.lower()])) is not None:
            return other
    raise DataError(f"the frames of {sequence} are missing; expected in {' or '.join(map(str, places))}")


def numbered_images(
    sequence: str,
    folder: Path,
    numbers: range | None = None,
    *,
    first: int | None = None,
    before: str = "",
    after: str = "",
) -> list[Path]:
    """Return the images whose names are numbers, in their order, however many leading zeros they have.

    Args:
        sequence: whose frames they are, for messages.
        folder: where the images are; those with other names do not count.
        numbers: the frames wanted; by default all that are there.
        first: the number of the first of them; by default the lowest.
        before: what every name begins with, before the number.
        after: what follows the number.

    Raises:
        DataError: there are none, one is missing, or two have the same number.
    """
    form = re.compile(rf"{re.escape(before)}(\d+){re.escape(after)}", re.ASCII)
    stems = [(form.fullmatch(os.path.splitext(name)[0]), name) for name in image_names(folder)]
    images: dict[int, str] = {}
    for stem, name in stems:
        if stem is not None and images.setdefault(int(stem[1]), name) != name:
            raise DataError(f"{folder}: several images have the same number; expected one for each frame of {sequence}")
    if not images:
        raise DataError(f"the frames of {sequence} are missing; {folder} holds none")
    if numbers is None:
        lowest, highest = min(images) if first is None else first, max(images)
        if highest - lowest + 1 > MOST_GAPS * len(images):  # time stamps: no number follows the one before
            return [folder / images[number] for number in sorted(images)]
        numbers = range(lowest, highest + 1)
    absent = [number for number in numbers if number not in images]
    if absent:
        lowest = min(images)
        digits = len(os.path.splitext(images[lowest])[0]) - len(before) - len(after)
        path = folder / f"{before}{absent[0]:0{digits}d}{after}{os.path.splitext(images[lowest])[1]}"
        raise DataError(f"{path}: is missing ({len(absent)} of {len(numbers)} frames of {sequence} are)")
    return [folder / images[number] for number in numbers]

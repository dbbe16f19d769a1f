"""Synthetic benchmarks: textured targets over textured grounds, with exactly known ground truth.

The bytes of a set depend on seed, number and size of frames alone, for a given machine and given versions of NumPy
(whose sines may differ in the last bit) and OpenCV (of which only the JPEG encoder is used). Sequence ``i`` is the same
however many there are.

Beside the sequences is ``synthetic.json``, which marks the folder as ours::

    {"schema": 1, "version": 1, "layout": "vot", "truth": "polygon", "seed": 0, "size": [320, 240], "fps": 30,
     "attributes": {"motion_change": "fast motion"},
     "sequences": [{"name": "synth001_translation_deformation", "frames": 120, "attributes": ["motion_change"]}]}

``list.txt``, one name a line, is written last: a folder without it is not complete.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trackbench.datasets.synthetic.effects import EFFECTS, Effect, effects_of, sequence_name
from trackbench.datasets.synthetic.files import write_otb, write_vot
from trackbench.datasets.synthetic.render import FrameTruth, Scene
from trackbench.errors import DataError, UsageError

__all__ = ["EFFECTS", "Effect", "FrameTruth", "Scene", "effects_of", "make_scene", "sequence_name", "synthesize"]

#: Raised whenever the same seed gives other bytes.
VERSION = 1
DESCRIPTION = "synthetic.json"
_LIST = "list.txt"
_STAGING = ".synthesize"
_OWN_NAME = re.compile(r"synth\d{3,}(_[a-z]+)+")


def make_scene(index: int, frames: int = 120, seed: int = 0, size: tuple[int, int] = (320, 240)) -> Scene:
    """Return sequence ``index`` (0-based) of a set, to be drawn frame by frame."""
    return Scene(np.random.SeedSequence(seed, spawn_key=(index,)), effects_of(index), frames, size)


def synthesize(
    folder: Path,
    sequences: int = 12,
    frames: int = 120,
    seed: int = 0,
    layout: Literal["vot", "otb"] = "vot",
    size: tuple[int, int] = (320, 240),
    ground_truth: Literal["polygon", "box", "mask"] | None = None,
    fps: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write a synthetic benchmark; a synthetic one that is already there is replaced once the new one is complete.

    Args:
        folder: where to write; new, empty, or a synthetic set.
        sequences: how many.
        frames: of each sequence.
        seed: decides everything that is random.
        layout: ``vot`` or ``otb``, see :mod:`trackbench.datasets.synthetic.files`.
        size: width and height of the frames in pixels.
        ground_truth: kind of region in the VOT layout, ``polygon`` unless given; the OTB layout holds boxes.
        fps: frames per second, which only the metadata say.
        progress: is told frames written and frames in all.

    Returns:
        The names of the sequences.

    Raises:
        UsageError: an argument is out of range, or the folder holds something else.
        DataError: the folder cannot be written.

    Example:
        >>> synthesize(Path("synth"), sequences=1, frames=30)  # doctest: +SKIP
        ['synth001_translation_deformation']
    """
    ground_truth = ground_truth or ("box" if layout == "otb" else "polygon")
    _check_arguments(sequences, frames, seed, layout, size, ground_truth, fps)
    old = _old_names(folder)
    written = 0

    def count() -> None:
        nonlocal written
        written += 1
        if progress is not None:
            progress(written, sequences * frames)

    entries: list[dict[str, Any]] = []
    attributes: dict[str, str] = {}
    staging = folder / _STAGING
    try:
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(parents=True)
        for index in range(sequences):
            scene, name = make_scene(index, frames, seed, size), sequence_name(index)
            if layout == "vot":
                occurring = {e.tag: e.meaning for e in write_vot(staging / name, scene, ground_truth, fps, count)}
            else:
                occurring = {e.abbreviation: e.meaning for e in write_otb(staging / name, scene, count)}
            attributes.update(occurring)
            entries.append({"name": name, "frames": frames, "attributes": list(occurring)})
        description: dict[str, Any] = {
            "schema": 1,
            "version": VERSION,
            "layout": layout,
            "truth": ground_truth,
            "seed": seed,
        }
        description |= {"size": list(size), "fps": fps, "attributes": attributes, "sequences": entries}
        _replace(folder, old, [entry["name"] for entry in entries], description)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return [entry["name"] for entry in entries]


def read_description(folder: Path) -> dict[str, Any]:
    """Return what ``synthetic.json`` of a synthetic set holds.

    Raises:
        DataError: it is not there, or not one of ours.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if (
        not isinstance(description, dict)
        or description.get("schema") != 1
        or not isinstance(description.get("sequences"), list)
    ):
        raise DataError(f"{path}: does not describe a synthetic set; expected the keys 'schema' (1) and 'sequences'")
    return description


def _check_arguments(
    sequences: int, frames: int, seed: int, layout: str, size: tuple[int, int], ground_truth: str, fps: int
) -> None:
    checks = (
        ("sequences", sequences, 1 <= sequences <= 100_000, "1 to 100000"),
        ("frames", frames, 2 <= frames <= 100_000, "2 to 100000"),
        ("seed", seed, seed >= 0, "0 or more"),
        ("fps", fps, 1 <= fps <= 1000, "1 to 1000"),
        ("size", "{}x{}".format(*size), min(size) >= 64 and max(size) <= 4096, "64x64 to 4096x4096"),
        ("layout", layout, layout in ("vot", "otb"), "vot or otb"),
        ("truth", ground_truth, ground_truth in ("polygon", "box", "mask"), "polygon, box or mask"),
    )
    for name, value, right, expected in checks:
        if not right:
            raise UsageError(f"{name} is {value}; expected {expected}")
    if layout == "otb" and ground_truth != "box":
        raise UsageError(f"truth is {ground_truth}, but the OTB layout holds boxes; use the VOT layout or box")


def _old_names(folder: Path) -> list[str]:
    """Return the names of the sequences of a set that is to be replaced.

    Raises:
        UsageError: the folder holds something that is not ours.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise UsageError(f"{folder}: is a file; expected a folder to write into")
    if not {path.name for path in folder.iterdir()} - {_STAGING}:
        return []
    if not (folder / DESCRIPTION).is_file():
        raise UsageError(f"{folder}: is not empty and not a synthetic set (it has no {DESCRIPTION}); give a new folder")
    names = [str(entry.get("name")) for entry in read_description(folder)["sequences"] if isinstance(entry, dict)]
    return [name for name in names if _OWN_NAME.fullmatch(name)]


def _replace(folder: Path, old: list[str], new: list[str], description: dict[str, Any]) -> None:
    """Put the finished sequences in the place of the old ones; at no time does a broken set look complete."""
    (folder / _LIST).unlink(missing_ok=True)
    for name in old:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    _write(folder / DESCRIPTION, json.dumps(description, indent=2) + "\n")
    for name in new:
        (folder / _STAGING / name).rename(folder / name)
    _write(folder / _LIST, "".join(f"{name}\n" for name in new))


def _write(path: Path, text: str) -> None:
    temporary = path.parent / _STAGING / path.name
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)

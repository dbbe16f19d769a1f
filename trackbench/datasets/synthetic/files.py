"""Synthetic sequences on disk, in the layouts of VOT and OTB.

================================  ============================================  ======================================
file of a sequence                VOT                                           OTB
================================  ============================================  ======================================
frames                            ``color/%08d.jpg`` from 1                     ``img/%04d.jpg`` from 1
ground truth, a line a frame      ``groundtruth.txt``: polygon, box or mask;    ``groundtruth_rect.txt``: x,y,w,h;
                                  ``0`` where no pixel of the target is seen    ``NaN,NaN,NaN,NaN`` there
attributes of frames              ``<tag>.tag``                                 none
attributes of the sequence        by the tag files that are there               ``attributes.txt``: abbreviations
else                              ``sequence``: size, length, fps;              none
                                  ``anchor.value``: starts for multi-start
================================  ============================================  ======================================

Numbers are pixels with three decimals. The pixel in column 0 and row 0 covers x in [0, 1) and y in [0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from trackbench.datasets.synthetic.effects import Effect
from trackbench.datasets.synthetic.render import FrameTruth, Scene
from trackbench.regions import Box, Polygon, Region, Special, format_region

JPEG_QUALITY = 92
#: Frames between the starts of the multi-start protocol, about (VOT2020).
ANCHOR_STEP = 50


def write_vot(folder: Path, scene: Scene, ground_truth: str, fps: int, count: Callable[[], None]) -> list[Effect]:
    """Write a sequence in the layout of VOT; returns the effects that occur in it.

    Args:
        folder: the sequence's folder, which must not exist; its name is the sequence's.
        scene: what to write.
        ground_truth: ``polygon``, ``box`` or ``mask``.
        fps: frames per second, for the metadata.
        count: is called after each frame.
    """
    ground_truths = _write_frames(folder / "color", scene, 8, count)
    effects = _occurring(scene, ground_truths)
    for effect in effects:
        _write_lines(folder / f"{effect.tag}.tag", [str(int(effect.name in each.tags)) for each in ground_truths])
    _write_lines(folder / "anchor.value", [str(value) for value in anchors(ground_truths)])
    width, height = scene.size
    metadata = ["channels.color=color/%08d.jpg", f"fps={fps}", "format=default", f"height={height}"]
    _write_lines(
        folder / "sequence", [*metadata, f"length={len(ground_truths)}", f"name={folder.name}", f"width={width}"]
    )
    _write_lines(folder / "groundtruth.txt", [format_region(_region(each, ground_truth)) for each in ground_truths])
    return effects


def write_otb(folder: Path, scene: Scene, count: Callable[[], None]) -> list[Effect]:
    """Write a sequence in the layout of OTB, with boxes; arguments and result as for :func:`write_vot`."""
    ground_truths = _write_frames(folder / "img", scene, 4, count)
    effects = _occurring(scene, ground_truths)
    _write_lines(folder / "attributes.txt", [" ".join(effect.abbreviation for effect in effects)])
    regions = [_region(each, "box") for each in ground_truths]
    absent = "NaN,NaN,NaN,NaN"
    lines = [absent if isinstance(region, Special) else format_region(region) for region in regions]
    _write_lines(folder / "groundtruth_rect.txt", lines)
    return effects


def anchors(ground_truths: Sequence[FrameTruth]) -> list[int]:
    """Return for each frame 1 (start forwards here), -1 (start backwards) or 0.

    The first and the last frame and those about every 50 between start a run, or the nearest frames in which all of the
    target is seen; it goes where more frames lie.
    """
    total = len(ground_truths)
    clear = [i for i, each in enumerate(ground_truths) if not each.tags & {"occlusion", "outofview"}]
    values = [0] * total
    for place in np.linspace(0, total - 1, max(1, round((total - 1) / ANCHOR_STEP)) + 1):
        if clear:
            index = min(clear, key=lambda i: abs(i - place))
            values[index] = 1 if total - index > index else -1
    return values


def _write_frames(folder: Path, scene: Scene, digits: int, count: Callable[[], None]) -> list[FrameTruth]:
    folder.mkdir(parents=True)
    ground_truths = []
    for index in range(scene.frames):
        image = np.ascontiguousarray(scene.image(index)[..., ::-1])
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        (folder / f"{index + 1:0{digits}d}.jpg").write_bytes(data.tobytes())
        ground_truths.append(scene.ground_truth(index))
        count()
    return ground_truths


def _occurring(scene: Scene, ground_truths: Sequence[FrameTruth]) -> list[Effect]:
    return [effect for effect in scene.effects if any(effect.name in each.tags for each in ground_truths)]


def _region(ground_truth: FrameTruth, kind: str) -> Region:
    if ground_truth.absent:
        return Special(0)
    if kind == "mask":
        return ground_truth.mask
    if kind == "box":
        return Box.of(ground_truth.box.array().round(3))
    return Polygon(ground_truth.polygon.points.round(3))


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")

"""Regions, names and numbers drawn on frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from trackbench.frames import Frame
from trackbench.regions import Box, Mask, Polygon, Region, Special
from trackbench.reports.style import COLOURS

GROUND_TRUTH = "#ffd400"
_OPACITY = 0.4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Drawn:
    """One region on a frame, and what stands beside its name."""

    title: str
    colour: str
    """As ``#rrggbb``."""
    region: Region | None
    note: str = ""
    """Score, overlap, or that the target is lost."""
    alarm: bool = False
    """Whether the note is of a failure."""
    dashed: bool = False


def colour_of(index: int) -> str:
    """Return the colour of the tracker at a place, as in plots."""
    return COLOURS[index % len(COLOURS)]


def draw(image: Frame, drawn: Sequence[Drawn], header: str = "") -> Frame:
    """Return a copy of a frame with regions, and a legend in its upper left corner.

    Args:
        image: uint8 (H, W, 3) RGB.
        drawn: in the order of the legend; the first is drawn last, above the others.
        header: stands above the legend.
    """
    canvas = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 240))
    for item in reversed(drawn):
        if item.region is not None:
            _outline(canvas, item, thickness)
    return _legend(canvas, drawn, header)


def beside(image: Frame, drawn: Sequence[Drawn], ground_truth: Drawn | None = None, header: str = "") -> Frame:
    """Return one panel for each region side by side, in as many rows as make the whole nearly square."""
    columns = max(1, round(np.sqrt(len(drawn) * image.shape[0] / image.shape[1])))
    columns = min(len(drawn), max(columns, -(-len(drawn) // 3)))
    own = [] if ground_truth is None else [ground_truth]
    panels = [draw(image, [item, *own], header) for item in drawn]
    panels += [np.zeros_like(image)] * (-len(panels) % columns)
    rows = [np.hstack(panels[begin : begin + columns]) for begin in range(0, len(panels), columns)]
    return np.vstack(rows)


def _outline(canvas: Frame, item: Drawn, thickness: int) -> None:
    colour = _rgb(item.colour)
    match item.region:
        case Mask():
            pixels = item.region.window(0, 0, canvas.shape[1], canvas.shape[0]).astype(bool)
            canvas[pixels] = (canvas[pixels] * (1 - _OPACITY) + np.array(colour) * _OPACITY).astype(np.uint8)
            rings, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, rings, -1, colour, thickness, cv2.LINE_AA)
        case Box() | Polygon():
            points = item.region.polygon().points if isinstance(item.region, Box) else item.region.points
            if np.isfinite(points).all() and np.abs(points).max() < 1 << 14:
                _ring(canvas, points, colour, thickness, item.dashed)
        case _:
            pass


def _ring(canvas: Frame, points: np.ndarray, colour: tuple[int, int, int], thickness: int, dashed: bool) -> None:
    """Draw a closed line through corners that count from the frame's edge; OpenCV counts from the first centre."""
    shift = 4
    fixed = np.round((points - 0.5) * (1 << shift)).astype(np.int32)
    if not dashed:
        cv2.polylines(canvas, [fixed], True, (0, 0, 0), thickness + 2, cv2.LINE_AA, shift)
        cv2.polylines(canvas, [fixed], True, colour, thickness, cv2.LINE_AA, shift)
        return
    dash = 4.0 * (thickness + 1)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        pieces = max(1, round(float(np.hypot(*(b - a))) / dash))
        for piece in range(0, pieces, 2):
            ends = (a + (b - a) * piece / pieces, a + (b - a) * min(piece + 1, pieces) / pieces)
            line = np.round((np.array(ends) - 0.5) * (1 << shift)).astype(np.int32)
            cv2.polylines(canvas, [line], False, colour, thickness + 1, cv2.LINE_AA, shift)


def _legend(canvas: Frame, drawn: Sequence[Drawn], header: str) -> Frame:
    scale = max(0.35, min(canvas.shape[:2]) / 900)
    step, weight = round(34 * scale), max(1, round(1.4 * scale))
    lines: list[tuple[str, tuple[int, int, int], tuple[int, int, int] | None]] = []
    if header:
        lines.append((header, (255, 255, 255), None))
    for item in drawn:
        text = f"{item.title}  {item.note}".rstrip()
        lines.append((text, (255, 96, 96) if item.alarm else (255, 255, 255), _rgb(item.colour)))
    if not lines:
        return canvas
    plain = [(_ascii(text), tint, mark) for text, tint, mark in lines]
    widths = [cv2.getTextSize(text, _FONT, scale, weight)[0][0] + (step if mark else 0) for text, _, mark in plain]
    width, height = min(canvas.shape[1], max(widths) + step), min(canvas.shape[0], step * len(plain) + step // 2)
    canvas[:height, :width] = (canvas[:height, :width] * 0.45).astype(np.uint8)
    for row, (text, tint, mark) in enumerate(plain):
        y = step * (row + 1) - step // 6
        x = step // 3
        if mark:
            cv2.rectangle(canvas, (x, y - step // 2), (x + step // 2, y), mark, -1)
            x += step
        cv2.putText(canvas, text, (x, y), _FONT, scale, tint, weight, cv2.LINE_AA)
    return canvas


def _ascii(text: str) -> str:
    """Return text in the characters that OpenCV's fonts have."""
    return text.encode("ascii", "replace").decode()


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def note_of(region: Region | None, score: float | None = None, overlap: float | None = None) -> tuple[str, bool]:
    """Return what is said beside a tracker's name, and whether that is a failure."""
    if region is None or (isinstance(region, Special) and region.code == 0):
        return "no answer", False
    if isinstance(region, Special):
        return ("started", False) if region.code == 1 else ("LOST", True)
    parts = []
    if overlap is not None and overlap == overlap:
        parts.append("LOST" if overlap == 0 else f"IoU {overlap:.2f}")
    if score is not None and score == score:
        parts.append(f"score {score:.2f}")
    return "  ".join(parts), overlap == 0

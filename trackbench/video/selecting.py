"""A window in which the user draws the target."""

from __future__ import annotations

import os
import sys

import cv2

from trackbench.errors import UsageError
from trackbench.frames import Frame
from trackbench.regions import Box


def has_display() -> bool:
    """Whether a window can be opened."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def select_box(image: Frame) -> Box:
    """Let the user draw a box on the first frame.

    Raises:
        UsageError: there is no display, OpenCV has no windows, or nothing was drawn.
    """
    if not has_display():
        raise UsageError("no display to draw the target on; give --box X,Y,W,H, or --mask FILE")
    title = "Draw the target, then press Enter"
    try:
        x, y, width, height = cv2.selectROI(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), showCrosshair=True)
        cv2.destroyWindow(title)
    except cv2.error as error:
        raise UsageError(f"OpenCV cannot open a window ({error.err}); give --box X,Y,W,H, or --mask FILE") from None
    if width <= 0 or height <= 0:
        raise UsageError("no box was drawn; draw one, or give --box X,Y,W,H")
    return Box(float(x), float(y), float(width), float(height))

"""trackbench: benchmark toolkit and evaluation harness for single-object visual tracking.

The public face is :func:`load`, which gives any tracker behind one ``init``/``track`` interface.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# Before OpenCV is loaded, which reads it once: an image of a few bytes may claim any number of pixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))

if TYPE_CHECKING:
    from pathlib import Path

    from trackbench.trackers.base import Tracker

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(
    name: str,
    *,
    device: str = "auto",
    weights: Path | None = None,
    random_weights: bool = False,
    **options: object,
) -> Tracker:
    """Return the tracker called ``name``, ready for ``init`` and ``track``.

    Args:
        name: a name of ``trackbench list trackers``, or ``opencv:NAME``, ``got10k:MODULE:CLASS``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        weights: an official checkpoint to use instead of the one kept by ``trackbench weights add``.
        random_weights: use random weights, for tests of speed and plumbing.
        options: options of the tracker's definition, as after ``--set``.

    Raises:
        trackbench.errors.UsageError: unknown name or option.
        trackbench.errors.TrackerError: the tracker has no weights.

    Example:
        >>> import numpy as np, trackbench
        >>> from trackbench.regions import Box
        >>> tracker = trackbench.load("static")
        >>> frame = np.zeros((48, 64, 3), np.uint8)
        >>> tracker.init(frame, Box(4, 5, 6, 7))
        >>> tracker.track(frame).region
        Box(x=4.0, y=5.0, w=6.0, h=7.0)
    """
    from trackbench.trackers.base import Tracker
    from trackbench.trackers.registry import load_model

    return Tracker(load_model(name, device=device, options=options, weights=weights, random_weights=random_weights))

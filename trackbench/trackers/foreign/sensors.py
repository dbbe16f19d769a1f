"""Frames of six channels: colour, and the image of a second sensor beside it, as trackers of RGB-X read them.

The forms are those in which the evaluation scripts of ViPT and its successors give an image to their trackers.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.errors import TrackerError
from trackbench.frames import Frame

Form = Literal["rgb", "colormap", "grey"]


def six_channels(frame: Frame, sensor: NDArray[Any], form: Form, clip: bool = False) -> Frame:
    """Return a frame and the image beside it as one: uint8 (H, W, 6).

    Args:
        frame: uint8 (H, W, 3) RGB.
        sensor: (H, W) or (H, W, 3) RGB, as stored; depth may have 16 bits.
        form: ``rgb``: as it is, grey three times (RGB-T, RGB-E); ``colormap``: stretched to 0 to 255 and coloured by
            OpenCV's JET, in its order blue, green, red (RGB-D); ``grey``: stretched, three times.
        clip: first cut values above three times the median, and above 10 000: depths in mm beyond 10 m.

    Raises:
        TrackerError: the image is not as large as the frame, or its values do not fit the form.
    """
    if sensor.shape[:2] != frame.shape[:2]:
        raise TrackerError(
            f"the second sensor's image is {sensor.shape[1]} x {sensor.shape[0]} pixels; the frame beside it is "
            f"{frame.shape[1]} x {frame.shape[0]}"
        )
    if clip:
        sensor = np.minimum(sensor, min(np.median(sensor) * 3, 10000)).astype(sensor.dtype)
    if form == "rgb":
        if sensor.dtype != np.uint8:
            raise TrackerError(
                f"the second sensor's image has numbers of type {sensor.dtype}; --set sensor_form=colormap for depth"
            )
        three = sensor if sensor.ndim == 3 else np.repeat(sensor[:, :, None], 3, axis=2)
    else:
        stretched: Any = np.zeros_like(sensor)
        cv2.normalize(sensor, stretched, alpha=0, beta=255, norm_type=cv2.NORM_MINMAX)
        grey = stretched.astype(np.uint8)
        if grey.ndim == 3:
            grey = grey[:, :, 0]
        three = (
            cv2.applyColorMap(grey, cv2.COLORMAP_JET) if form == "colormap" else np.repeat(grey[:, :, None], 3, axis=2)
        )
    return np.concatenate([frame, three], axis=2)

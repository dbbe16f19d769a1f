"""Other targets pasted into a search image, so that a tracker learns to look for its own (no paper has it)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame


def paste_distractor(
    frame: Frame, box: NDArray[np.float64], other: Frame, other_box: NDArray[np.float64], random: np.random.Generator
) -> Frame:
    """Return a frame with another target beside its own, as large as it within a factor of 1.4.

    It is an ellipse with a soft edge, so that no rectangle gives it away, one to two target sizes off; where it would
    cover the target's own middle the frame is returned as it is.

    Args:
        frame: uint8 (H, W, 3).
        box: the target, x, y, w, h in pixels, (4,).
        other: the frame that shows the other target.
        other_box: where.
        random: the generator.
    """
    x, y, w, h = (int(v) for v in np.rint(other_box))
    patch = other[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if min(patch.shape[:2]) < 4:
        return frame
    scale = np.sqrt(box[2:].prod() / (patch.shape[0] * patch.shape[1])) * 1.4 ** random.uniform(-1, 1)
    columns, rows = (max(int(side * scale), 4) for side in patch.shape[1::-1])
    height, width = frame.shape[:2]
    if columns >= width or rows >= height:
        return frame
    angle, reach = random.uniform(0, 2 * np.pi), random.uniform(1.0, 2.0)
    middle = box[:2] + box[2:] / 2 + reach * (box[2:] + np.array([columns, rows])) / 2 * (np.cos(angle), np.sin(angle))
    left = int(np.clip(middle[0] - columns / 2, 0, width - columns))
    top = int(np.clip(middle[1] - rows / 2, 0, height - rows))
    overlap = np.minimum(box[:2] + box[2:], (left + columns, top + rows)) - np.maximum(box[:2], (left, top))
    if (overlap > 0.25 * box[2:]).all():
        return frame
    resized = cv2.resize(patch, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    v, u = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    alpha = np.clip((1 - np.hypot(u, v)) * 6, 0, 1)[..., None]
    pasted = frame.copy()
    under = pasted[top : top + rows, left : left + columns]
    under[:] = np.rint(alpha * resized + (1 - alpha) * under).astype(np.uint8)
    return pasted

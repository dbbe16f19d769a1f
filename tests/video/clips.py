"""Small clips that tests write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

COLOURS = {"red": (200, 30, 40), "green": (30, 180, 60), "blue": (40, 50, 190), "grey": (120, 120, 120)}


def picture(index: int, size: tuple[int, int] = (96, 64), colour: tuple[int, int, int] = COLOURS["grey"]) -> np.ndarray:
    """A plain frame with a bright square of 16 pixels, whose left edge moves by 2 pixels a frame."""
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    image[24:40, 8 + 2 * index : 24 + 2 * index] = colour
    return image


def write_clip(
    path: Path,
    frames: int = 10,
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    codec: str = "libx264",
    times: list[float] | None = None,
    turn: float | None = None,
    colour: tuple[int, int, int] = COLOURS["grey"],
    **options: str,
) -> Path:
    """Write a clip of :func:`picture`; ``times`` in seconds make its rate variable, ``turn`` is a rotation flag."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        if turn is not None:
            stream.set_display_rotation(turn)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size, colour), format="rgb24")
            frame.pts = round(1000 * (times[index] if times else index / 25))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def left_edge(image: np.ndarray) -> int:
    """The column in which the square of :func:`picture` begins."""
    middle = image[32].astype(int).max(axis=1)
    return int(np.flatnonzero(middle > (60 + middle.max()) / 2)[0])

"""simplejpeg gives OpenCV's pixels to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg

from trackbench.frames import read_frame

SUBSAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What simplejpeg is asked to decode."""
    calls: list[str] = []
    decode = simplejpeg.decode_jpeg

    def spy(content: bytes, *args: Any, **options: Any) -> Any:
        calls.append("decoded")
        return decode(content, *args, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", spy)
    return calls


def picture(height: int = 75, width: int = 101) -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (3, 3), 0)


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("quality", [20, 75, 100])
@pytest.mark.parametrize("subsampling", SUBSAMPLING)
def test_the_pixels_are_opencvs(
    tmp_path: Path, asked: list[str], subsampling: str, quality: int, progressive: int
) -> None:
    flags = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLING[subsampling], cv2.IMWRITE_JPEG_QUALITY, quality]
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), picture(), [*flags, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
    found, expected = read_frame(path), read_frame(path, decoder="opencv")
    assert asked == ["decoded"]
    assert found.dtype == expected.dtype == np.uint8
    assert np.array_equal(found, expected)
    assert found.flags.c_contiguous


def test_real_frames(crossing: Path, asked: list[str]) -> None:
    paths = sorted(crossing.rglob("*.jpg"))[:20]
    assert all(np.array_equal(read_frame(path), read_frame(path, decoder="opencv")) for path in paths)
    assert len(asked) == len(paths) == 20


def test_what_simplejpeg_would_read_otherwise_is_left_to_opencv(tmp_path: Path) -> None:
    grey, png, rotated = tmp_path / "grey.jpg", tmp_path / "a.png", tmp_path / "rotated.jpg"
    cv2.imwrite(str(grey), picture()[..., 0])
    cv2.imwrite(str(png), picture())
    png.rename(tmp_path / "png.jpg")  # a name says little
    cv2.imwrite(str(rotated), picture())
    content = rotated.read_bytes()
    # One entry: orientation (0x0112), a short, 6: to be turned by a right angle.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    rotated.write_bytes(content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:])
    for path in (grey, tmp_path / "png.jpg", rotated):
        assert np.array_equal(read_frame(path), read_frame(path, decoder="opencv"))
    assert read_frame(rotated).shape == (101, 75, 3)

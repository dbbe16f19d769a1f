"""simplejpeg gives OpenCV's pixels to the last bit, and leaves to OpenCV what it would read otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from trackbench.errors import DataError, UsageError
from trackbench.frames import read_frame
from trackbench.frames.decoders import check_decoder, read_with

simplejpeg = pytest.importorskip("simplejpeg", reason="the extra simplejpeg is not installed")

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
    found, expected = read_with("simplejpeg", path), read_frame(path)
    assert asked == ["decoded"]
    assert found.dtype == expected.dtype == np.uint8
    assert np.array_equal(found, expected)
    assert found.flags.c_contiguous


def test_real_frames(crossing: Path, asked: list[str]) -> None:
    paths = sorted(crossing.rglob("*.jpg"))[:20]
    assert all(np.array_equal(read_with("simplejpeg", path), read_frame(path)) for path in paths)
    assert len(asked) == len(paths) == 20


def test_what_simplejpeg_would_read_otherwise_is_left_to_opencv(tmp_path: Path, asked: list[str]) -> None:
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
        assert np.array_equal(read_with("simplejpeg", path), read_frame(path))
    assert read_frame(rotated).shape == (101, 75, 3)
    assert asked == []


def outcome(read: Any, path: Path) -> bytes | str:
    try:
        image: np.ndarray = read(path)
    except DataError as error:
        return str(error)
    return image.tobytes()


def test_a_damaged_file_gives_what_opencv_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), picture(200, 300))
    whole = path.read_bytes()
    cut, flipped = whole[:-2000], bytearray(whole)
    flipped[-3000] ^= 0x55
    for content in (cut, bytes(flipped), whole + b"more", b"\xff\xd8\xff no image", b""):
        path.write_bytes(content)
        assert outcome(lambda path: read_with("simplejpeg", path), path) == outcome(read_frame, path)
    with pytest.raises(DataError, match="cannot be read"):
        read_with("simplejpeg", tmp_path / "none.jpg")


def test_the_name_of_a_decoder_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_decoder("opencv") == "opencv"
    assert check_decoder("simplejpeg") == "simplejpeg"
    with pytest.raises(UsageError, match="--decoder 'nvjpeg': expected opencv or simplejpeg"):
        check_decoder("nvjpeg")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"it is not installed; pip install 'trackbench\[simplejpeg\]'"):
        check_decoder("simplejpeg")

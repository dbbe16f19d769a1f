"""Images that are damaged, cut off, turned, or claim to be enormous."""

from __future__ import annotations

import io
import logging
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trackbench.errors import DataError
from trackbench.frames import MAX_PIXELS, read_frame, read_image
from trackbench.frames.jpeg import decode_jpeg


def picture() -> NDArray[np.uint8]:
    noise = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (5, 5), 0), np.uint8)


def encoded(form: str = "jpeg", mode: str = "RGB", **how: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture()).convert(mode).save(stream, form, **how)
    return stream.getvalue()


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\x55\xaa" * 20 + data[middle + 40 :]


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        *(("RGB", {"subsampling": sampling}) for sampling in (0, 1, 2)),
        *(("RGB", {"progressive": True}), ("RGB", {"keep_rgb": True}), ("L", {}), ("CMYK", {})),
        ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}),
    ],
)
def test_jpegs_have_the_pixels_that_opencv_gives(tmp_path: Path, mode: str, how: dict[str, Any]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(mode=mode, **how))
    expected = cv2.imread(str(path))
    assert expected is not None
    np.testing.assert_array_equal(read_frame(path), expected[..., ::-1])
    assert read_frame(path).shape == ((160, 120, 3) if "exif" in how else (120, 160, 3))


def test_damage_is_named_with_its_file_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "0005.jpg"
    path.write_bytes(damaged(encoded()))
    with caplog.at_level(logging.WARNING):
        assert read_frame(path).shape == read_frame(path).shape == (120, 160, 3)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{path}: is damaged, and decoded as far as it goes: Corrupt JPEG data")
    with pytest.raises(DataError, match=r"0005\.jpg: is damaged: Corrupt JPEG data"):
        read_frame(path, strict=True)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_is_refused(tmp_path: Path, left: float, progressive: bool) -> None:
    data = encoded(progressive=progressive)
    path = tmp_path / "0001.jpg"
    path.write_bytes(data[: max(int(len(data) * left), 700)])
    with pytest.raises(DataError, match=r"0001\.jpg: is cut off"):
        read_frame(path)


def test_a_jpeg_of_a_header_alone_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "0001.jpg"
    path.write_bytes(encoded()[:100])
    with pytest.raises(DataError, match="is not a readable image"):
        read_frame(path)


def test_checksums_of_other_forms_are_compared_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = encoded("png")
    head = data.index(b"IHDR") + 4
    path.write_bytes(data[: head + 13] + bytes([data[head + 13] ^ 1]) + data[head + 14 :])
    with pytest.raises(DataError, match=r"a\.png: is (damaged|not a readable image)"):
        read_frame(path, strict=True)
    for form in ("png", "bmp", "webp", "tiff", "ppm"):
        path = tmp_path / f"a.{form}"
        path.write_bytes(encoded(form))
        assert read_frame(path, strict=True).shape == (120, 160, 3)


def enormous_png(side: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def enormous_bmp(side: int) -> bytes:
    data = bytearray(encoded("bmp"))
    data[18:26] = side.to_bytes(4, "little") * 2
    return bytes(data)


@pytest.mark.parametrize("make", [enormous_png, enormous_bmp])
@pytest.mark.parametrize("side", [16_000, 2_000_000])
def test_more_pixels_than_any_frame_has_are_refused(tmp_path: Path, make: object, side: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make(side))  # type: ignore[operator]
    for read in (read_frame, read_image):
        with pytest.raises(DataError, match="pixels"):
            read(path)


def test_a_jpeg_that_claims_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(DataError, match=r"a\.jpg: claims 160 x 120 pixels; expected at most 100"):
        decode_jpeg(Path("a.jpg"), encoded(), 100)
    assert MAX_PIXELS > 8000 * 6000


def test_what_is_saved_instead_of_an_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0001.jpg"
    for content, said in (
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "is a pointer of Git LFS, not the image: `git",
        ),
        (b"<html>429 Too many requests</html>", "is a text such as a web page, not an image"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"0001.jpg: {said}"):
            read_frame(path)


def test_a_damaged_png_is_told_of_in_one_line_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded("png")
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.png: is damaged"):
        read_frame(tmp_path / "a.png", strict=True)
    assert capfd.readouterr() == ("", "")


def png(rows: bytes, *before: tuple[bytes, bytes], header: bytes = b"\x08\x02\0\0\0", end: bool = True) -> bytes:
    """A PNG of 4 x 3 pixels, with chunks before its pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    size = (4).to_bytes(4, "big") + (3).to_bytes(4, "big")
    chunks = [(b"IHDR", size + header), *before, (b"IDAT", zlib.compress(rows)), *[(b"IEND", b"")] * end]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


ROWS = b"".join(b"\0" + bytes(range(12 * row, 12 * row + 12)) for row in range(3))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(ROWS, end=False), "is cut off, a PNG image without its end"),
        (png(ROWS)[:-30], "is cut off, a PNG image without its end"),
        # libpng would make room for what the part of the pixels says of itself.
        (png(ROWS)[:33] + b"\x60\0\0\0" + png(ROWS)[37:], "is cut off, a PNG image without its end"),
        (
            png(ROWS).replace(b"IDAT", b"IDAT", 1)[:-17] + b"\0" + png(ROWS)[-16:],
            "is damaged: IDAT has a wrong checksum",
        ),
        (png(ROWS, (b"A\x1bCD", b"")), "is damaged: .*is no part of a PNG"),
        (png(ROWS[:20]), "is damaged: image file is truncated"),
        (png(b"\x09" + ROWS[1:]), "is damaged: unrecognized data stream"),
        (png(bytes(15), header=b"\x08\x03\0\0\0"), "is damaged: has no palette"),
        (png(b"\x09" + ROWS[1:] * 2, header=b"\x10\x02\0\0\0"), "is damaged: unrecognized data stream"),
        (encoded("bmp")[:5000], "is not a readable image"),
        (encoded("tiff")[:5000], "is not a readable image"),
    ],
)
def test_damage_is_one_line_and_decoders_print_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    path = tmp_path / "0001.png"
    path.write_bytes(data)
    for read in (read_frame, read_image):
        with pytest.raises(DataError, match=rf"^{path}: {said}"):
            read(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "before", [(b"iCCP", b"x\0\0no profile"), (b"tIME", b"1"), (b"eXIf", b"nothing"), (b"tEXt", b"a\0b")]
)
def test_pngs_whose_notes_are_damaged_have_their_pixels(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], before: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(ROWS + bytes(50), before) + b"something after the end")
    assert read_frame(path).tobytes() == b"".join(ROWS[row * 13 + 1 : row * 13 + 13] for row in range(3))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        *((mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        ("P", {"transparency": 3}),
        ("P", {"bits": 4}),
        ("RGB", {"interlace": True, "optimize": True}),
        ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}),
    ],
)
def test_pngs_have_the_pixels_that_opencv_gives(tmp_path: Path, mode: str, how: dict[str, Any]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("png", mode, **how))
    assert_read_as_by_opencv(path)


@pytest.mark.parametrize("grey", [False, True])
def test_deep_pngs_have_the_pixels_that_opencv_gives(tmp_path: Path, grey: bool) -> None:
    path = tmp_path / "a.png"
    deep = picture().astype(np.uint16) * 251
    assert cv2.imwrite(str(path), deep[..., 0] if grey else deep)
    assert_read_as_by_opencv(path)
    assert read_image(path).dtype == np.uint16


def assert_read_as_by_opencv(path: Path) -> None:
    for read, flags in (
        (read_frame, cv2.IMREAD_COLOR),
        (read_image, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR),
    ):
        expected = cv2.imread(str(path), flags)
        assert expected is not None
        np.testing.assert_array_equal(read(path), expected if expected.ndim == 2 else expected[..., ::-1], strict=True)


@pytest.mark.parametrize(
    "how", [{"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}, {}]
)
def test_damaged_jpegs_of_rare_forms_are_told_of_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, how: dict[str, Any]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(damaged(encoded(mode="RGB" if how else "CMYK", **how)))
    with caplog.at_level(logging.WARNING):
        read_frame(path)
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [f"{path}: is damaged"]
    assert capfd.readouterr() == ("", "")


def test_pixels_that_are_fractions_are_called_that(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.fromarray(picture()[..., 0].astype(np.float32)).save(path)
    with pytest.raises(DataError, match=r"a\.tiff: has pixels of float32; expected 8 or 16 bits"):
        read_frame(path)

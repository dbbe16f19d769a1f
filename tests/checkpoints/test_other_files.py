"""What is often saved instead of weights is named, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, not a file of weights: the download failed"),
        (b"Quota exceeded. Too many users", "is a text \\('Quota exceeded. Too many users'\\), not a file of weights"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", "is a web page"),
        (b'<?xml version="1.0"?><Error>', "is a web page"),
        (b'{"error": 404}', "is a JSON document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS.*git lfs pull"),
        (b"\x1f\x8b\x08" + bytes(30), "compressed with gzip: unpack it first"),
        (b"\x89HDF\r\n\x1a\n", "not a file of weights \\(begins with"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_state(tmp_path / "x.pth")

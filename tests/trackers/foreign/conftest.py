"""A short video, and modules that a test writes into the working folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def frames() -> list[np.ndarray]:
    """Eight frames of 40 x 60 pixels; the red of frame i is 10 i, its green 100, its blue 200."""
    return [np.dstack([np.full((40, 60), v, np.uint8) for v in (10 * i, 100, 200)]) for i in range(8)]


@pytest.fixture
def dataset(here: Path, frames: list[np.ndarray]) -> Path:
    """Two sequences ``a`` and ``b`` of eight frames, in folders that any benchmark command takes."""
    for name in "ab":
        folder = here / "videos" / name
        (folder / "img").mkdir(parents=True)
        for i, frame in enumerate(frames):
            cv2.imwrite(str(folder / "img" / f"{i:04d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        (folder / "groundtruth.txt").write_text("5,6,20,10\n" * len(frames))
    return here / "videos"


@pytest.fixture
def write(here: Path) -> Callable[[str, str], Path]:
    """Write a file below the working folder."""

    def writer(name: str, text: str) -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return writer

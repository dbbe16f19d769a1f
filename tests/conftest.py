"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference material; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("TRACKBENCH_REFERENCE", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference material at {folder} (set TRACKBENCH_REFERENCE)")
    return folder


@pytest.fixture(scope="session")
def crossing(reference: Path) -> Path:
    """A data root that holds one real OTB sequence, Crossing (120 frames, 360x240)."""
    return reference / "sequences"

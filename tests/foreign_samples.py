"""Targets for foreign trackers, as tests start them."""

from __future__ import annotations

from pathlib import Path

from trackbench.trackers.base import Target, Video


def target(region: object, length: int = 8, **rest: object) -> Target:
    """A target in a sequence ``a``."""
    return Target(region, video=Video("a", [Path(f"{i}.png") for i in range(length)]), **rest)  # type: ignore[arg-type]

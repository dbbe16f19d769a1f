"""Measured sizes and speeds as the papers print them: millions of parameters, billions of multiply-adds, fps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trackbench.errors import fold_name
from trackbench.results.profiles import read_profiles
from trackbench.scoring import Score
from trackbench.scoring.stored import Runs


def stored_profiles(runs: Runs, trackers: Sequence[str] | None = None) -> list[Score]:
    """Return what ``trackbench profile`` has measured, as scores on no data set under the papers' names of columns.

    Args:
        runs: the folder of all runs, or several of them.
        trackers: labels, or names of trackers; None means all.

    Raises:
        DataError: a file is not as it should be.
    """
    roots = [runs] if isinstance(runs, Path) else runs
    wanted = None if trackers is None else {fold_name(name) for name in trackers}
    profiles = [_score(document) for root in roots for document in read_profiles(root)]
    return [
        score
        for score in profiles
        if wanted is None or {fold_name(score.tracker), fold_name(score.tracker.partition("@")[0])} & wanted
    ]


def columns(profile: dict[str, Any]) -> dict[str, float | None]:
    """Return a measurement under the papers' names of columns.

    Papers call multiply-adds FLOPs, those of the template and of one search image together. Their speed is that of the
    tracker on decoded frames.
    """
    parts = [profile.get("template_flops"), profile.get("frame_flops")]
    flops = None if None in parts else sum(part for part in parts if part is not None)
    parameters, size = profile.get("parameters"), profile.get("search_size")
    return {
        "params (M)": None if parameters is None else parameters / 1e6,
        "flops (G)": None if not flops else flops / 2e9,
        "search size (px)": size,
        "fps": profile.get("speeds", {}).get("tracker", {}).get("fps"),
    }


def _score(profile: dict[str, Any]) -> Score:
    return Score(
        tracker=profile["tracker"],
        title=profile["title"],
        dataset="",
        protocol="profile",
        convention=profile["device_name"],
        sequences=1,
        of=1,
        repetitions=1,
        run={"device": profile["device"]},
        metrics=columns(profile),
        manifest={"identity": profile["identity"]},
    )

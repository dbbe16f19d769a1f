"""What the tests against the official code's records share: weights from an official file, crops of both OpenCVs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from official import official_state
from small_sparsett import SmallSparseTT
from torch import Tensor

from trackbench.checkpoints.reader import read_state
from trackbench.trackers.base import Prediction
from trackbench.trackers.matching import match_checkpoint
from trackbench.trackers.zoo.sparsett.tracker import MEAN, STD, SparseTT, SparseTTOptions, SparseTTState

SETTINGS = {
    "got10k": {},
    "otb2015": {"test_lr": 0.626, "window_influence": 0.2549, "penalty_k": 0.053},
    "uav123": {"test_lr": 0.7364, "window_influence": 0.2398, "penalty_k": 0.0734},
}


def weights_of(
    reference: Path, options: SparseTTOptions, variant: str = "sparsett_got10k", folder: Path | None = None
) -> dict[str, Tensor]:
    """Return a variant's deterministic weights under our names; with ``folder`` by way of an official file there."""
    state = official_state(reference, "sparsett", variant)
    if folder is not None:
        path = folder / "epoch-19.pkl"
        moments = {"step": 3, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
        groups = [{"lr": 1e-6, "betas": (0.9, 0.999), "params": [0]}]
        document = {
            "epoch": 19,
            "model_state_dict": OrderedDict(state),
            "optimizer_state_dict": {"state": {0: moments}, "param_groups": groups},
        }
        torch.save(document, path)
        state = read_state(path)
        path.unlink()
    found = match_checkpoint(state, SparseTT, options)
    assert found.complete, (found.unknown, found.missing, found.misshapen)
    assert len(found.unused) == 13
    return found.weights


def network_input(crop: Any) -> Tensor:
    """Return a recorded crop, uint8 (H, W, 3) BGR, as the network takes it."""
    rgb = torch.from_numpy(crop[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    return (rgb - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def installed_crop(frames: Any, centres: Any, sides: Any, size: int, borders: Any) -> Any:
    """Return what ``aligned_crop`` does in the pixels of the installed OpenCV."""
    crops = []
    for frame, centre, side, border in zip(frames, centres, sides, borders, strict=True):
        half = np.float32((side - 1) / 2)
        low, high = centre.astype(np.float32) - half, centre.astype(np.float32) + half
        slope = (high - low) / np.float32(size - 1)
        matrix = np.array([[slope[0], 0, low[0]], [0, slope[1], low[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crops.append(cv2.warpAffine(frame, matrix, (size, size), flags=flags, borderValue=[float(b) for b in border]))
    return np.stack(crops)


def state_from_truth(state: Any, box: Any) -> None:
    """Set a target's geometry to an annotation, rounded as the official code does."""
    x, y, w, h = box.astype(np.float32)
    state.x, state.y = float(x + (w - 1) / 2), float(y + (h - 1) / 2)
    state.w, state.h = float(w), float(h)


def relative(found: Any, expected: Any) -> float:
    """Return the greatest difference over the greatest expected value."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def choices(settings: dict[str, float], scores: Any, boxes: Any, last: Any) -> list[Prediction]:
    """Return a tracker's answers in a frame of 320x240 pixels if its network said this of each target's cells.

    Args:
        settings: its options.
        scores: (B, 361).
        boxes: (B, 361, 4).
        last: where each target was before, x, y, w, h (B, 4).
    """
    answer = torch.from_numpy(scores), torch.from_numpy(boxes)
    tracker = SmallSparseTT(SparseTTOptions.model_validate(settings))
    tracker.network.track = lambda _search, _memory: answer  # type: ignore[method-assign,assignment]
    states = [SparseTTState(0, 0, 0, 0, (0, 0, 0), torch.zeros(1)) for _ in last]
    for state, box in zip(states, last, strict=True):
        state_from_truth(state, box)
    return tracker.step([np.zeros((240, 320, 3), np.uint8)] * len(states), states)

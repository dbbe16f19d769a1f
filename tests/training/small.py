"""Small trainings: a data set, networks of few channels, and recipes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import nn

from trackbench.nn.layers.swin import SwinSize
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.network import NetworkSize, SparseTTNetwork
from trackbench.training.recipe import Recipe, load_recipe
from trackbench.training.session import Session, open_session

OPTIONS: dict[str, dict[str, Any]] = {
    "simtrack-b16": {
        "width": [32],
        "depth": [2],
        "heads": [2],
        "template_size": 32,
        "search_size": 64,
        "foveal_size": 16,
        "pretraining_size": 64,
    },
    "sbt-base": {
        "search_size": 64,
        "template_size": 32,
        "backbone": {
            "dims": [8, 16, 32],
            "heads": [1, 2, 4],
            "depths": [1, 1, 2],
            "cross": [[], [], [2]],
            "expansions": [2, 2, 2],
            "drop_path": 0.0,
        },
    },
    "aiatrack": {
        "network": {
            "search_size": 64,
            "channels": 16,
            "heads": 2,
            "feed_forward": 32,
            "encoder_layers": 1,
            "inner_channels": 8,
            "dropout": 0.0,
        }
    },
    "siamattn": {"channels": 16, "backbone_width": 8},
    "sparsett": {},
}


def write_videos(folder: Path, count: int = 3, frames: int = 12, size: tuple[int, int] = (96, 128)) -> Path:
    """Write sequences with a textured rectangle that moves over noise; returns the folder."""
    random = np.random.default_rng(3)
    height, width = size
    for number in range(count):
        place = folder / f"video{number}"
        place.mkdir(parents=True)
        ground = cv2.resize(random.integers(0, 160, (height // 8, width // 8, 3), np.uint8), (width, height))
        w, h = 24 + 4 * number, 20
        patch = random.integers(120, 256, (h, w, 3), np.uint8)
        lines = []
        for index in range(frames):
            x, y = 20 + 3 * index, 30 + 2 * ((index * (number + 1)) % 7)
            image = ground.copy()
            image[y : y + h, x : x + w] = patch
            cv2.imwrite(str(place / f"{index + 1:08d}.jpg"), image)
            lines.append(f"{x},{y},{w},{h}")
        (place / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return folder


def small_recipe(name: str, videos: Path, **changes: Any) -> Recipe:
    """Return a recipe of a small network, trained on one folder of videos."""
    found = load_recipe(name)
    changed: dict[str, Any] = {f"data.sets.{key}.share": 0 for key in found.data.sets}
    changed |= {f"options.{key}": value for key, value in OPTIONS[name].items()}
    changed |= {"data.sets.videos": {"source": str(videos)}, "data.min_frames": 8, "batch": 4, "data.samples": 8}
    return load_recipe(name, changed | changes)


def small_session(name: str, videos: Path, **changes: Any) -> Session:
    """Return the session of a small recipe."""
    return open_session(name, small_recipe(name, videos, **changes))


def small_network(session: Session) -> nn.Module:
    """Return its network; SparseTT's has no options for its width, so a small one takes its place."""
    if session.name == "sparsett":
        focus = FocusSize(1, 1, 32, width=16, heads=2, hidden=32, dropout=0.0)
        size = NetworkSize(focus, head_width=32, bottlenecks=1)
        swin = SwinSize(8, (1, 1, 2, 1), (1, 2, 2, 4))
        return SparseTTNetwork(size, swin)
    network = session.build_network()
    if session.name == "aiatrack":
        # Frozen norms tame nothing: without pre-trained statistics, sixteen residual blocks would explode.
        for name, buffer in network.named_buffers():
            if name.endswith("bn3.weight"):
                buffer.fill_(0.1)
    return network

"""What further targets of one video cost sam2, which share its image encoder.

It runs the package sam2 with random weights in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names. The first argument
is the size of the image that the encoder sees, 512 by default and 1024 in the published configurations.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.registry import find_tracker

PYTHON = os.environ.get("TRACKBENCH_FOREIGN_PYTHON", sys.executable)
CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
WEIGHTS = f"""
import torch
from sam2.build_sam import build_sam2_video_predictor
torch.manual_seed(0)
torch.save({{"model": build_sam2_video_predictor("{CONFIG}", None, device="cpu").state_dict()}}, "sam2.pt")
"""


def seconds_a_frame(count: int, weights: Path, frames: list[np.ndarray], size: int) -> list[float]:
    """Return the time of each step with ``count`` targets."""
    options = {"python": PYTHON, "overrides": [f"++model.image_size={size}"]}
    model = find_tracker("sam2:" + CONFIG, options=options, weights=weights).build("cpu")
    targets = [Target(Box(20 + 60 * i, 40, 50, 60)) for i in range(count)]
    states = model.start([frames[0]] * count, targets)
    times = []
    for frame in frames[1:]:
        began = time.perf_counter()
        model.step([frame] * count, states)
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    frames = [np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8) for i in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PYTHON, "-c", WEIGHTS], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        one, four = (np.median(seconds_a_frame(count, Path(folder, "sam2.pt"), frames, size)) for count in (1, 4))
    print(f"one target {one:.2f} s a frame of {size} pixels, four {four:.2f} s: {four / one:.2f} times")


if __name__ == "__main__":
    main()

"""What a process of its own costs a foreign tracker: a tracker that does nothing, inside and outside, a 720p frame."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.registry import find_tracker

IDLE = """
class Idle:
    def init(self, image, box):
        self.box = box

    def track(self, image):
        return self.box
"""


def seconds_a_frame(isolated: bool, frames: list[np.ndarray], folder: str) -> float:
    options = {"isolated": isolated, "repo": folder}
    model = find_tracker("python:idle:Idle", options=options).build("cpu")
    states = model.start(frames[:1], [Target(Box(5, 6, 20, 30))])
    times = []
    for index in range(300):
        began = time.perf_counter()
        model.step([frames[index % len(frames)]], states)
        times.append(time.perf_counter() - began)
    return float(np.median(times[20:]))


def main() -> None:
    frames = [np.random.default_rng(i).integers(0, 256, (720, 1280, 3), np.uint8) for i in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "idle.py").write_text(IDLE)
        inside, outside = (seconds_a_frame(isolated, frames, folder) for isolated in (False, True))
    copy = time.perf_counter()
    for frame in frames * 10:
        frame.copy()
    copy = (time.perf_counter() - copy) / (len(frames) * 10)
    print(f"in this process {inside * 1e3:.3f} ms, in its own {outside * 1e3:.3f} ms a 720p frame")
    print(f"overhead {(outside - inside) * 1e3:.3f} ms = {(outside - inside) / copy:.1f} copies of the frame")


if __name__ == "__main__":
    main()

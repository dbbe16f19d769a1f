"""What further targets of one video cost sam2, here and in the package's own loop; both share the image encoder.

    python -m benchmarks.foreign_video [SIZE [CONFIG]]

SIZE is that of the image that the encoder sees: 512 by default, 1024 in the published configurations. The package has
random weights and runs in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names, on one thread; times are those of its
processor, so that other programs do not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.foreign.client import Worker
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.registry import find_tracker

PYTHON = os.environ.get("TRACKBENCH_FOREIGN_PYTHON", sys.executable)
COUNTS = (1, 4)
FRAMES = 6
BOXES = [Box(20 + 60 * i, 40, 50, 60) for i in range(max(COUNTS))]

#: Writes random weights, and prints the seconds of each frame of the package's own loop, for each number of targets.
OWN_LOOP = f"""
import json, sys, time
import numpy as np, torch
from sam2 import sam2_video_predictor as home
from sam2.build_sam import build_sam2_video_predictor
size, config = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
predictor = build_sam2_video_predictor(config, None, "cpu", hydra_overrides_extra=[f"++model.image_size={{size}}"])
torch.save({{"model": predictor.state_dict()}}, "sam2.pt")
home.load_video_frames = lambda **given: ([torch.randn(3, size, size) for _ in range({FRAMES})], 240, 320)
home.tqdm = lambda frames, **given: frames
seconds = {{}}
for count in {COUNTS}:
    with torch.inference_mode():
        state = predictor.init_state("")
        for k in range(count):
            box = np.array([20 + 60 * k, 40, 70 + 60 * k, 100], np.float32)
            predictor.add_new_points_or_box(state, frame_idx=0, obj_id=k, box=box)
        began = [time.process_time() for _ in predictor.propagate_in_video(state)]
    seconds[count] = np.diff(began).tolist()
print(json.dumps(seconds))
"""


def through_the_door(count: int, weights: Path, size: int, config: str) -> list[float]:
    """Return the processor's seconds of each step with ``count`` targets."""
    options = {"python": PYTHON, "overrides": [f"++model.image_size={size}"]}
    model = find_tracker("sam2:" + config, options=options, weights=weights).build("cpu")
    assert isinstance(model, ForeignModel)
    peer = model._peer
    assert isinstance(peer, Worker)
    process = psutil.Process(peer._process.pid)
    frames = [np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8) for i in range(FRAMES)]
    states = model.start([frames[0]] * count, [Target(box) for box in BOXES[:count]])
    ends = [sum(process.cpu_times()[:2])]
    for frame in frames[1:]:
        model.step([frame] * count, states)
        ends.append(sum(process.cpu_times()[:2]))
    return list(np.diff(ends))


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "512"
    config = sys.argv[2] if len(sys.argv) > 2 else "configs/sam2.1/sam2.1_hiera_t.yaml"
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        command = [PYTHON, "-W", "ignore", "-c", OWN_LOOP, size, config]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        own = json.loads(done.stdout)
        ours = {count: through_the_door(count, Path(folder, "sam2.pt"), int(size), config) for count in COUNTS}
    for what, seconds in (("own loop", [own[str(count)] for count in COUNTS]), ("door", [ours[n] for n in COUNTS])):
        one, four = (float(np.median(times)) for times in seconds)
        print(f"{config}, {size} pixels, {what}: 1 target {one:.2f} s a frame, 4 targets {four / one:.2f} times that")


if __name__ == "__main__":
    main()

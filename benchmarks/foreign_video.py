"""What further targets of one video cost sam2 and transformers, whose image encoder they share.

    python -m benchmarks.foreign_video [SIZE [CONFIG]]

SIZE is that of the image that the encoder sees: 512 by default, 1024 in the published configurations. CONFIG is one of
sam2's, which is compared with the package's own loop, or `hf`: Sam2Video of transformers, as large as hiera_b+. The
packages have random weights and run in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names, on one thread; times are
those of its processor, so that other programs do not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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


#: Writes a model of transformers with random weights.
SAM2_VIDEO = """
import sys
import torch, transformers
S = int(sys.argv[1])
torch.manual_seed(0)
backbone = dict(model_type="sam2_hiera_det_model", image_size=[S, S], hidden_size=112, num_attention_heads=2,
    embed_dim_per_stage=[112, 224, 448, 896], blocks_per_stage=[2, 3, 16, 3],
    num_attention_heads_per_stage=[2, 4, 8, 16], window_size_per_stage=[8, 4, 14, 7],
    global_attention_blocks=[12, 16, 20])
vision = dict(backbone_config=backbone, backbone_channel_list=[896, 448, 224, 112],
    backbone_feature_sizes=[[S // 4] * 2, [S // 8] * 2, [S // 16] * 2])
transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision,
    prompt_encoder_config=dict(image_size=S), image_size=S,
    memory_attention_rope_feat_sizes=[S // 16, S // 16])).save_pretrained("model")
size = {"height": S, "width": S}
transformers.Sam2VideoProcessor(image_processor=transformers.Sam2ImageProcessor(size=size),
    video_processor=transformers.Sam2VideoVideoProcessor(size=size)).save_pretrained("model")
"""


def through_the_door(count: int, name: str, options: dict[str, Any], weights: Path | None) -> list[float]:
    """Return the processor's seconds of each step with ``count`` targets."""
    model = find_tracker(name, options={"python": PYTHON, **options}, weights=weights).build("cpu")
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
    seconds: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        script = SAM2_VIDEO if config == "hf" else OWN_LOOP
        command = [PYTHON, "-W", "ignore", "-c", script, size, config]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        weights: Path | None = None
        options: dict[str, Any] = {}
        if config == "hf":
            name = f"hf:{folder}/model"
        else:
            name, weights = "sam2:" + config, Path(folder, "sam2.pt")
            options["overrides"] = [f"++model.image_size={size}"]
            seconds["own loop"] = {int(count): times for count, times in json.loads(done.stdout).items()}
        seconds["door"] = {count: through_the_door(count, name, options, weights) for count in COUNTS}
    for what, times in seconds.items():
        one, four = (float(np.median(times[count])) for count in COUNTS)
        print(f"{config}, {size} pixels, {what}: 1 target {one:.2f} s a frame, 4 targets {four / one:.2f} times that")


if __name__ == "__main__":
    main()

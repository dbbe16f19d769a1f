"""The doors to sam2 and transformers against the packages' own loops over a whole video, with random weights.

It runs in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names (default: this one), and is skipped where that lacks the
package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from foreign_samples import target
from PIL import Image

from trackbench.frames import Frame
from trackbench.regions import Box
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.foreign.client import Worker
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.registry import find_tracker

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("TRACKBENCH_FOREIGN_PYTHON", sys.executable)
COUNT, HEIGHT, WIDTH = 60, 96, 128
START = Box(10, 15, 32, 24)

#: Writes a random model into the working folder, and the masks of its own loop over frames.npy into masks.npy.
TRANSFORMERS = """
import numpy as np, torch
from transformers import Sam2ImageProcessor, Sam2VideoConfig, Sam2VideoModel, Sam2VideoProcessor
from transformers import Sam2VideoVideoProcessor
torch.manual_seed(0)
S = 128
backbone = dict(model_type="sam2_hiera_det_model", image_size=[S, S], hidden_size=16,
    embed_dim_per_stage=[16, 32, 64, 128],
    blocks_per_stage=[1, 1, 1, 1], num_attention_heads=1, num_attention_heads_per_stage=[1, 2, 4, 8],
    window_size_per_stage=[8, 4, 16, 8], global_attention_blocks=[])
vision = dict(backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16],
    backbone_feature_sizes=[[S // 4] * 2, [S // 8] * 2, [S // 16] * 2])
config = Sam2VideoConfig(vision_config=vision, prompt_encoder_config=dict(image_size=S), image_size=S,
    memory_attention_rope_feat_sizes=[S // 16, S // 16])
model = Sam2VideoModel(config).eval()
model.save_pretrained("model")
size = {"height": S, "width": S}
processor = Sam2VideoProcessor(image_processor=Sam2ImageProcessor(size=size),
    video_processor=Sam2VideoVideoProcessor(size=size))
processor.save_pretrained("model")
frames = np.load("frames.npy")
session = processor.init_video_session(video=frames, inference_device="cpu")
processor.add_inputs_to_inference_session(session, frame_idx=0, obj_ids=1, input_boxes=[[[10, 15, 42, 39]]])
masks = []
with torch.inference_mode():
    model(session, frame_idx=0)
    for output in model.propagate_in_video_iterator(session):
        mask = processor.post_process_masks([output.pred_masks], [list(frames.shape[1:3])], binarize=False)[0]
        masks.append((mask > 0).reshape(frames.shape[1:3]).numpy())
np.save("masks.npy", masks)
"""

#: The same of the package sam2, whose loop reads a folder of JPEG images.
SAM2 = """
import numpy as np, torch
from sam2.build_sam import build_sam2_video_predictor
torch.manual_seed(0)
config = "configs/sam2.1/sam2.1_hiera_t.yaml"
predictor = build_sam2_video_predictor(config, None, device="cpu", hydra_overrides_extra=["++model.image_size=128"])
torch.save({"model": predictor.state_dict()}, "sam2.pt")
with torch.inference_mode():
    state = predictor.init_state("images")
    box = np.array([10, 15, 42, 39], np.float32)
    predictor.add_new_points_or_box(state, frame_idx=0, obj_id=0, box=box)
    masks = [(logits[0, 0] > 0).numpy() for _, _, logits in predictor.propagate_in_video(state)]
np.save("masks.npy", masks)
"""


def video(count: int) -> list[Frame]:
    """A patch that moves over a background and back."""
    rng = np.random.default_rng(0)
    background = np.asarray(cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (WIDTH, HEIGHT)), np.uint8)
    patch = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (32, 24))
    frames = []
    for i in range(count):
        frame, step = background.copy(), min(i % 60, 60 - i % 60)
        frame[15 + step : 39 + step, 10 + 2 * step : 42 + 2 * step] = patch
        frames.append(frame)
    return frames


def official(package: str, script: str, folder: Path) -> Path:
    """Return the folder into which a script has written a random model and the masks of its own loop."""
    if subprocess.run([PYTHON, "-c", f"import {package}, torch"], capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} has no {package}; TRACKBENCH_FOREIGN_PYTHON names a Python that has")
    done = subprocess.run([PYTHON, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of transformers."""
    folder = tmp_path_factory.mktemp("transformers")
    np.save(folder / "frames.npy", np.array(video(COUNT)))
    return official("transformers", TRANSFORMERS, folder)


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sam2; its images are what a JPEG file keeps of the frames."""
    folder = tmp_path_factory.mktemp("sam2")
    (folder / "images").mkdir()
    for i, frame in enumerate(video(COUNT)):
        cv2.imwrite(str(folder / f"images/{i:05d}.jpg"), frame)
    return official("sam2", SAM2, folder)


def of_sam2(folder: Path) -> ForeignModel:
    options = {"python": PYTHON, "overrides": ["++model.image_size=128"]}
    spec = find_tracker("sam2:configs/sam2.1/sam2.1_hiera_t.yaml", options=options, weights=folder / "sam2.pt")
    model = spec.build("cpu")
    assert isinstance(model, ForeignModel)
    return model


def check(model: TrackerModel[Any], frames: list[Frame], expected: np.ndarray) -> None:
    """Masks of one target are those expected; another one in the same frames shares their features, unseen."""
    states = model.start([frames[0]] * 2, [target(Box(60, 40, 30, 40), COUNT), target(START, COUNT)])
    for i in range(1, COUNT):
        answer = model.step([frames[i]] * 2, states)[1]
        assert answer.mask is not None
        assert np.array_equal(answer.mask.window(0, 0, WIDTH, HEIGHT), expected[i]), f"frame {i}"


def test_masks_of_transformers_are_those_of_its_own_loop(transformers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(transformers)
    model = find_tracker("hf:model", options={"python": PYTHON}).build("cpu")
    check(model, video(COUNT), np.load(transformers / "masks.npy"))


def test_masks_of_sam2_are_those_of_its_own_loop(sam2: Path) -> None:
    frames = [np.array(Image.open(path).convert("RGB")) for path in sorted((sam2 / "images").iterdir())]
    check(of_sam2(sam2), frames, np.load(sam2 / "masks.npy"))


def test_memory_of_sam2_is_constant_over_a_long_video(sam2: Path) -> None:
    """Frame 300 needs no more than frame 60."""
    model, frames = of_sam2(sam2), video(60)
    states = model.start([frames[0]], [target(START, 301)])
    needed = {}
    peer = model._peer
    assert isinstance(peer, Worker)
    for i in range(1, 301):
        model.step([frames[i % 60]], states)
        if i in (60, 300):
            needed[i] = psutil.Process(peer._process.pid).memory_info().rss
    assert needed[300] < 1.02 * needed[60]

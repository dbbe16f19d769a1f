"""The door to transformers against the own loop of its model over a whole video, with random weights.

It runs in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names (default: this one), and is skipped where that lacks the
package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from foreign_samples import target

from trackbench.frames import Frame
from trackbench.regions import Box
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


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model and the masks of its own loop."""
    if subprocess.run([PYTHON, "-c", "import transformers, torch"], capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} has no transformers; TRACKBENCH_FOREIGN_PYTHON names a Python that has")
    folder = tmp_path_factory.mktemp("transformers")
    np.save(folder / "frames.npy", np.array(video(COUNT)))
    done = subprocess.run([PYTHON, "-c", TRANSFORMERS], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_masks_are_those_of_the_whole_video_loop(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(official)
    model, frames = find_tracker("hf:model", options={"python": PYTHON}).build("cpu"), video(COUNT)
    expected = np.load(official / "masks.npy")
    # Another target of the same frames shares their features, and must not be seen.
    states = model.start([frames[0]] * 2, [target(Box(60, 40, 30, 40), COUNT), target(START, COUNT)])
    for i in range(1, COUNT):
        answer = model.step([frames[i]] * 2, states)[1]
        assert answer.mask is not None
        assert np.array_equal(answer.mask.window(0, 0, WIDTH, HEIGHT), expected[i]), f"frame {i}"

"""The doors to sam2 and transformers against those packages' own loops over a whole video, with random weights.

They run in the Python that ``TRACKBENCH_FOREIGN_PYTHON`` names (default: this one), and are skipped where that lacks a
package. ``make test-foreign`` makes such an environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
from foreign_samples import moving_patch, target

from trackbench.regions import Box
from trackbench.trackers.foreign.client import Worker
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.registry import find_tracker

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("TRACKBENCH_FOREIGN_PYTHON", sys.executable)
COUNT, HEIGHT, WIDTH = 60, 96, 128
START = Box(10, 15, 32, 24)

#: Each script writes a random model into the working folder, and the masks of its own loop over frames.npy into
#: masks.npy. The loader of sam2 reads a folder of files that are called JPEG; as PNG they lose nothing.
SAM2 = """
import os
import numpy as np, torch
from PIL import Image
from sam2.build_sam import build_sam2_video_predictor
torch.manual_seed(0)
predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_t.yaml", None, device="cpu",
    hydra_overrides_extra=["++model.image_size=128"])
torch.save({"model": predictor.state_dict()}, "model.pt")
os.mkdir("video")
for i, frame in enumerate(np.load("frames.npy")):
    with open(f"video/{i:05d}.jpg", "wb") as file:
        Image.fromarray(frame).save(file, "PNG")
with torch.inference_mode():
    state = predictor.init_state("video")
    predictor.add_new_points_or_box(state, frame_idx=0, obj_id=0, box=np.array([10, 15, 42, 39], np.float32))
    masks = [(logits[0, 0] > 0).numpy() for _, _, logits in predictor.propagate_in_video(state)]
np.save("masks.npy", masks)
"""

TRANSFORMERS = """
import numpy as np, torch, transformers
from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor
torch.manual_seed(3)
S = {size}
{model}
# Random objects are often taken for hidden, and masks are then empty.
torch.nn.init.constant_(model.mask_decoder.pred_obj_score_head.proj_out.bias, 10)
model.save_pretrained("model")
# Weights from a file lie at other addresses in memory, where some sums of torch round otherwise.
model = type(model).from_pretrained("model", dtype=torch.float32).eval()
size = {{"height": S, "width": S}}
processor = {processor}
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

SAM2_VIDEO = """
backbone = dict(model_type="sam2_hiera_det_model", image_size=[S, S], hidden_size=16,
    embed_dim_per_stage=[16, 32, 64, 128],
    blocks_per_stage=[1, 1, 1, 1], num_attention_heads=1, num_attention_heads_per_stage=[1, 2, 4, 8],
    window_size_per_stage=[8, 4, 16, 8], global_attention_blocks=[])
vision = dict(backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16],
    backbone_feature_sizes=[[S // 4] * 2, [S // 8] * 2, [S // 16] * 2])
model = transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision,
    prompt_encoder_config=dict(image_size=S), image_size=S, memory_attention_rope_feat_sizes=[S // 16, S // 16],
    memory_attention_num_layers=2, memory_attention_feed_forward_hidden_size=128))
"""

EDGETAM_VIDEO = """
backbone = transformers.TimmWrapperConfig(architecture="repvit_m1",
    model_args=dict(in_chans=3, features_only=True, out_indices=[0, 1, 2, 3]))
vision = transformers.EdgeTamVisionConfig(backbone_config=backbone, backbone_channel_list=[384, 192, 96, 48],
    backbone_feature_sizes=[[S // 4] * 2, [S // 8] * 2, [S // 16] * 2])
model = transformers.EdgeTamVideoModel(transformers.EdgeTamVideoConfig(vision_config=vision,
    prompt_encoder_config=dict(image_size=S), image_size=S, memory_attention_rope_feat_sizes=[S // 16, S // 16],
    memory_attention_rope_k_sizes=[4, 4], perceiver_resampler_num_latents=16, perceiver_resampler_num_latents_2d=16,
    memory_attention_mlp_hidden_size=128))
"""

SAM3_TRACKER_VIDEO = """
backbone = dict(model_type="sam3_vit_model", image_size=S, pretrain_image_size=56, patch_size=14, hidden_size=32,
    intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, window_size=4, global_attn_indexes=[1])
config = transformers.Sam3TrackerVideoConfig(
    vision_config=dict(model_type="sam3_vision_model", backbone_config=backbone),
    prompt_encoder_config=dict(image_size=S, patch_size=14))
config.image_size = config.vision_config.backbone_config.image_size = S
model = transformers.Sam3TrackerVideoModel(config)
"""

OF_SAM2 = "Sam2VideoProcessor(image_processor=Sam2ImageProcessor(size=size), \
video_processor=Sam2VideoVideoProcessor(size=size))"
OF_SAM3 = "transformers.Sam3TrackerVideoProcessor(image_processor=transformers.Sam3ImageProcessor(size=size), \
video_processor=Sam2VideoVideoProcessor(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3))"


class Case(NamedTuple):
    """A model: what has to be there, what makes it, and how the door calls it."""

    packages: str
    script: str
    name: str
    options: dict[str, Any]
    weights: Path | None


def of_transformers(model: str, size: int, processor: str = OF_SAM2, packages: str = "transformers") -> Case:
    script = TRANSFORMERS.format(model=model, size=size, processor=processor)
    return Case(packages + ", torchvision", script, "hf:model", {}, None)


CASES = {
    "sam2": Case(
        "sam2",
        SAM2,
        "sam2:configs/sam2.1/sam2.1_hiera_t.yaml",
        {"overrides": ["++model.image_size=128"]},
        Path("model.pt"),
    ),
    "sam2_video": of_transformers(SAM2_VIDEO, 128),
    "edgetam_video": of_transformers(EDGETAM_VIDEO, 128, packages="transformers, timm"),
    "sam3_tracker_video": of_transformers(SAM3_TRACKER_VIDEO, 112, OF_SAM3),
}


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    """Name of a case -> the folder with its random model, its frames and the masks of its own loop."""
    return {}


@pytest.fixture
def official(
    request: pytest.FixtureRequest,
    folders: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The name of a case, whose folder is the working folder."""
    name: str = request.param
    case = CASES[name]
    asked = subprocess.run([PYTHON, "-c", f"import torch, {case.packages}"], capture_output=True, text=True)
    if asked.returncode:
        pytest.skip(f"{PYTHON}: {asked.stderr.splitlines()[-1]}; TRACKBENCH_FOREIGN_PYTHON names another Python")
    if name not in folders:
        folder = tmp_path_factory.mktemp(name)
        np.save(folder / "frames.npy", np.array(moving_patch(COUNT, HEIGHT, WIDTH)))
        done = subprocess.run([PYTHON, "-c", case.script], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        folders[name] = folder
    monkeypatch.chdir(folders[name])
    return name


def built(official: str) -> ForeignModel:
    case = CASES[official]
    model = find_tracker(case.name, options={"python": PYTHON, **case.options}, weights=case.weights).build("cpu")
    assert isinstance(model, ForeignModel)
    return model


@pytest.mark.parametrize("official", CASES, indirect=True)
def test_masks_are_those_of_the_whole_video_loop(official: str) -> None:
    expected = np.load("masks.npy")
    assert len(expected) == COUNT
    assert 0.05 < expected.mean() < 0.95
    assert (expected[1:] != expected[:-1]).any((1, 2)).mean() > 0.25
    model, frames = built(official), moving_patch(COUNT, HEIGHT, WIDTH)
    # Another target of the same frames shares their features, and must not be seen.
    states = model.start([frames[0]] * 2, [target(Box(60, 40, 30, 40), COUNT), target(START, COUNT)])
    differ = []
    for i in range(1, COUNT):
        answer = model.step([frames[i]] * 2, states)[1]
        assert answer.mask is not None
        differ.append(int((answer.mask.window(0, 0, WIDTH, HEIGHT) != expected[i]).sum()))
    assert sum(differ) == 0, f"pixels that differ in each frame: {differ}"


@pytest.mark.parametrize("official", ["sam2", "sam2_video"], indirect=True)
def test_frame_300_needs_no_more_memory_than_frame_60(official: str) -> None:
    model, frames = built(official), moving_patch(COUNT, HEIGHT, WIDTH)
    peer = model._peer
    assert isinstance(peer, Worker)
    states, resident = model.start([frames[0]], [target(START, 301)]), {}
    for i in range(1, 301):
        model.step([frames[i % COUNT]], states)
        if i in (60, 300):
            resident[i] = psutil.Process(peer._process.pid).memory_info().rss
    assert resident[300] < 1.02 * resident[60], resident

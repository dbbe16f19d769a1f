"""Packages in the shapes of sam2 and transformers, small enough to be run at once, for the tests of their doors.

Their predictors look back at the last masks and object pointers, as the official ones do, and say when they encode.
"""

from __future__ import annotations

SAM2 = {
    "sam2/__init__.py": "",
    "sam2/configs/tiny/t.yaml": "",
    "sam2/configs/tiny_training/t.yaml": "",
    "sam2/build_sam.py": """
import torch
from .sam2_video_predictor import Predictor

class MissingConfigException(Exception):
    pass

def build_sam2_video_predictor(config_file, ckpt_path=None, device="cuda", mode="eval", hydra_overrides_extra=[],
        apply_postprocessing=True, **kwargs):
    if config_file != "configs/tiny/t.yaml":
        raise MissingConfigException("Cannot find primary config " + config_file)
    predictor = Predictor(stateful="++stateful=true" in hydra_overrides_extra)
    if ckpt_path is not None:
        predictor.load_state_dict(torch.load(ckpt_path, map_location="cpu", weights_only=True)["model"])
    return predictor.to(device).eval()
""",
    "sam2/sam2_video_predictor.py": """
import torch

def tqdm(frames, desc):
    raise AssertionError("bars belong into no log")

def load_video_frames(video_path):
    raise AssertionError("there is no folder of images")

class Predictor(torch.nn.Module):
    image_size, num_maskmem, max_obj_ptrs_in_encoder = 16, 3, 5

    def __init__(self, stateful):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(3.0))
        self.stateful = stateful
        if stateful:
            self.kf_mean = self.kf_covariance = None
            self.stable_frames = self.frame_cnt = 0
            self.history = {}

    @property
    def device(self):
        return self.gain.device

    def init_state(self, video_path):
        images, height, width = load_video_frames(video_path=video_path)
        state = {"images": images, "num_frames": len(images), "size": (height, width), "cached_features": {}}
        state["output_dict_per_obj"], state["frames_tracked_per_obj"] = {}, {}
        self._features(state, 0)
        return state

    def _features(self, state, i):
        if i not in state["cached_features"]:
            print("encoded frame", i)
            image = state["images"][i]
            state["cached_features"] = {i: (image, image.mean(0))}
        return state["cached_features"][i][1]

    def add_new_points_or_box(self, state, frame_idx, obj_id, box):
        x, y, right, bottom = (round(float(value)) for value in box)
        mask = torch.zeros(state["size"], dtype=torch.bool)
        mask[y:bottom, x:right] = True
        self.add_new_mask(state, frame_idx, obj_id, mask)

    def add_new_mask(self, state, frame_idx, obj_id, mask):
        logits = torch.as_tensor(mask).float() * 2 - 1
        first = {"logits": logits, "pointer": logits.mean(), "object_score_logits": torch.tensor([[4.0]])}
        state["output_dict_per_obj"][0] = {"cond_frame_outputs": {frame_idx: first}, "non_cond_frame_outputs": {}}
        state["frames_tracked_per_obj"][0] = {}

    def propagate_in_video(self, state, start_frame_idx=0, max_frame_num_to_track=None):
        end = state["num_frames"] - 1
        if max_frame_num_to_track is not None:
            end = min(end, start_frame_idx + max_frame_num_to_track)
        outputs = state["output_dict_per_obj"][0]
        for i in tqdm(range(start_frame_idx, end + 1), desc="propagate in video"):
            if i in outputs["cond_frame_outputs"]:
                out = outputs["cond_frame_outputs"][i]
            else:
                out = outputs["non_cond_frame_outputs"][i] = self._one(state, outputs, i)
            state["frames_tracked_per_obj"][0][i] = {"reverse": False}
            yield i, [0], out["logits"][None, None]

    def _one(self, state, outputs, i):
        def back(k):
            return outputs["non_cond_frame_outputs"].get(i - k)

        first = outputs["cond_frame_outputs"][0]
        seen = [first["logits"]] + [back(k)["logits"] for k in range(1, self.num_maskmem) if back(k)]
        reach = min(state["num_frames"], self.max_obj_ptrs_in_encoder)
        pointers = [back(k)["pointer"] / k for k in range(1, reach) if back(k)]
        features = torch.nn.functional.interpolate(self._features(state, i)[None, None], state["size"])[0, 0]
        logits = sum(seen) / len(seen) + torch.sin(self.gain * features * (2 + sum(pointers, first["pointer"])))
        logits[:, : 3 * i % 37] = -1  # so that boxes move
        if self.stateful:
            self.frame_cnt += 1
            self.kf_mean = logits.mean() if self.kf_mean is None else 0.5 * self.kf_mean + 0.5 * logits.mean()
            self.history[self.frame_cnt] = self.kf_mean
            logits = logits - self.kf_mean - 0.1 * sum(self.history.values())
        return {"logits": logits, "pointer": logits.mean(), "object_score_logits": logits.mean()[None, None]}
""",
}

TRANSFORMERS = {
    "transformers/__init__.py": """
import json, os
from types import SimpleNamespace
import numpy as np
import torch

__version__ = "5.0"
ENCODED = []

class AutoConfig:
    @staticmethod
    def from_pretrained(name, local_files_only=False):
        if not os.path.isdir(name):
            raise OSError("no such folder, and local_files_only is %s" % local_files_only)
        with open(os.path.join(name, "config.json")) as file:
            return SimpleNamespace(**json.load(file))

class Cache(dict):
    def cache_vision_features(self, i, features):
        self[i] = features

    def get_vision_features(self, i):
        return self.get(i)

class Session:
    def __init__(self):
        self.cache, self.processed_frames = Cache(), {}
        self.output_dict_per_obj, self.frames_tracked_per_obj = {}, {}

class Sam2VideoProcessor:
    @classmethod
    def from_pretrained(cls, name, local_files_only):
        return cls()

    def __call__(self, images, return_tensors):
        return SimpleNamespace(pixel_values=[torch.from_numpy(images.copy()).permute(2, 0, 1) / 255])

    def init_video_session(self, video=None, inference_device="cpu", dtype=torch.float32):
        return Session()

    def add_inputs_to_inference_session(self, session, frame_idx, obj_ids, original_size, input_boxes=None,
            input_masks=None):
        mask = torch.zeros(original_size)
        if input_masks is not None:
            mask[:] = torch.as_tensor(np.array(input_masks))
        else:
            x, y, right, bottom = (round(value) for value in input_boxes[0][0])
            mask[y:bottom, x:right] = 1
        session.output_dict_per_obj[0] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        session.frames_tracked_per_obj[0] = {}
        session.prompt = mask * 2 - 1

    def post_process_masks(self, masks, sizes, binarize):
        return masks

class Sam2VideoModel(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, name, dtype, local_files_only):
        return cls()

    def forward(self, inference_session, frame=None, frame_idx=None):
        session, i = inference_session, frame_idx
        session.processed_frames[i] = frame
        if i not in session.cache:
            ENCODED.append(i)
            session.cache.clear()
            session.cache[i] = frame.mean(0)
        outputs = session.output_dict_per_obj[0]
        back = [outputs["non_cond_frame_outputs"][k]["pointer"] for k in range(max(1, i - 15), i)]
        if i == 0:
            logits, kind = session.prompt, "cond_frame_outputs"
        else:
            first = outputs["cond_frame_outputs"][0]["pred_masks"]
            logits = 0.5 * first + torch.sin(9 * session.cache[i] * (2 + sum(back, torch.tensor(0.0))))
            logits[:, : 3 * i % 37] = -1
            kind = "non_cond_frame_outputs"
        outputs[kind][i] = {"pred_masks": logits, "high_res_masks": logits, "pointer": logits.mean()}
        session.frames_tracked_per_obj[0][i] = {"reverse": False}
        return SimpleNamespace(pred_masks=logits, object_score_logits=logits.mean())
""",
    "model/config.json": '{"model_type": "sam2_video", "max_object_pointers_in_encoder": 16}',
    "text/config.json": '{"model_type": "bert"}',
}

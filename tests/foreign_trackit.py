"""A repository in the shape of trackit, as tests write it into a folder."""

from __future__ import annotations

#: A repository of our own in the shape of trackit: what the door calls, with the same names and arguments.
FILES = {
    "consts.yaml.template": "workers: 4\n",
    "config/Tiny/S-8/config.yaml": """
type: Tiny
common: {}
run:
  task:
    train: {is_train: true, data: eval, runner: test}
    eval: {is_train: false, data: eval, runner: test}
  data: {eval: {transform: {type: default}}}
  runner:
    test:
      inference_engine: {auto_mixed_precision: {enabled: true}}
      evaluator: {pipeline: {type: tiny, gain: 1.0}}
""",
    "config/Tiny/_mixin/double.yaml": "2.0\n",
    "trackit/core/runtime/utils/custom_yaml_loader.py": """
import yaml

def load_yaml(path, const_values=None):
    with open(path, "rb") as file:
        return yaml.safe_load(file)
""",
    "trackit/core/runtime/global_constant/__init__.py": """
import os, shutil
from ..utils.custom_yaml_loader import load_yaml

_global_constants = None

def get_global_constant(name):
    global _global_constants
    if _global_constants is None:
        shutil.copy("consts.yaml.template", "consts.yaml")
        _global_constants = load_yaml("consts.yaml")
    return _global_constants[name]
""",
    "trackit/core/boot/funcs/main/load_config.py": """
import os
from trackit.core.runtime.utils.custom_yaml_loader import load_yaml

def load_config(runtime_vars):
    folder = os.path.join(runtime_vars.config_path, runtime_vars.method_name)
    config = load_yaml(os.path.join(folder, runtime_vars.config_name, "config.yaml"))
    for name in runtime_vars.mixin_config or ():
        path = os.path.join(folder, "_mixin", name + ".yaml")
        assert os.path.exists(path), "mixin config not found: " + name
        config["run"]["runner"]["test"]["evaluator"]["pipeline"]["gain"] = load_yaml(path)
    return config
""",
    "trackit/models/__init__.py": """
from dataclasses import dataclass
from typing import Any, Callable
import torch
from safetensors.torch import load_file

@dataclass(frozen=True)
class ModelImplementationSuggestions:
    device: torch.device
    dtype: torch.dtype = torch.float32
    load_pretrained: bool = True

@dataclass(frozen=True)
class ModelBuildContext:
    create_fn: Callable
    fingerprint_fn: Callable

class ModelManager:
    def __init__(self, context):
        self.context = context

    def load_state_dict_from_file(self, path):
        self.path = path

    def create(self, device, dtype):
        model = self.context.create_fn(ModelImplementationSuggestions(device, dtype))
        model.load_state_dict(load_file(self.path), strict=False)
        return model
""",
    "trackit/models/methods/builder.py": """
import torch, wandb, zmq
from trackit.core.runtime.global_constant import get_global_constant
from trackit.models import ModelBuildContext

class Tiny(torch.nn.Module):
    def __init__(self, pretrained):
        super().__init__()
        self.dx = torch.nn.Parameter(torch.zeros(1))
        self.backbone = torch.nn.Parameter(torch.zeros(1))
        if pretrained:
            if not __import__("os").path.exists("pretrained.pt"):
                raise OSError("no route to the hub")
            self.backbone.data[:] = 7

    def forward(self, x):
        return x + self.dx + 0 * self.backbone

def create_model_build_context(config):
    assert get_global_constant("workers") in (1, 4)
    return ModelBuildContext(lambda advice: Tiny(advice.load_pretrained), lambda advice: "tiny")
""",
    "trackit/models/compiling/builder.py": """
from types import SimpleNamespace
import torch

def build_inference_engine(config, device):
    amp = config["auto_mixed_precision"]
    dtype = getattr(torch, amp.get("dtype", "float16")) if amp["enabled"] else None

    def engine(manager, device, dtype_, max_batch, streams):
        model = manager.create(device, dtype_)
        return SimpleNamespace(model=lambda data: model(**data), raw_model=model, auto_mixed_precision_dtype=dtype)
    return engine
""",
    "trackit/miscellanies/torch/config_parsing/dtype.py": """
import torch

def get_torch_dtype_with_machine_compatibility_checking(dtype, device_name):
    return getattr(torch, dtype)
""",
    "trackit/data/protocol/eval_input.py": """
from typing import Any, NamedTuple

class SequenceInfo(NamedTuple):
    dataset_name: Any
    sequence_name: Any
    length: Any
    fps: Any

class TrackerEvalData(NamedTuple):
    tasks: Any
    miscellanies: Any
""",
    "trackit/data/methods/siamese_tracker_eval/__init__.py": """
from dataclasses import dataclass
from typing import Any

@dataclass(frozen=True)
class SiameseTrackerEvalDataWorker_FrameContext:
    frame_index: int
    get_image: Any
    gt_bbox: Any
    gt_mask: Any

@dataclass(frozen=True)
class SiameseTrackerEvalDataWorker_Task:
    task_index: int
    do_task_creation: Any
    do_tracker_init: Any
    do_tracker_track: Any
    do_task_finalization: bool
""",
    "trackit/data/methods/siamese_tracker_eval/transform/builder.py": """
def build_data_transform(transform_config, config, device="cpu", dtype=None):
    def transform(task):
        if task.do_tracker_init is not None:  # as theirs: a start without a first search frame is an error
            assert task.do_tracker_track.gt_mask is None and task.do_tracker_track.gt_bbox is None
        return task
    return transform
""",
    "trackit/miscellanies/image/pil_interop.py": "from PIL import Image\nto_pil_image = Image.fromarray\n",
    "trackit/runners/evaluation/distributed/tracker_evaluator/__init__.py": """
from dataclasses import dataclass
from typing import Any

@dataclass(frozen=True)
class EvaluatorContext:
    epoch: int
    max_batch_size: int
    num_input_data_streams: int
    dtype: Any
    auto_mixed_precision_dtype: Any
    model: Any
""",
    "trackit/runners/evaluation/distributed/tracker_evaluator/default/pipelines/builder.py": """
def build_tracker_evaluator_pipeline(pipeline_config, config, device, num_epochs):
    return pipeline_config["gain"]
""",
    "trackit/runners/evaluation/distributed/tracker_evaluator/default/evaluator.py": """
from types import SimpleNamespace
import numpy as np
import torch

class DefaultTrackerEvaluator:
    def __init__(self, pipeline):
        self.gain = pipeline

    def start(self, context):
        self.capacity = context.max_batch_size
        self.all_tracking_sequence_context = {}

    def run(self, data, optimized_model, raw_model):
        live = self.all_tracking_sequence_context
        for task in data.tasks:
            if task.do_task_creation is not None:
                assert task.task_index not in live and len(live) < self.capacity
                live[task.task_index] = SimpleNamespace(info=task.do_task_creation, box=None)
            if task.do_tracker_init is not None:
                assert task.do_tracker_init.get_image()[0, 0, 0] == 0
                live[task.task_index].box = np.array(task.do_tracker_init.gt_bbox)
                live[task.task_index].mask = task.do_tracker_init.gt_mask
        tracked = [task for task in data.tasks if task.do_tracker_track is not None]
        frames = []
        if tracked:
            boxes = optimized_model({"x": torch.tensor(np.array([live[task.task_index].box for task in tracked]))})
            for task, box in zip(tracked, boxes.detach().numpy()):
                state = live[task.task_index]
                state.box = box
                answer = box + [0, 0, self.gain * task.do_tracker_track.get_image()[0, 0, 0] / 10, 0]
                frames.append(SimpleNamespace(output_box=answer, output_mask=state.mask,
                    output_confidence=len(tracked) + len(live) / 100))
        for task in data.tasks:
            if task.do_task_finalization:
                live.pop(task.task_index)
        return {"evaluated_frames": frames, "evaluated_sequences": []}
""",
}

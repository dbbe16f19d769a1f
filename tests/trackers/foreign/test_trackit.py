"""Repositories of the trackit line run as they are: constants, mixins, weights, batches, ends of targets, traps."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_samples import target
from safetensors.torch import save_file

from trackbench.errors import TrackerError
from trackbench.regions import Box, Mask
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.foreign.worker.process import DoorError
from trackbench.trackers.foreign.worker.trackit import Door
from trackbench.trackers.registry import find_tracker

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


@pytest.fixture
def repo(write: Callable[[str, str], Path], here: Path) -> Path:
    """The repository, and a checkpoint ``full.safetensors`` with the step of 2 pixels a frame."""
    for name, text in FILES.items():
        write("repo/" + name, text)
    weights = {"dx": torch.full((1,), 2.0), "backbone": torch.zeros(1)}
    save_file(weights, here / "full.safetensors")
    save_file({"dx": weights["dx"]}, here / "trained.safetensors")
    return here / "repo"


def model(weights: str = "full.safetensors", name: str = "Tiny:S-8", **options: Any) -> ForeignModel:
    built = find_tracker(f"trackit:{name}", options={"repo": "repo", **options}, weights=Path(weights)).build("cpu")
    assert isinstance(built, ForeignModel)
    return built


def test_targets_are_tracked_in_one_call_from_their_second_frame_on_until_they_are_forgotten(
    repo: Path, frames: list[np.ndarray]
) -> None:
    tracker = model(max_batch=2)
    missing = [name for name in ("wandb", "zmq") if find_spec(name) is None]
    assert tracker.record()["stand_ins"] == missing
    assert (tracker.record()["precision"], tracker.record()["pretrained_backbone"]) == ("float16", False)
    assert not (repo / "consts.yaml").exists()
    states = tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
    assert tracker.step([frames[1]], states)[0].region == Box(7, 8, 21, 10)
    # The second target starts on its own first frame, with a mask, while the first goes on.
    states += tracker.start([frames[0]], [target(Mask(np.ones((4, 5), bool), 10, 12))])
    first, second = tracker.step([frames[3], frames[2]], states)
    assert (first.region, second.region) == (Box(9, 10, 23, 10), Box(12, 14, 7, 4))
    assert first.score == pytest.approx(2.02)  # two in the call, two alive
    assert (first.mask, second.mask is not None and second.mask.window(0, 0, 60, 40).sum()) == (None, 20)
    with pytest.raises(TrackerError, match=r"more than 2 targets at once: --set max_batch=4"):
        tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
    del states, first, second
    gc.collect()
    states = tracker.start([frames[0]] * 2, [target(Box(5, 6, 20, 10))] * 2)
    assert tracker.step([frames[1]] * 2, states)[0].score == pytest.approx(2.02)


@pytest.mark.slow
def test_a_network_that_cannot_let_go_of_a_target_costs_no_other(repo: Path, frames: list[np.ndarray]) -> None:
    """SPMTrack's raises KeyError at the end of each sequence."""
    [evaluator] = repo.rglob("tracker_evaluator/default/evaluator.py")
    evaluator.write_text(evaluator.read_text().replace("live.pop(task.task_index)", "live.pop(str(task.task_index))"))
    tracker = model()
    for failed in (None, 1):
        states = tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
        assert tracker.step([frames[1]], states)[0].region == Box(7, 8, 21, 10)
        del states
        gc.collect()
        tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
        assert tracker.record().get("targets_not_released") == failed


def test_a_batch_gives_what_each_target_gives_alone(repo: Path, frames: list[np.ndarray]) -> None:
    (repo / "consts.yaml").write_text("workers: 1\n")  # the user's own are left alone
    tracker = model(mixin=["double"], precision="float32", constants={"workers": 1})
    assert tracker.record()["precision"] == "float32"
    boxes = [Box(i, 2 * i, 10 + i, 8) for i in range(8)]

    def run(which: list[Box]) -> list[Any]:
        states = tracker.start([frames[0]] * len(which), [target(box) for box in which])
        return [[answer.region for answer in tracker.step([frame] * len(which), states)] for frame in frames[1:]]

    together, alone = run(boxes), [run([box]) for box in boxes]
    assert [[step[i] for step in together] for i in range(8)] == [[step[0] for step in one] for one in alone]
    assert together[0][0] == Box(2, 2, 12, 8)  # the mixin doubles the growth
    assert (repo / "consts.yaml").read_text() == "workers: 1\n"


def test_a_checkpoint_of_the_trained_weights_alone_takes_the_rest_from_pretraining(repo: Path) -> None:
    with pytest.raises(TrackerError, match=r"the checkpoint lacks backbone .*cannot be had: no route to the hub"):
        model("trained.safetensors")
    (repo / "pretrained.pt").write_text("")
    assert model("trained.safetensors").record()["pretrained_backbone"]


@pytest.mark.slow
def test_what_the_repository_lacks_is_said_in_one_line(repo: Path) -> None:
    with pytest.raises(TrackerError, match="--set mixin: mixin config not found: triple"):
        model(mixin=["triple"])
    with pytest.raises(TrackerError, match=r"no task 'train' of evaluation \(there: eval\)"):
        model(task="train")
    builder = repo / "trackit/models/methods/builder.py"
    builder.write_text("import nowhere_to_be_found\n" + builder.read_text())
    with pytest.raises(TrackerError, match="needs the package 'nowhere_to_be_found': pip install nowhere_to_be_found"):
        model()


@pytest.mark.parametrize(
    ("name", "message"),
    [("Tiny:B-8", r"no configuration 'Tiny:B-8' \(there: Tiny:S-8\)"), ("Big:S-8", r"no configuration 'Big:S-8'")],
)
def test_an_unknown_configuration_lists_those_that_are_there(repo: Path, name: str, message: str) -> None:
    method, _, config = name.partition(":")
    with pytest.raises(DoorError, match=message):
        Door({"repo": str(repo), "method": method, "config": config}, "cpu")


def test_what_is_no_repository_of_the_line_or_an_older_one_is_refused(repo: Path) -> None:
    (repo / "trackit/runners").rename(repo / "trackit/runner")
    with pytest.raises(DoorError, match=r"an older trackit, without 'trackit/runners'.*LoRAT repository holds"):
        Door({"repo": str(repo), "method": "SPMTrack"}, "cpu")
    with pytest.raises(DoorError, match=r"which this door does not know$"):
        Door({"repo": str(repo), "method": "GOLA"}, "cpu")
    with pytest.raises(DoorError, match="no folder 'trackit': expected a repository of the trackit line"):
        Door({"repo": str(repo.parent)}, "cpu")

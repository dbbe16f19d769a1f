"""Runs through each door are the same in any batch, interrupted and resumed, in a process of their own and in ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command import trackbench
from foreign_samples import moving_patch
from foreign_trackit import FILES
from foreign_video_packages import SAM2, TRANSFORMERS
from safetensors.torch import save_file

pytestmark = pytest.mark.slow  # four processes with torch for each door

PYTRACKING = {
    "repo/lib/test/parameter/walk.py": """
from types import SimpleNamespace

def parameters(yaml_name):
    return SimpleNamespace(checkpoint="none")
""",
    "repo/lib/test/tracker/walk.py": """
import random
import numpy as np
import torch

class Walk:
    def __init__(self, params, dataset_name):
        self.gain = torch.load(params.checkpoint)["net"]["gain"]

    def initialize(self, image, info):
        self.state = list(info["init_bbox"])

    def track(self, image, info=None):
        self.state[0] += float(self.gain) * random.random()
        self.state[1] += np.random.rand() + image[:, :, 0].mean() / 255
        self.state[2] = max(5, self.state[2] + float(torch.randn(1)))
        return {"target_bbox": self.state, "best_score": random.random()}

def get_tracker_class():
    return Walk
""",
}

PYTHON = {
    "walks.py": """
import random

class Walk:
    def init(self, image, box):
        self.box = list(box)

    def track(self, image):
        self.box[0] += random.random() + image[:, :, 0].mean() / 255
        return self.box
"""
}

ONNX = """
model = "tiny.onnx"
template_size = 16
search_size = 32
mean = [0, 0, 0]
std = [1, 1, 1]
inputs = {template = "z", search = "x"}
outputs = {score_map = "score", size_map = "size", offset_map = "offset"}
"""


def write_graph(path: Path) -> None:
    """Write a graph whose scores are means of blocks of the search region; the template changes sizes."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["score"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["z"], ["m"], keepdims=0),
        *(helper.make_node("Mul", [f"{name}0", "m"], [name]) for name in ("size", "offset")),
    ]
    stored = {
        "w": np.full((1, 3, 1, 1), 1 / 3, np.float32),
        "size0": np.full((1, 2, 4, 4), 0.6, np.float32),
        "offset0": np.full((1, 2, 4, 4), 0.5, np.float32),
    }
    inputs = [helper.make_tensor_value_info(name, kind, [1, 3, n, n]) for name, n in (("z", 16), ("x", 32))]
    outputs = [helper.make_tensor_value_info(name, kind, None) for name in ("score", "size", "offset")]
    numbers = [onnx.numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, numbers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_all(files: dict[str, str], folder: str = ".") -> None:
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def of_pytracking() -> list[str]:
    write_all(PYTRACKING)
    torch.save({"net": {"gain": torch.tensor(2.0)}}, "walk.pth")
    return ["pytracking:walk:any", "--set", "repo=repo", "--weights", "walk.pth"]


def of_trackit() -> list[str]:
    write_all(FILES, "repo")
    # The repository's own check of the first frame is for frames of one colour.
    evaluator = Path("repo/trackit/runners/evaluation/distributed/tracker_evaluator/default/evaluator.py")
    evaluator.write_text(evaluator.read_text().replace("assert task.do_tracker_init.get_image()[0, 0, 0] == 0", "pass"))
    save_file({"dx": torch.full((1,), 2.0), "backbone": torch.zeros(1)}, "full.safetensors")
    return ["trackit:Tiny:S-8", "--set", "repo=repo", "--weights", "full.safetensors"]


def of_python() -> list[str]:
    write_all(PYTHON)
    return ["python:walks:Walk", "--set", "repo=."]


def of_onnx() -> list[str]:
    write_graph(Path("tiny.onnx"))
    write_all({"my.toml": ONNX})
    return ["onnx:my.toml"]


def of_sam2() -> list[str]:
    write_all(SAM2, "packages")
    torch.save({"model": {"gain": torch.tensor(9.0)}}, "t.pt")
    overrides = "overrides=['++stateful=true']"
    return ["sam2:configs/tiny/t.yaml", "--set", "repo=packages", "--set", overrides, "--weights", "t.pt"]


def of_hf() -> list[str]:
    write_all(TRANSFORMERS, "packages")
    return ["hf:packages/model"]


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working folder has three sequences in ``videos`` and whatever packages a test writes into ``packages``."""
    monkeypatch.chdir(tmp_path)
    known = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*known, str(tmp_path / "packages")]))
    for number, name in enumerate("abc"):
        for i, frame in enumerate(moving_patch(8 + number, 72, 128)):
            path = Path("videos", name, "img", f"{i:04d}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.roll(frame, 7 * number, 1))
        Path("videos", name, "groundtruth.txt").write_text(f"{10 + 7 * number},15,32,24\n" * (8 + number))
    return "videos"


def stored(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).rglob("[abc].txt"))}


@pytest.mark.parametrize("prepare", [of_pytracking, of_trackit, of_python, of_onnx, of_sam2, of_hf])
def test_a_run_through_a_door_is_the_same_however_it_is_run(videos: str, prepare: Callable[[], list[str]]) -> None:
    run = ["run", *prepare(), "-d", videos, "--repetitions", "1"]
    trackbench(*run, "--runs", "one", "--batch", "1")
    trackbench(*run, "--runs", "resumed", "-s", "b", "--batch", "1")
    trackbench(*run, "--runs", "resumed", "--batch", "8")
    expected = stored("one")
    assert list(expected) == ["a.txt", "b.txt", "c.txt"]
    boxes = {name: np.loadtxt(text.decode().splitlines(), delimiter=",") for name, text in expected.items()}
    assert all(len(np.unique(rows, axis=0)) > 4 for rows in boxes.values())
    assert stored("resumed") == expected
    if prepare is not of_onnx:  # which has no process of its own
        here = [sys.executable, "-m", "trackbench", *run, "--runs", "here", "--set", "isolated=false"]
        done = subprocess.run(here, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert stored("here") == expected

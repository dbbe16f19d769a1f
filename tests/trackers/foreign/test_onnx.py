"""Trackers that are one ONNX graph: crops, decoding, and what is said of a file that does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import document
from foreign_samples import target

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box
from trackbench.trackers.foreign.onnx_graph import best_box
from trackbench.trackers.registry import find_tracker

FRAME = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
TOML = """
model = "tiny.onnx"
template_size = 16
search_size = 32
mean = [0, 0, 0]
std = [1, 1, 1]

[inputs]
template = "z"
search = "x"

[outputs]
score_map = "score"
size_map = "size"
offset_map = "offset"
"""


@pytest.fixture
def graph(here: Path) -> Path:
    """Scores are the means of 8 x 8 blocks of the search region's red; sizes and offsets are constants."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    maps = {"size": np.full((1, 2, 4, 4), 0.5, np.float32), "offset": np.full((1, 2, 4, 4), 0.25, np.float32)}
    red = np.zeros((1, 3, 1, 1), np.float32)
    red[0, 0] = 1
    nodes = [
        helper.make_node("Conv", ["x", "red"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["score"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["z"], ["m"], keepdims=0),
        helper.make_node("Mul", ["m", "zero"], ["none"]),
        *(helper.make_node("Add", [f"{name}0", "none"], [name]) for name in maps),
    ]
    stored = {"red": red, "zero": np.float32(0), **{f"{name}0": value for name, value in maps.items()}}
    tensor = onnx.TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("z", tensor, [1, 3, 16, 16]),
            helper.make_tensor_value_info("x", tensor, [1, 3, 32, 32]),
        ],
        [helper.make_tensor_value_info(name, tensor, None) for name in ("score", "size", "offset")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), here / "tiny.onnx")
    (here / "my.toml").write_text(TOML)
    return here / "my.toml"


def test_boxes_are_those_worked_out_by_hand(graph: Path) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[16:24, 24:32, 0] = 255  # in the search region of 32 x 32 around (28, 28): row 4 to 12, column 12 to 20
    model = find_tracker("onnx:my.toml").build("cpu")
    [answer] = model.step([frame], model.start([frame], [target(Box(24, 24, 8, 8))]))
    # The search region is 32 x 32 from (12, 12); rows 0 to 7 hold half, columns 8 to 15 half: 1/8 in one cell each,
    # and the window prefers the cell (1, 1) or (1, 2) of the second row over the first.
    assert answer.score is not None
    assert 0 < answer.score <= 0.25
    assert (answer.region.w, answer.region.h) == (16, 16)  # type: ignore[union-attr]
    assert answer.region.y == 12 + (1 + 0.25) * 8 - 8  # type: ignore[union-attr]


def test_a_batch_gives_what_each_gives_alone(graph: Path) -> None:
    model = find_tracker("onnx:my.toml").build("cpu")
    starts = [Box(20, 20, 16, 12), Box(60, 30, 20, 30), Box(5, 50, 9, 9)]
    states = model.start([FRAME] * 3, [target(box) for box in starts])
    both = [model.step([FRAME] * 3, states) for _ in range(3)][-1]
    for box, together in zip(starts, both, strict=True):
        state = model.start([FRAME], [target(box)])
        assert [model.step([FRAME], state) for _ in range(3)][-1] == [together]


def test_the_best_cell_gives_centre_and_size() -> None:
    scores = np.zeros((1, 1, 4, 4))
    scores[0, 0, 2, 1], scores[0, 0, 0, 0] = 0.5, 0.9
    sizes, offsets = np.zeros((1, 2, 4, 4)), np.zeros((1, 2, 4, 4))
    sizes[0, :, 2, 1], offsets[0, :, 2, 1] = (0.3, 0.4), (0.5, 0.25)
    box, score = best_box(scores, sizes, offsets, window=True)
    assert box == pytest.approx([1.5 / 4, 2.25 / 4, 0.3, 0.4])
    assert score == 0.5
    assert best_box(scores, sizes, offsets, window=False)[1] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("tiny.onnx", "none.onnx", UsageError, "key 'model' is 'none.onnx': there is no file"),
        ('"z"', '"template"', TrackerError, "key 'inputs.template' is 'template': the graph has x, z"),
        ('offset_map = "offset"', "", UsageError, "expected score_map, size_map and offset_map, or box"),
        ("search_size = 32", "search = 32", UsageError, "unknown key 'search'"),
    ],
)
def test_a_file_that_does_not_fit_is_told(
    graph: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    graph.write_text(TOML.replace(old, new))
    with pytest.raises(error, match=message):
        find_tracker("onnx:my.toml").build("cpu")


def test_the_command_of_the_manual_runs_a_graph_and_no_campaign(graph: Path, dataset: Path) -> None:
    [run] = document("run", "onnx:my.toml", "-d", str(dataset))["runs"]
    assert (run["tracker"], run["sequences"]) == ("onnx:my.toml", 2)


def test_the_identity_knows_the_graph(graph: Path) -> None:
    before = find_tracker("onnx:my.toml").identity()
    Path("tiny.onnx").write_bytes(Path("tiny.onnx").read_bytes() + b"\x1a\x00")
    assert find_tracker("onnx:my.toml").identity() != before

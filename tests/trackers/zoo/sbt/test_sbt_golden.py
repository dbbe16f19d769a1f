"""SBT-light against a slice of the official code's recorded outputs, which travels with the tests.

``tests/golden/sbt/light.npz`` holds the template and the first search window (lossless WebP, in the order of the
arrays' channels), and of the official outputs every fourth token's logits, every sixteenth box, and every 128th
token's features. The weights are drawn from the official names by the rule below.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_sbt import published_options

from trackbench.nn.crops.normalise import Normaliser
from trackbench.trackers.zoo.sbt.tracker import SBT

GOLDEN = Path(__file__).parents[3] / "golden" / "sbt" / "light.npz"


def official_name(name: str) -> str:
    """Return the official code's name of one of our parameters."""
    for ours, theirs in (
        ("mlp.position", "mlp.dwconv.dwconv"), (".channel.", ".layers_channle."), (".spatial.", ".layers_spatial."),
    ):  # fmt: skip
        name = name.replace(ours, theirs)
    return name.replace("head.", "box_head.", 1) if name.startswith("head.") else name


def drawn(name: str, shape: torch.Size) -> torch.Tensor:
    """Return the values of a parameter: normal, seeded by the CRC-32 of its official name."""
    normal = np.random.default_rng(zlib.crc32(official_name(name).encode())).standard_normal(shape)
    if len(shape) >= 2:
        values = normal / np.sqrt(np.prod(shape[1:]))
    else:
        values = 0.02 * normal if name.endswith("bias") else 1 + 0.1 * normal
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize("prepared", [False, True])
def test_outputs_of_the_official_code(prepared: bool) -> None:
    options = published_options("sbt-light")
    network = SBT.build_network(options)
    weights = {name: drawn(name, tensor.shape) for name, tensor in network.state_dict().items()}
    if prepared:
        network = SBT(options, weights=weights).network
    else:
        network.load_state_dict(weights)
    network.eval()
    golden = np.load(GOLDEN)
    search, template = (cv2.imdecode(golden[name], cv2.IMREAD_COLOR) for name in ("search", "template"))
    assert search is not None
    assert template is not None
    pair = [Normaliser()(np.asarray(crop, np.uint8)[None]) for crop in (search, template)]
    with torch.inference_mode():
        output = network(*pair)
        features = network.backbone(*pair).search[0].tokens[0, ::128]
    for ours, recorded in ((output.logits[0, ::4], golden["logits"]), (features, golden["features"])):
        np.testing.assert_allclose(ours, recorded, rtol=0, atol=3e-5 * np.abs(recorded).max())
    np.testing.assert_allclose(output.boxes[0, ::16], golden["boxes"], rtol=0, atol=1e-5)

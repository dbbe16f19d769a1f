"""Activations and boxes of the official codes, from small recordings that travel with the tests.

The weights are drawn from the official names, shapes and CRC-32 of each name, by the rule of the recordings; a file
holds the names, the first frame's crop (lossless WebP) and slices of what the official code computed from it. SBT,
SimTrack and Alpha-Refine have tests of their own (``tests/golden``).
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from trackbench.checkpoints.key_map import match
from trackbench.nn.crops.square import square_crop
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.networks import NetworkModel
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack, AiATrackOptions
from trackbench.trackers.zoo.dcfnet.tracker import DCFNet, DCFNetOptions
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions, SiamAttnTracker
from trackbench.trackers.zoo.sparsett.tracker import SparseTT, SparseTTOptions

FOLDER = Path(__file__).parents[2] / "golden" / "networks"
Arrays = dict[str, NDArray[Any]]


def load(name: str) -> Arrays:
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def drawn(name: str, shape: list[int]) -> Tensor:
    """Return the values of the official parameter ``name``."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return torch.from_numpy((0.5 + generator.random(shape)).astype(np.float32))
    normal = generator.standard_normal(shape)
    if name.endswith("running_mean"):
        normal = 0.1 * normal
    elif len(shape) >= 2:
        normal = normal / np.sqrt(np.prod(shape[1:])) if name.endswith("weight") else 0.5 * normal
    else:
        normal = 0.02 * normal if name.endswith("bias") else 1 + 0.1 * normal
    return torch.from_numpy(np.asarray(normal, np.float32))


def build(model: type[NetworkModel[Any]], options: Any, golden: Arrays) -> Any:
    """Return the tracker with the official code's deterministic weights, as a checkpoint brings them."""
    official = {}
    for name, shape, dtype in json.loads(zlib.decompress(golden["names"].tobytes())):
        official[name] = (
            drawn(name, shape) if dtype.startswith("float") else torch.zeros(shape, dtype=getattr(torch, dtype))
        )
    matched = match(official, model.key_map(options), model.build_network(options).state_dict())
    assert matched.complete, (matched.unknown[:3], matched.missing[:3], matched.misshapen[:3])
    return model(options, weights=matched.weights)


def image(encoded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def close(ours: Tensor, recorded: NDArray[Any], relative: float) -> None:
    np.testing.assert_allclose(ours.numpy(), recorded, rtol=0, atol=relative * np.abs(recorded).max())


@torch.no_grad()
def test_siamattn_sees_the_template_as_the_official_code_does() -> None:
    golden = load("siamattn")
    tracker = build(SiamAttnTracker, SiamAttnOptions(mask=False), golden)
    crop = torch.from_numpy(image(golden["template"])).permute(2, 0, 1)[None].float()
    for level, features in enumerate(tracker.network.levels(tracker.network.backbone(crop))):
        close(features[0, ::8][::4], golden[f"neck{level}"], 1e-5)


@torch.no_grad()
def test_sparsett_encodes_the_template_as_the_official_code_does() -> None:
    golden = load("sparsett")
    tracker = build(SparseTT, SparseTTOptions(), golden)
    crop = tracker.normalise(image(golden["template"])[None, ..., ::-1].copy())
    network = tracker.network
    adjusted = network.feat_adjuster_z(network.backbone(crop)[0])
    close(adjusted.transpose(1, 2).reshape(-1, 8, 8)[::4][::8], golden["adjusted"], 2e-5)
    close(network.encoder(adjusted)[0, ::4, ::4], golden["encoded"], 2e-5)


@torch.no_grad()
def test_aiatrack_encodes_the_template_as_the_official_code_does() -> None:
    golden = load("aiatrack")
    tracker = build(AiATrack, AiATrackOptions(), golden)
    crops = square_crop([image(golden["frame"])], golden["box"][None], *tracker.template_view)
    encoded, _ = tracker._encode(tracker.normalise(crops.images), crops)
    close(encoded.memory[0, ::4, ::4][::4, ::4], golden["memory"], 2e-5)


def test_dcfnet_moves_to_the_peaks_of_the_official_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights stay away: its recorded responses take the place of the network's."""
    golden = load("dcfnet")
    tracker = DCFNet(DCFNetOptions(origin=1))
    label = torch.fft.irfft2(tracker._label, s=(125, 125))
    np.testing.assert_allclose(label[::2, ::2][::8, ::8], golden["label"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(tracker._window[::2, ::2][::8, ::8], golden["window"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(tracker._scales, golden["scales"], rtol=1e-6)
    np.testing.assert_allclose(tracker._penalties, golden["penalties"], rtol=1e-6)
    frame = np.zeros((240, 360, 3), np.uint8)
    states = tracker.start([frame], [Target(Box.of(golden["box"]))])
    assert states[0].centre == pytest.approx(golden["start_pos"], abs=1e-9)
    assert states[0].size == pytest.approx(golden["start_size"], abs=1e-9)
    for index in (1, 2):
        response = torch.from_numpy(golden[f"response{index}"])
        monkeypatch.setattr(torch.fft, "irfft2", lambda *_, response=response, **__: response)
        (prediction,) = tracker.step([frame], states)
        assert isinstance(prediction.region, Box)
        assert prediction.region.numbers() == pytest.approx(golden[f"box_frame{index}"], abs=1e-9)
        assert states[0].centre == pytest.approx(golden[f"target_pos_frame{index}"], abs=1e-9)
        assert states[0].size == pytest.approx(golden[f"target_sz_frame{index}"], abs=1e-9)

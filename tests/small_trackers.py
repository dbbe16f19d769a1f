"""A small tracker of every kind, with random weights that a seed decides, and scenes to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.nn.layers.swin import SwinSize
from trackbench.regions import Box
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.refined import RefinedModel
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack, AiATrackOptions
from trackbench.trackers.zoo.alpharefine.tracker import AlphaRefine, AlphaRefineOptions
from trackbench.trackers.zoo.dcf.tracker import DCF, DCFOptions
from trackbench.trackers.zoo.dcfnet.tracker import DCFNet, DCFNetOptions
from trackbench.trackers.zoo.sbt.options import SBTOptions
from trackbench.trackers.zoo.sbt.tracker import SBT
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions, SiamAttnTracker
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.network import NetworkSize, SparseTTNetwork
from trackbench.trackers.zoo.sparsett.tracker import SparseTT, SparseTTOptions
from trackbench.trackers.zoo.static import Static, StaticOptions

_BACKBONE = {"dims": (8, 16, 32), "heads": (1, 2, 4), "depths": (1, 1, 4), "cross": ((), (), (2, 4))}
_SBT: dict[str, Any] = {"search_size": 64, "template_size": 32, "backbone": _BACKBONE}
_VIT: dict[str, Any] = {
    "width": (32,), "depth": (4,), "heads": (4,), "patch": 8, "pretraining_size": 32, "foveal_size": 16,
    "template_size": 32, "search_size": 64,
}  # fmt: skip
_PYRAMID: dict[str, Any] = _VIT | {
    "width": (16, 32, 64), "depth": (1, 1, 2), "heads": (2, 2, 2), "patch": 4, "pretraining": "imagenet",
    "pretraining_size": 64, "foveal_size": 0,
}  # fmt: skip
_AIA = {"search_size": 96, "channels": 32, "heads": 2, "feed_forward": 48, "encoder_layers": 1, "inner_channels": 16}
_SIAM: dict[str, Any] = {"channels": 16, "backbone_width": 8}


class SmallSparseTT(SparseTT):
    """SparseTT with few channels, on images of the real size."""

    @classmethod
    def build_network(cls, options: Any) -> SparseTTNetwork:
        """Return a network of few channels."""
        focus = FocusSize(1, 1, options.top_k, width=16, heads=2, hidden=32)
        size = NetworkSize(focus, options.heads, head_width=32, bottlenecks=1)
        return SparseTTNetwork(size, SwinSize(8, (1, 1, 2, 1), (1, 2, 2, 4)))


SMALL_TRACKERS: dict[str, Callable[[str], TrackerModel[Any]]] = {
    "static": lambda device: Static(StaticOptions(), device),
    "dcf": lambda device: DCF(DCFOptions(cells=20), device),
    "dcfnet": lambda device: DCFNet(DCFNetOptions(cells=41), device),
    "siamattn": lambda device: SiamAttnTracker(SiamAttnOptions(**_SIAM), device),
    "siamattn-box": lambda device: SiamAttnTracker(SiamAttnOptions(**_SIAM, mask=False), device),
    "sbt": lambda device: SBT(SBTOptions.model_validate(_SBT), device),
    "sparsett": lambda device: SmallSparseTT(SparseTTOptions(), device),
    "simtrack": lambda device: SimTrackTracker(SimTrackOptions.model_validate(_VIT), device),
    "simtrack-pvt": lambda device: SimTrackTracker(
        SimTrackOptions.model_validate(_PYRAMID | {"backbone": "pvt"}), device
    ),
    "simtrack-swin": lambda device: SimTrackTracker(
        SimTrackOptions.model_validate(_PYRAMID | {"backbone": "swin", "asymmetric": True}), device
    ),
    # The threshold lets random scores into the memory.
    "aiatrack": lambda device: AiATrack(AiATrackOptions.model_validate({"network": _AIA, "threshold": -1.0}), device),
    "aiatrack-one-branch": lambda device: AiATrack(
        AiATrackOptions.model_validate({"network": _AIA | {"branch_split": False}, "threshold": -1.0}), device
    ),
    "static+alpharefine": lambda device: RefinedModel(
        Static(StaticOptions(), device), AlphaRefine(AlphaRefineOptions(size=64), device)
    ),
}
"""Name -> tracker on a device; the weights are the same on all devices."""


def scene(seed: int, length: int, size: tuple[int, int] = (120, 160)) -> tuple[list[NDArray[np.uint8]], Box]:
    """Return frames, (height, width, 3), of a bright patch that moves over noise, and its box in the first."""
    generator = np.random.default_rng(seed)
    height, width = size
    ground = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
    patch = generator.integers(130, 255, (24, 32, 3), dtype=np.uint8)
    frames = []
    for index in range(length):
        frame = ground.copy()
        x, y = 50 + 2 * index, 40 + index
        frame[y : y + 24, x : x + 32] = patch
        frames.append(frame)
    return frames, Box(50, 40, 32, 24)

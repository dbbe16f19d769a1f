"""SiamAttn as a tracker: a region proposal, refined, gives box and mask; the size is smoothed, the template is kept.

One frame of a target: cut the search region around the last box; choose one proposal; refine it; smooth its size; and
read the mask of the smoothed box. State is float64; the network sees BGR values from 0 to 255, without normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.crops.context import context_crop, context_side
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.packed_conv import pack_convolutions
from trackbench.nn.layers.windows import hann_window
from trackbench.nn.staging import HostCopy, upload
from trackbench.regions import Box, Mask, Polygon, Region, polygon_to_box_vot
from trackbench.trackers.base import Frame, Options, Prediction, Target
from trackbench.trackers.maps import MapReader
from trackbench.trackers.networks import NetworkModel, NetworkOptions, inference
from trackbench.trackers.starting import resnet_keys, start_backbone
from trackbench.trackers.targets import start_box
from trackbench.trackers.zoo.siamattn.anchors import anchor_boxes, apply_deltas, choose_proposals
from trackbench.trackers.zoo.siamattn.attention import BranchFeatures
from trackbench.trackers.zoo.siamattn.checkpoint import official_keys
from trackbench.trackers.zoo.siamattn.configuration import options_from_yaml
from trackbench.trackers.zoo.siamattn.maps import siamattn_maps
from trackbench.trackers.zoo.siamattn.masks import paste_mask
from trackbench.trackers.zoo.siamattn.network import MIDDLE, Parts, Proposals, SiamAttn, map_sizes, stack_sides

SMALLEST = 10.0
"""Pixels below which no side of a proposal (in the search region) or of a box (in the frame) may fall."""


class SiamAttnOptions(NetworkOptions):
    """Options of :class:`SiamAttnTracker`; the values of the published configuration for VOT2018."""

    config: Path | None = None
    """An experiment file of the pysot family, whose values take the place of the definition's."""
    penalty_k: float = Field(0.10, ge=0.0)
    """Strength of the penalty for changes of size and ratio."""
    window_influence: float = Field(0.25, ge=0.0, le=1.0)
    """Weight of the cosine window."""
    lr: float = Field(0.45, ge=0.0, le=1.0)
    """Weight of the new size, times penalty and score."""
    mask_threshold: float = Field(0.20, ge=0.0, le=1.0)
    """Probability above which a pixel belongs to the target."""
    box_origin: Literal["edge", "pixel"] = "edge"
    """The centre of a target that is given as a box: x + w / 2 (one-pass benchmarks), or x + (w - 1) / 2 (VOT)."""

    self_attention: bool = True
    """Spatial and channel self-attention (Table 5, SA)."""
    cross_attention: bool = True
    """Channel attention from one branch to the other (Table 5, CA). Without both there is no attention module."""
    deform_conv: bool = True
    """Whether the attention ends in a deformable convolution or an ordinary one (Table 6)."""
    deform_pool: bool = True
    """Whether box and mask head pool deformably or by RoIAlign (Table 6)."""
    refine_box: bool = True
    """Region refinement of the box (Table 5, RR); without it the proposal is the answer, as in SiamRPN++."""
    mask: bool = True
    """The mask head (Table 5, ML)."""

    exemplar_size: int = Field(127, ge=31)
    """Side of the template in pixels."""
    instance_size: int = Field(255, ge=63)
    """Side of the search region in pixels."""
    base_size: int = 8
    """The ``base`` of pysot's formula for the side of the response, (instance - exemplar) / stride + 1 + base."""
    context_amount: float = Field(0.5, ge=0.0)
    """Context around the target over its mean side."""
    anchor_stride: int = Field(8, ge=1)
    anchor_ratios: tuple[float, ...] = (0.33, 0.5, 1.0, 2.0, 3.0)
    anchor_scales: tuple[float, ...] = (8.0,)
    box_stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    """Factors of the refinement's deltas."""
    backbone_file: Path | None = None
    """pysot's ResNet-50 (``resnet50.model``), from which the backbone of a network without a checkpoint starts."""
    channels: int = Field(256, ge=8, multiple_of=8)
    """Channels of the neck and of all that follows."""
    backbone_width: int = Field(64, ge=8)
    """Channels of the backbone's first convolution."""

    @classmethod
    def implied(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the file ``config`` says; a tracker of boxes stays one, whatever heads the file's network has."""
        path = settings.get("config")
        if not path or not isinstance(path, str | Path):
            return {}  # what is no path is refused with the other options
        implied = options_from_yaml(Path(path))
        return implied | {"mask": implied["mask"] and settings.get("mask", True)}

    @model_validator(mode="after")
    def _sizes_fit(self) -> SiamAttnOptions:
        response = (self.instance_size - self.exemplar_size) // self.anchor_stride + 1 + self.base_size
        if response != self.response:
            raise ValueError(
                f"instance_size {self.instance_size}, exemplar_size {self.exemplar_size} and base_size "
                f"{self.base_size} make a response of {response}, but the network's is {self.response}"
            )
        return self

    @property
    def response(self) -> int:
        """Places along each side of the proposals' map."""
        return map_sizes(self.instance_size)[0] - MIDDLE + 1

    @property
    def parts(self) -> Parts:
        """What the network has."""
        return Parts(
            self.self_attention, self.cross_attention, self.deform_conv, self.deform_pool, self.refine_box, self.mask
        )


@dataclass
class SiamAttnState:
    """One target. Geometry is float64 in pixels of the frame, tensors are on the model's device."""

    x: float
    """Column of the centre; y is its row."""
    y: float
    w: float
    h: float
    colour: NDArray[np.float64]
    """Mean colour of the first frame, RGB, (3,)."""
    template: list[BranchFeatures]
    """What the template gives to each level."""


class _View(NamedTuple):
    """A search region in its frame."""

    scale: float
    """Pixels of the search region to one of the frame, from the unrounded side."""
    side: int
    """Side of the window that was cut, in pixels of the frame."""


class SiamAttnTracker(NetworkModel[SiamAttnState]):
    """SiamAttn; see the module's text."""

    Options: ClassVar[type[Options]] = SiamAttnOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Polygon)
    options: SiamAttnOptions
    network: SiamAttn

    def __init__(self, options: SiamAttnOptions, device: str = "cpu", **weights: Any) -> None:
        super().__init__(options, device, **weights)
        ratios, scales = options.anchor_ratios, options.anchor_scales
        self._anchors = anchor_boxes(options.response, options.anchor_stride, ratios, scales).to(device)
        window = hann_window((options.response,) * 2, device=device).flatten()
        self._window = window.repeat(len(ratios) * len(scales))
        self._stds = torch.tensor(options.box_stds, dtype=torch.float64, device=device)

    @classmethod
    def build_network(cls, options: SiamAttnOptions) -> SiamAttn:
        """Return the network that the options describe."""
        anchors = len(options.anchor_ratios) * len(options.anchor_scales)
        size, channels, width = options.instance_size, options.channels, options.backbone_width
        network = SiamAttn(options.parts, anchors, size, channels, width)
        start_backbone(network.backbone, options.backbone_file, resnet_keys(last=4))
        return network

    @classmethod
    def key_map(cls, options: SiamAttnOptions) -> KeyMap:
        """Return how official names become ours; what the options switch off is set aside."""
        return official_keys(options.parts)

    @torch.no_grad()
    def calibrate_random_weights(self, network: SiamAttn) -> SiamAttn:
        """Return the network with the statistics of its batch norms taken from smooth noise.

        Images that are not normalised, sums over a kernel and residuals would else grow to boxes beyond all numbers.
        """
        options = self.options
        noise = torch.rand(2, 3, 16, 16) * 255
        template, search = (
            F.interpolate(noise, size, mode="bicubic") for size in (options.exemplar_size, options.instance_size)
        )
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        network.train()
        proposals = network(network.template(template), search)
        if network.mask_head is not None and proposals.mask_features is not None:
            side = float(options.instance_size)
            rois = torch.tensor([[item, side / 4, side / 4, 3 * side / 4, 3 * side / 4] for item in (0, 1)])
            # Masks in patches, of a sixth of the pixels on the noise, so that rotated boxes have a shape to enclose.
            taps = network.mask_head.upsample.weight
            taps.copy_(taps[..., :1, :1].expand_as(taps))
            logits = network.mask_head(proposals.mask_features, rois)
            last, scale = network.mask_head.conv_logits, 2 / logits.std()
            assert last.bias is not None
            middle = torch.logit(torch.tensor(options.mask_threshold), eps=1e-3)
            last.bias.copy_((last.bias - logits.mean()) * scale + middle - 2)
            last.weight.mul_(scale)
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        return network

    def prepare(self, network: SiamAttn) -> SiamAttn:
        """Fold the batch norms; channels last suits the deformable operators and most convolutions."""
        fold_batch_norms(network)
        if self.packs:
            pack_convolutions(network, map_sizes(self.options.instance_size)[0])
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    @inference
    def start(self, frames: list[Frame], targets: list[Target]) -> list[SiamAttnState]:
        """Cut the template of each target and compute what it gives to the attention.

        Raises:
            TrackerError: a region without area, or with a number that is not finite.
        """
        states, crops = [], []
        options = self.options
        for frame, target in zip(frames, targets, strict=True):
            x, y, w, h = _centre_and_size(target.region, options.box_origin)
            colour = frame.mean((0, 1))
            side = max(round(context_side(w, h, options.context_amount)), 1)
            crops.append(context_crop(frame, (x, y), side, options.exemplar_size, colour))
            states.append(SiamAttnState(x, y, w, h, colour, []))
        sides = self.network.template(self._images(crops))
        for index, state in enumerate(states):
            state.template = [BranchFeatures(*(part[index].clone() for part in side)) for side in sides]
        return states

    def step(self, frames: list[Frame], states: list[SiamAttnState]) -> list[Prediction]:
        """Follow each target into its next frame. The score is the proposal's, without penalty and window."""
        return self.launch(frames, states)()

    @inference
    def launch(self, frames: list[Frame], states: list[SiamAttnState]) -> Callable[[], list[Prediction]]:
        """Cut the crops and let the device begin; what is returned waits for it."""
        options = self.options
        views, crops = [], []
        with self.cropping():
            for frame, state in zip(frames, states, strict=True):
                exact = context_side(state.w, state.h, options.context_amount)
                side = max(round(exact * (options.instance_size / options.exemplar_size)), 1)
                views.append(_View(options.exemplar_size / exact, side))
                crops.append(context_crop(frame, (state.x, state.y), side, options.instance_size, state.colour))
        geometry = np.array(
            [
                (state.x, state.y, state.w, state.h, view.scale, view.side, frame.shape[1], frame.shape[0])
                for frame, state, view in zip(frames, states, views, strict=True)
            ]
        )
        levels = zip(*(state.template for state in states), strict=True)
        templates = [stack_sides(list(sides)) for sides in levels]
        located = self.on_device(self._track, templates, self._images(crops), upload(geometry, self.device))
        answers = HostCopy(located)
        return lambda: [
            self._advance(frame, state, view, numbers)
            for frame, state, view, numbers in zip(frames, states, views, answers.array(), strict=True)
        ]

    def _track(self, templates: Any, images: Tensor, geometry: Tensor) -> Tensor:
        return self._locate(self.network(templates, images), geometry)

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps that SiamAttn offers."""
        options = self.options
        return siamattn_maps(self.network, options.instance_size, options.response, options.anchor_stride)

    def search_window(self, state: SiamAttnState) -> Box:
        """Return the square around the last centre."""
        options = self.options
        exact = context_side(state.w, state.h, options.context_amount)
        side = max(round(exact * (options.instance_size / options.exemplar_size)), 1)
        return Box(state.x - side / 2, state.y - side / 2, side, side)

    def _locate(self, proposals: Proposals, geometry: Tensor) -> Tensor:
        """Return box, score and anchor, and the mask where there is a mask head, float64 (B, 6 + 64 * 64).

        Args:
            proposals: of the network.
            geometry: float64 (B, 8), centre and size of the target in the frame, scale and side of the search region,
                width and height of the frame.
        """
        options, network = self.options, self.network
        centre, size, limits = geometry[:, :2], geometry[:, 2:4], geometry[:, 6:]
        scale, side = geometry[:, 4:5], geometry[:, 5:6]
        choice = choose_proposals(
            proposals.cls,
            proposals.loc,
            self._anchors,
            self._window,
            size * scale,
            options.penalty_k,
            options.window_influence,
        )
        items = torch.arange(len(geometry), device=geometry.device, dtype=torch.float64)[:, None]
        rate = (choice.penalty * choice.score).double()[:, None] * options.lr
        if network.box_head is not None:
            assert proposals.box_features is not None
            region = self._clip_proposal(choice.box)
            deltas = network.box_head(proposals.box_features, box_rois(items, region))
            refined = apply_deltas(region.double(), deltas.double() * self._stds) / scale
            # The published code places the refined box by the unrounded corner of the window.
            moved, furthest = refined[:, :2] + (centre - side / 2), limits - 1
        else:
            refined = choice.box.double() / scale
            moved, furthest = refined[:, :2] + centre, limits
        resized = size * (1 - rate) + refined[:, 2:] * rate
        box = torch.cat([moved.clamp_min(0).minimum(furthest), resized.clamp_min(SMALLEST).minimum(furthest)], 1)
        # Untrained weights can give no number at all: the target then stays where it was.
        box = torch.where(box.isfinite().all(1, keepdim=True), box, geometry[:, :4])
        parts = [box, choice.score.double()[:, None], choice.anchor.double()[:, None]]
        if network.mask_head is not None:
            assert proposals.mask_features is not None
            inside = (box[:, :2] - (centre - side / 2)) * scale
            rois = mask_rois(items, torch.cat([inside, box[:, 2:] * scale], 1))
            parts.append(network.mask_head(proposals.mask_features, rois).sigmoid().flatten(1).double())
        return torch.cat(parts, 1)

    def _clip_proposal(self, box: Tensor) -> Tensor:
        """Return proposals with their centre from the region's corner, clipped to the search region."""
        size = self.options.instance_size
        centre = (box[:, :2] + size / 2).clamp(0, size - 1)
        return torch.cat([centre, box[:, 2:].clamp(SMALLEST, size - 1)], 1)

    def _advance(self, frame: Frame, state: SiamAttnState, view: _View, numbers: NDArray[np.float64]) -> Prediction:
        """Move the state to the answer, and return it as a prediction."""
        x, y, w, h, score, anchor = numbers[:6].tolist()
        mask = None
        if len(numbers) > 6:
            probability = numbers[6:].astype(np.float32).reshape(64, 64)
            mask = self._paste(probability, frame, state, view, (x, y, w, h))
        state.x, state.y, state.w, state.h = x, y, w, h
        return Prediction(Box(x - w / 2, y - h / 2, w, h), score, {"anchor": int(anchor)}, mask)

    def _paste(
        self,
        probability: NDArray[np.float32],
        frame: Frame,
        state: SiamAttnState,
        view: _View,
        box: tuple[float, float, float, float],
    ) -> Mask:
        """Return the mask in the frame; ``state`` is still that of the frame before, ``box`` has its centre first.

        The published code comes back from the search region by its rounded side, not by the scale that led there.
        """
        back = view.side / self.options.instance_size * view.scale
        (left, top), (x, y, w, h) = (state.x - view.side / 2, state.y - view.side / 2), box
        corner = (left + (x - left - w / 2) * back, top + (y - top - h / 2) * back)
        size = (frame.shape[1], frame.shape[0])
        return paste_mask(probability, (*corner, w * back, h * back), size, self.options.mask_threshold)

    def _images(self, crops: list[NDArray[np.uint8]]) -> Tensor:
        """Return crops (n, n, 3) RGB as float32 (B, 3, n, n) BGR, channels last, on the device."""
        batch = upload(np.stack(crops)[..., ::-1].copy(), self.device)
        return batch.permute(0, 3, 1, 2).float()


def box_rois(items: Tensor, boxes: Tensor) -> Tensor:
    """Return the regions of the box head, (B, 5): half a pixel inside of boxes (B, 4), cx, cy, w, h."""
    half = boxes[:, 2:] / 2 - 0.5
    return torch.cat([items.to(boxes.dtype), boxes[:, :2] - half, boxes[:, :2] + half], 1)


def mask_rois(items: Tensor, boxes: Tensor) -> Tensor:
    """Return the regions of the mask head, float32 (B, 5): the corners of boxes (B, 4), cx, cy, w, h."""
    half = boxes[:, 2:] / 2
    return torch.cat([items, boxes[:, :2] - half, boxes[:, :2] + half], 1).float()


def _centre_and_size(region: Region, origin: Literal["edge", "pixel"]) -> tuple[float, float, float, float]:
    """Return centre and size of a target by the rules of the official test scripts."""
    box = start_box("siamattn", region, polygon_to_box_vot(region) if isinstance(region, Polygon) else None)
    pixel = 1 if origin == "pixel" or isinstance(region, Polygon) else 0
    return box.x + (box.w - pixel) / 2, box.y + (box.h - pixel) / 2, box.w, box.h

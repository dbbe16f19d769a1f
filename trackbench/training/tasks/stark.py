"""The training of the trackers that come from STARK: SimTrack, SBT and AiATrack."""

from __future__ import annotations

import re
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.errors import UsageError
from trackbench.nn.layers.corner_head import centre_form
from trackbench.trackers.zoo.aiatrack.network import STRIDE, AiATrackNetwork
from trackbench.trackers.zoo.sbt.network import SBTNetwork
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.training.crops.distractors import paste_distractor
from trackbench.training.crops.square import Augmentation, Crop, CropView, make_crops
from trackbench.training.draws import RandomDraws
from trackbench.training.losses.aiatrack import SIGMAS, TRIES, make_proposals, target_region
from trackbench.training.losses.corner import corner_loss
from trackbench.training.losses.sbt import token_labels, token_loss
from trackbench.training.optimisation import is_trained
from trackbench.training.recipe import CropOptions
from trackbench.training.sampling import Shot
from trackbench.training.tasks.base import (
    Arrays,
    Batch,
    KeepsTokens,
    Losses,
    TrainingTask,
    crop_arrays,
    normalised,
    read_shots,
)

PROPOSALS = 16
SMALL = 0.2
"""Share of the jitter that a sample with small jitter has."""
PARTS = (0.4, 1.2)
"""Smallest and largest side of a part, in sides of the target."""
SMALLEST = 20.0
"""Pixels of the smallest target that shrinking makes, the square root of its area."""


def resized(
    frames: list[NDArray[np.uint8]], boxes: NDArray[np.float32], options: CropOptions, random: np.random.Generator
) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return the frames of a sample and the boxes in them at another size, by the same factors for all frames.

    Shrinking brings the square root of the smallest target's area to between `SMALLEST` pixels and what it is;
    stretching changes width over height. All ratios are equally likely.

    Args:
        frames: uint8 (H, W, 3).
        boxes: x, y, w, h in pixels, (F, 4).
        options: how many samples are shrunk, and how far they are stretched.
        random: draws the ratios.
    """
    ratio, stretch = 0.0, np.log(options.stretch) / 2
    if options.shrink and random.random() < options.shrink:
        side = float(np.sqrt(boxes[:, 2:].prod(1).min()))
        ratio = random.uniform(np.log(min(SMALLEST / max(side, 1.0), 1.0)), 0.0)
    aspect = random.uniform(-stretch, stretch) if stretch else 0.0
    fx, fy = float(np.exp(ratio + aspect)), float(np.exp(ratio - aspect))
    if fx == fy == 1.0:
        return frames, boxes
    new = [
        np.asarray(cv2.resize(frame, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames
    ]
    kept = [np.divide(after.shape[1::-1], before.shape[1::-1]) for after, before in zip(new, frames, strict=True)]
    return new, boxes * np.tile(np.array(kept, np.float32), 2)


def part_of(boxes: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return a part of each box, or more than it: the same one of all, in units of each box's width and height.

    Args:
        boxes: x, y, w, h in pixels, (F, 4).
        random: draws it.
    """
    smallest, largest = np.log(PARTS).tolist()
    shares = np.exp(random.uniform(smallest, largest, 2))
    places = random.random(2) * (1 - shares)
    sizes = boxes[:, 2:]
    return np.concatenate([boxes[:, :2] + places * sizes, shares * sizes], 1).astype(np.float32)


class StarkTask(TrainingTask):
    """Samples of the STARK family."""

    def views(self, search: CropView) -> list[CropView]:
        """Return how template and search image are cut, the search image as ``search``."""
        options = self.options
        return [CropView(options.template_factor, options.template_size), search]

    def search_view(self, random: np.random.Generator) -> CropView:
        """Return how the search image is cut."""
        crops, options = self.recipe.crops, self.options
        small = self.recipe.data.small_jitter
        strength = SMALL if small and random.random() < small else 1.0
        size = self.search_size()
        return CropView(options.search_factor, size, strength * crops.scale_jitter, strength * crops.centre_jitter)

    def search_size(self) -> int:
        """Return the side of the search image in pixels."""
        return int(self.options.search_size)

    def cut(self, shots: list[Shot], order: list[list[int]], random: np.random.Generator) -> list[Crop] | None:
        """Return the crops of a sample's frames, or None where it has to be drawn again."""
        frames, crops = read_shots(shots), self.recipe.crops
        distractors = self.recipe.data.distractors
        if distractors and random.random() < distractors:
            other = self.sampler.stark_clip(random)
            visible = np.flatnonzero(other.visible)
            if len(visible):
                chosen = Shot(other, int(random.choice(visible)))
                search = paste_distractor(
                    frames[-1], shots[-1].box, chosen.clip.frame(chosen.frame), chosen.box, random
                )
                frames = [*frames[:-1], search]
        boxes = np.stack([shot.box for shot in shots]).astype(np.float32)
        if crops.parts and random.random() < crops.parts:
            boxes = part_of(boxes, random)
        frames, boxes = resized(frames, boxes, crops, random)
        augmentation = Augmentation(crops.grey, crops.flip, crops.brightness, crops.crop_flip)
        return make_crops(frames, boxes, self.views(self.search_view(random)), order, augmentation, RandomDraws(random))

    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """See :class:`Task`: a template and a search image."""
        made = self.cut(self.sampler.causal_pair(random), [[0], [1]], random)
        if made is None:
            return None
        return crop_arrays("template", made[0]) | crop_arrays("search", made[1])


class SimTrackTask(StarkTask, KeepsTokens):
    """Loss ``2 GIoU + 5 L1`` of the corners."""

    TERMS = ("giou", "l1")

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """See :class:`Task`."""
        network = cast(SimTrack, network)
        if "search_tokens" in batch:
            template, search = batch["template_tokens"].float(), batch["search_tokens"].float()
            output = network.joined(template, batch["template_box"], search)
        else:
            output = network(normalised(batch, "template"), batch["template_box"], normalised(batch, "search"))
        loss = corner_loss(output.boxes.float(), batch["search_box"], self.recipe.loss.inverted)
        return self.weighted({"giou": loss.giou, "l1": loss.l1}, loss.iou)

    def check_tokens(self, network: nn.Module) -> None:
        """See :class:`KeepsTokens`: patches, positions and all blocks before the first joint one have to be frozen."""
        options = self.options
        if not options.separate_blocks or options.siamese or options.position_embedding == "distinguishable":
            raise UsageError(
                "data.keep_tokens: expected options.separate_blocks above 0 and options.position_embedding late, "
                "pretrained or none"
            )
        apart = re.compile(r"backbone\.visual\.(conv1|class_|positional_|ln_pre|transformer\.resblocks\.(\d+)\.)")
        for name, _ in network.named_parameters():
            found = apart.match(name)
            if found is None or (found[2] and int(found[2]) >= options.separate_blocks):
                continue
            if is_trained(name, self.recipe.optimiser, self.recipe.schedule.epochs):
                raise UsageError(f"data.keep_tokens: {name} is trained, optimiser.frozen has to name it")

    @torch.no_grad()
    def tokens(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See :class:`KeepsTokens`: the tokens before the first joint block, float16 (B, N, C), and the boxes."""
        boxes = {name: batch[name] for name in ("template_box", "search_box")}
        images = normalised(batch, "template"), boxes["template_box"], normalised(batch, "search")
        template, search = cast(SimTrack, network).apart(*images)
        return boxes | {"template_tokens": template.half(), "search_tokens": search.half()}


class SBTTask(StarkTask):
    """Loss ``120 CE + 70 L1 + 50 GIoU`` of the tokens."""

    TERMS = ("ce", "l1", "giou")

    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """See :class:`Task`: a template, a search image and which of its tokens are positive."""
        made = super().try_sample(random)
        if made is None:
            return None
        cells = self.options.search_size // self.options.backbone.stride
        if self.options.extractor == "resnet50":
            cells = self.options.search_size // 8
        labels = token_labels(made["search_box"], cells, clip=self.recipe.loss.clip_labels)
        return made | {"positive": labels}

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """See :class:`Task`."""
        output = cast(SBTNetwork, network)(normalised(batch, "search"), normalised(batch, "template"))
        loss = token_loss(output.logits.float(), output.boxes.float(), batch["search_box"], batch["positive"])
        return self.weighted({"ce": loss.classification, "l1": loss.l1, "giou": loss.giou}, loss.iou)


class AiATrackTask(StarkTask):
    """Loss ``2 GIoU + 5 L1`` of the corners and ``2 MSE`` of the predicted IoU of 16 proposals."""

    TERMS = ("giou", "l1", "iou")

    def search_size(self) -> int:
        """See :class:`StarkTask`."""
        return int(self.options.network.search_size)

    def views(self, search: CropView) -> list[CropView]:
        """Return how initial reference, short-term reference and search image are cut."""
        return [CropView(search.factor, search.size), search, search]

    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """See :class:`Task`: two references with their regions, a search image with proposals."""
        made = self.cut(self.sampler.causal_triple(random), [[2], [0, 1]], random)
        if made is None:
            return None
        arrays: Arrays = {}
        for name, crop in zip(("initial", "short", "search"), made, strict=True):
            arrays |= crop_arrays(name, crop) | {f"{name}_padded": crop.padded()[::STRIDE, ::STRIDE]}
            arrays[f"{name}_region"] = target_region(crop.label, self.options.network.cells)
        choice = random.integers(len(SIGMAS), size=PROPOSALS)
        noise = random.standard_normal((PROPOSALS, TRIES, 4), np.float32)
        proposals = make_proposals(made[2].label, choice, noise)
        boxes = proposals.boxes
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        return arrays | {"proposals": corners, "proposal_iou": proposals.targets}

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """See :class:`Task`."""
        # Called as a module, so that several processes average their gradients.
        corners, judged = network(**aiatrack_arguments(cast(AiATrackNetwork, network), batch))
        loss = corner_loss(centre_form(corners.boxes.float()), batch["search_box"], self.recipe.loss.inverted)
        mse = F.mse_loss(judged.float(), batch["proposal_iou"])
        return self.weighted({"giou": loss.giou, "l1": loss.l1, "iou": mse}, loss.iou)


def aiatrack_arguments(network: AiATrackNetwork, batch: Batch) -> dict[str, object]:
    """Return what the network is called with: search and reference frames encoded together, regions, proposals."""
    names = ("initial", "short", "search")
    images = torch.cat([normalised(batch, name) for name in names])
    encoded = network.encode(images, torch.cat([batch[f"{name}_padded"] for name in names]))
    parts = [type(encoded)(*fields) for fields in zip(*(part.chunk(3) for part in encoded), strict=True)]
    regions: list[Tensor] = [batch["initial_region"], batch["short_region"]]
    return {"search": parts[2], "references": parts[:2], "regions": regions, "boxes": batch["proposals"]}

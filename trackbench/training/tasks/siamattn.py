"""The training of SiamAttn.

The released script cannot run: its data set gives no masks, and its optimiser leaves out three modules. This is the
paper with the values of the official configuration; the modules left out are trained like the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from trackbench.trackers.zoo.siamattn.anchors import anchor_boxes, decode
from trackbench.trackers.zoo.siamattn.network import SiamAttn
from trackbench.trackers.zoo.siamattn.refinement import MASK_SIZE
from trackbench.training.crops.siamattn import CutAugmentation, context_image, cut_branch
from trackbench.training.data.sets import OpenSet
from trackbench.training.losses.siamattn import anchor_loss, classification_loss, mask_loss, refinement_loss
from trackbench.training.losses.siamattn_targets import (
    anchor_targets,
    mask_targets,
    negative_targets,
    proposal_corners,
    region_overlaps,
    region_targets,
)
from trackbench.training.recipe import Recipe
from trackbench.training.sampling import Shot
from trackbench.training.tasks.base import Arrays, Batch, Losses, TrainingTask, read_shots

WINDOW = 511
"""Side in pixels of the image around the target that both branches are cut from."""


class SiamAttnTask(TrainingTask):
    """Loss of class scores, anchors, refined boxes and masks."""

    TERMS = ("cls", "loc", "box", "mask")

    def __init__(self, recipe: Recipe, options: Any, sets: Sequence[OpenSet]) -> None:
        super().__init__(recipe, options, sets)
        places = options.response
        centred = anchor_boxes(places, options.anchor_stride, options.anchor_ratios, options.anchor_scales)
        self._decoding = centred
        moved = centred.numpy().astype(np.float64)
        moved[:, :2] += options.instance_size // 2
        self._anchors = moved.reshape(-1, places, places, 4)

    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """See :class:`Task`: both branches, the anchors' targets, the target and, where it has one, its mask."""
        shots, negative = self.sampler.ranged_pair(random)
        grey = random.random() < self.recipe.crops.grey
        crops, options = self.recipe.crops, self.options
        augmentations = (
            CutAugmentation(crops.template_shift, crops.template_scale, crops.colour),
            CutAugmentation(crops.search_shift, crops.search_scale, crops.colour, crops.blur, crops.flip),
        )
        sizes = options.exemplar_size, options.instance_size
        cuts = []
        for shot, image, size, augmentation in zip(shots, read_shots(shots), sizes, augmentations, strict=True):
            mask = self._mask(shot) if size == options.instance_size else None
            source = context_image(image, shot.box, mask, WINDOW, options.exemplar_size)
            cuts.append(cut_branch(source, size, augmentation, grey, random))
        template, search = cuts
        legacy = np.random.RandomState(int(random.integers(2**32)))
        if negative:
            targets = negative_targets(self._anchors, search.box, options.instance_size, options.anchor_stride, legacy)
        else:
            targets = anchor_targets(self._anchors, search.box, legacy)
        empty = np.zeros(search.image.shape[:2], np.uint8)
        masked = search.mask is not None and not negative
        return {
            "template": template.image,
            "search": search.image,
            "labels": targets.labels,
            "deltas": targets.deltas.astype(np.float32),
            "weights": targets.weights.astype(np.float32),
            "box": search.box.astype(np.float32),
            "box_weight": np.array([not negative], np.float32),
            "mask": search.mask if search.mask is not None and masked else empty,
            "mask_weight": np.array([masked], np.float32),
            "seed": random.integers(2**31, size=1),
        }

    def _mask(self, shot: Shot) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
        return None if shot.clip.read_mask is None else shot.clip.read_mask(shot.frame)

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """See :class:`Task`."""
        net = cast(SiamAttn, network)
        template, search = (batch[name].flip(3).permute(0, 3, 1, 2) for name in ("template", "search"))
        output = net(net.template(template), search)
        cls, loc = output.cls.float(), output.loc.float()
        terms = {
            "cls": classification_loss(cls, batch["labels"]),
            "loc": anchor_loss(loc, batch["deltas"], batch["weights"]),
        }
        boxes = proposal_corners(decode(loc.detach(), self._decoding.to(loc.device)).cpu().numpy(), self._side)
        if net.box_head is not None or net.mask_head is not None:
            rois, deltas, masks = self._regions(boxes, batch)
            rois = rois.flatten(0, 1)
            count = self.recipe.loss.regions
            if net.box_head is not None:
                assert output.box_features is not None
                refined = net.box_head(output.box_features, rois).float().view(len(cls), count, 4)
                terms["box"] = refinement_loss(refined, deltas, batch["box_weight"][:, 0])
            if net.mask_head is not None:
                assert output.mask_features is not None
                logits = net.mask_head(output.mask_features, rois).float().view(len(cls), count, MASK_SIZE, MASK_SIZE)
                terms["mask"] = mask_loss(logits, masks, batch["mask_weight"][:, 0]).loss
        return self.weighted(terms, self._iou(cls, boxes, batch))

    @property
    def _side(self) -> int:
        return int(self.options.instance_size)

    def _regions(self, boxes: np.ndarray[Any, Any], batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the regions of all images (B N, 5), their deltas (B, N, 4) and masks (B, N, 64, 64)."""
        rois, deltas, masks = [], [], []
        truth, covers, seeds = (batch[name].cpu().numpy() for name in ("box", "mask", "seed"))
        for index, seed in enumerate(seeds[:, 0].tolist()):
            made = region_targets(
                boxes[index], truth[index], self.recipe.loss.regions, self.options.box_stds, np.random.RandomState(seed)
            )
            rois.append(np.concatenate([np.full((len(made.regions), 1), index, np.float32), made.regions], 1))
            deltas.append(made.deltas)
            masks.append(mask_targets(covers[index], made.regions, MASK_SIZE))
        device = batch["search"].device
        return tuple(torch.from_numpy(np.stack(part)).to(device) for part in (rois, deltas, masks))  # type: ignore[return-value]

    def _iou(self, cls: Tensor, boxes: np.ndarray[Any, Any], batch: Batch) -> Tensor:
        """Return the mean IoU of the proposals with the best score in positive pairs."""
        with torch.no_grad():
            best = cls.view(len(cls), 2, -1).softmax(1)[:, 1].argmax(1).cpu().numpy()
        positive = np.flatnonzero(batch["box_weight"][:, 0].cpu().numpy() > 0)
        truth = batch["box"].cpu().numpy()
        ious = [float(region_overlaps(boxes[i, best[i]][None], truth[i])[0]) for i in positive]
        return torch.tensor(float(np.mean(ious)) if ious else 0.0, device=cls.device)

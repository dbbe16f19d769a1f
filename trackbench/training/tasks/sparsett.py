"""The training of SparseTT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from trackbench.trackers.zoo.sparsett.tracker import MEAN, SEARCH, STD, TEMPLATE
from trackbench.training.crops.sparsett import make_pair
from trackbench.training.data.sets import OpenSet
from trackbench.training.losses.sparsett import cell_labels, focal_loss, iou_loss
from trackbench.training.recipe import Recipe
from trackbench.training.tasks.base import Arrays, Batch, Losses, TrainingTask, read_shots

STRIDE = 16


class SparseTTTask(TrainingTask):
    """Loss ``1.4 focal + 0.6 IoU`` of the fully connected head and ``0.5 focal + 2 IoU`` of the convolutional one."""

    TERMS = ("focal_fc", "iou_fc", "focal_conv", "iou_conv")

    def __init__(self, recipe: Recipe, options: Any, sets: Sequence[OpenSet]) -> None:
        super().__init__(recipe, options, sets)
        self._mean, self._std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """See :class:`Task`: a template, a search region and the labels of its cells."""
        shots, negative = self.sampler.open_pair(random)
        first, second = read_shots(shots)
        boxes = np.stack([shot.box for shot in shots])
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1], 1)
        made = make_pair((first, second), corners, lambda: random.random(6), (TEMPLATE, SEARCH))
        labels = cell_labels(made.search_box, -(-SEARCH // STRIDE), STRIDE, negative=negative)
        return {"template": made.template, "search": made.search, "classes": labels.classes, "boxes": labels.boxes}

    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """See :class:`Task`."""
        device = batch["search"].device
        template, search = (
            (batch[name].permute(0, 3, 1, 2).float() - self._mean.to(device)) / self._std.to(device)
            for name in ("template", "search")
        )
        terms, iou = {}, torch.zeros((), device=device)
        for head, response in network(template, search).items():
            terms[f"focal_{head}"] = focal_loss(response.logits.float(), batch["classes"])
            boxes = iou_loss(response.boxes.float(), batch["boxes"], batch["classes"])
            terms[f"iou_{head}"], iou = boxes.loss, boxes.iou
        return self.weighted(terms, iou)

"""Optimisers, learning rates and what is frozen, as a recipe says."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import nn

from trackbench.errors import UsageError
from trackbench.training.recipe import OptimiserOptions, ScheduleOptions


def is_trained(name: str, options: OptimiserOptions, epoch: int) -> bool:
    """Return whether a parameter is trained in an epoch (0-based)."""
    if any(re.search(pattern, name) for pattern in options.frozen):
        return False
    return all(epoch >= until for pattern, until in options.frozen_until.items() if re.search(pattern, name))


def group_index(name: str, options: OptimiserOptions) -> int:
    """Return the number of the first group whose expression is found in a parameter's name, or how many there are."""
    indices = (index for index, group in enumerate(options.groups) if re.search(group.match, name))
    return next(indices, len(options.groups))


def learning_rate_factor(epoch: int, options: ScheduleOptions) -> float:
    """Return what the learning rate is multiplied by in an epoch (0-based).

    A warm-up of W epochs starts at ``f`` and grows by ``f^(1 - epoch / W)``. After it the factor is ``gamma`` to the
    number of ``drops`` that have passed, or falls by equal ratios from 1 to ``final`` in the last epoch.
    """
    warm = options.warm_epochs
    if epoch < warm:
        return float(options.warm_from ** (1 - epoch / warm))
    if options.final is not None:
        return float(options.final ** ((epoch - warm) / max(options.epochs - warm - 1, 1)))
    return float(options.gamma ** sum(epoch >= drop for drop in options.drops))


def phase(options: OptimiserOptions, epoch: int) -> int:
    """Return which of the phases between two sets of frozen parameters an epoch is in."""
    return sum(epoch >= until for until in set(options.frozen_until.values()))


def set_trained(network: nn.Module, options: OptimiserOptions, epoch: int) -> None:
    """Put a network into training mode, and what is frozen in an epoch out of it.

    Frozen parameters take no gradient; batch norms whose weight is frozen stay in evaluation mode.
    """
    network.train()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(is_trained(name, options, epoch))
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            weight = module.weight
            if weight is not None and not weight.requires_grad:
                module.eval()


def make_optimiser(parameters: Iterable[tuple[str, nn.Parameter]], options: OptimiserOptions) -> torch.optim.Optimizer:
    """Return the optimiser of those parameters that take a gradient; groups remember their factor.

    Raises:
        UsageError: nothing is trained.
    """
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in parameters:
        if parameter.requires_grad:
            groups.setdefault(group_index(name, options), []).append(parameter)
    if not groups:
        raise UsageError("optimiser.frozen leaves nothing to train")
    factors = [group.factor for group in options.groups] + [1.0]
    described = [
        {"params": chosen, "factor": factors[index], "lr": options.lr * factors[index]}
        for index, chosen in sorted(groups.items())
    ]
    if options.kind == "sgd":
        return torch.optim.SGD(described, options.lr, options.momentum, weight_decay=options.weight_decay)
    return torch.optim.AdamW(described, options.lr, weight_decay=options.weight_decay)


def set_learning_rates(optimiser: torch.optim.Optimizer, lr: float, factor: float) -> None:
    """Give every group the learning rate of an epoch."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["factor"] * factor

"""Small settings of SBT that tests share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sbt.options import SBTOptions

BACKBONE = {
    "dims": (8, 16, 32),
    "heads": (1, 2, 4),
    "depths": (2, 1, 4),
    "cross": ((), (), (2, 4)),
    "expansions": (2, 2, 2),
}


def small_options(backbone: dict[str, Any] | None = None, **options: Any) -> SBTOptions:
    """Return options of a network of few channels on small images, with what is given changed."""
    sizes = {"search_size": 64, "template_size": 32}
    return SBTOptions.model_validate({**sizes, **options, "backbone": {**BACKBONE, **(backbone or {})}})


def published_options(definition: str, **options: Any) -> SBTOptions:
    """Return the options of a published definition, with what is given changed."""
    found = resolve_settings(definition, options=options).options
    assert isinstance(found, SBTOptions)
    return found


def images(options: SBTOptions, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Return random search images and templates."""
    generator = torch.Generator().manual_seed(0)
    search, template = (
        torch.randn(batch, 3, size, size, generator=generator) for size in (options.search_size, options.template_size)
    )
    return search, template

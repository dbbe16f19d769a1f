"""Backbones that begin with published pre-trained weights (Table 5), read from a file that the user names."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from trackbench.errors import DataError
from trackbench.trackers.checkpoints.fitting import describe
from trackbench.trackers.checkpoints.keys import match
from trackbench.trackers.checkpoints.reader import read_state
from trackbench.trackers.simtrack.checkpoint import pretrained_keys
from trackbench.trackers.simtrack.options import SimTrackOptions


def initialise_backbone(network: nn.Module, options: SimTrackOptions) -> None:
    """Give ``network.backbone.visual`` the weights of ``options.backbone_file``; the rest stays as it is.

    Every name of the file is loaded, or known to be unneeded: the text encoder of CLIP and SLIP, the projections and
    heads of the pre-training, the blocks beyond ``options.depth``.

    Raises:
        DataError: not a file of weights, or one that is not of ``options.pretraining`` or of another size.
    """
    path = options.backbone_file
    if path is None:
        return
    visual = cast(nn.Module, cast(Any, network).backbone.visual)
    wanted = visual.state_dict()
    if any(tensor.is_meta for tensor in wanted.values()):
        return  # only names and shapes are asked for
    found = match(read_state(path), pretrained_keys(options.pretraining, options.depth[0]), wanted)
    if not found.complete:
        raise DataError(f"{path}: does not fit a backbone of pretraining '{options.pretraining}': {describe(found)}")
    weights: dict[str, Tensor] = {name: tensor.to(wanted[name].dtype) for name, tensor in found.weights.items()}
    visual.load_state_dict(weights)

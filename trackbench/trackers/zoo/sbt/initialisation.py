"""Backbones that begin with the classification weights of PVT v2, read from a file that the user names."""

from __future__ import annotations

from trackbench.checkpoints.key_map import match
from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError, UsageError
from trackbench.trackers.matching import describe
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone
from trackbench.trackers.zoo.sbt.checkpoint import classification_keys
from trackbench.trackers.zoo.sbt.network import SBTNetwork
from trackbench.trackers.zoo.sbt.options import SBTOptions


def initialise_backbone(network: SBTNetwork, options: SBTOptions) -> None:
    """Give the backbone the weights of ``options.backbone_file``; the heads stay as they are.

    Every name of the file is loaded, or known to be unneeded: its fourth stage, the blocks beyond ``depths``, and the
    classifier.

    Raises:
        DataError: not a file of weights, or of another form than the backbone.
        UsageError: the backbone is not SBT's.
    """
    path = options.backbone_file
    if path is None:
        return
    backbone = network.backbone
    if not isinstance(backbone, SBTBackbone):
        raise UsageError(f"option 'backbone_file' is '{path}': extractor '{options.extractor}' takes none")
    parameters = backbone.state_dict()
    if any(tensor.is_meta for tensor in parameters.values()):
        return  # only names and shapes are asked for
    matched = match(read_state(path), classification_keys(options.backbone.depths), parameters)
    if not matched.complete:
        raise DataError(f"{path}: does not fit this backbone: {describe(matched)}")
    backbone.load_state_dict(matched.weights)

"""Backbones that begin with the classification weights of PVT v2, read from a file that the user names."""

from __future__ import annotations

from trackbench.errors import UsageError
from trackbench.trackers.starting import start_backbone
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
    start_backbone(backbone, path, classification_keys(options.backbone.depths))

"""Backbones that begin training with published weights of classification, read from a file that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap, match
from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError
from trackbench.trackers.matching import describe


def start_backbone(
    backbone: nn.Module, path: Path | None, keys: KeyMap, without: tuple[str, ...] = (), what: str = "this backbone"
) -> None:
    """Give a backbone the weights of a file; every name of it is loaded, or known to be unneeded.

    Args:
        backbone: it.
        path: the file; None leaves the backbone as it is.
        keys: how the file's names become the backbone's.
        without: beginnings of the backbone's own names that no such file has; they stay as they are.
        what: what messages call the backbone.

    Raises:
        DataError: not a file of weights, or of another form than the backbone.
    """
    state: Mapping[str, Tensor] = backbone.state_dict()
    if path is None or any(tensor.is_meta for tensor in state.values()):
        return  # of networks on the device meta, only names and shapes are asked for
    wanted = {name: tensor for name, tensor in state.items() if not name.startswith(without or ("\0",))}
    matched = match(read_state(path), keys, wanted)
    if not matched.complete:
        raise DataError(f"{path}: does not fit {what}: {describe(matched)}")
    backbone.load_state_dict({**state, **matched.weights})


def resnet_keys(last: int) -> KeyMap:
    """Return the names of torchvision's ResNets, of which stages up to ``layer<last>`` are built."""
    later = "|".join(str(number) for number in range(last + 1, 5))
    unused = [r"fc\..*", r".*\.num_batches_tracked"]
    return KeyMap(unused=(*unused, rf"layer({later})\..*") if later else tuple(unused))

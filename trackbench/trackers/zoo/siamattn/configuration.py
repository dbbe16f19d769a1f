"""Experiment files of the pysot family (``config.yaml``) as options of SiamAttn.

A file of that family changes the defaults of its code, so a key that it does not hold has the official code's default.
What concerns training only is passed over. A known key with a value that this network cannot have is an error, as is an
unknown key where every key changes the boxes; any other unknown key is named in a warning.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trackbench.errors import UsageError, suggestion
from trackbench.files import read_yaml
from trackbench.quoting import shown

_DEFAULTS: dict[str, Any] = {
    "TRACK.TYPE": "SiamRPNTracker",
    "TRACK.PENALTY_K": 0.04,
    "TRACK.WINDOW_INFLUENCE": 0.44,
    "TRACK.LR": 0.4,
    "TRACK.MASK_THERSHOLD": 0.30,
    "TRACK.EXEMPLAR_SIZE": 127,
    "TRACK.INSTANCE_SIZE": 255,
    "TRACK.BASE_SIZE": 8,
    "TRACK.CONTEXT_AMOUNT": 0.5,
    "ANCHOR.STRIDE": 8,
    "ANCHOR.RATIOS": [0.33, 0.5, 1, 2, 3],
    "ANCHOR.SCALES": [8],
    "MASK.MASK": False,
}
"""The official code's values of keys that a file may leave out."""

_OPTIONS = {
    "TRACK.PENALTY_K": "penalty_k",
    "TRACK.WINDOW_INFLUENCE": "window_influence",
    "TRACK.LR": "lr",
    "TRACK.MASK_THERSHOLD": "mask_threshold",
    "TRACK.EXEMPLAR_SIZE": "exemplar_size",
    "TRACK.INSTANCE_SIZE": "instance_size",
    "TRACK.BASE_SIZE": "base_size",
    "TRACK.CONTEXT_AMOUNT": "context_amount",
    "ANCHOR.STRIDE": "anchor_stride",
    "ANCHOR.RATIOS": "anchor_ratios",
    "ANCHOR.SCALES": "anchor_scales",
}
"""Key of the file -> option with the same value. The name of the threshold is misspelt in the official code."""

_WHOLE = {"TRACK.EXEMPLAR_SIZE", "TRACK.INSTANCE_SIZE", "TRACK.BASE_SIZE", "ANCHOR.STRIDE"}
_LISTS = {"ANCHOR.RATIOS", "ANCHOR.SCALES"}

_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "BACKBONE.TYPE": (lambda value: value == "resnet50", "resnet50"),
    "BACKBONE.KWARGS.used_layers": (
        lambda value: value in ([0, 1, 2, 3, 4], [2, 3, 4]),
        "[0, 1, 2, 3, 4] or [2, 3, 4]",
    ),
    "ADJUST.ADJUST": (lambda value: value is True, "true"),
    "ADJUST.TYPE": (lambda value: value == "AdjustAllLayer", "AdjustAllLayer"),
    "ADJUST.KWARGS.in_channels": (lambda value: value == [512, 1024, 2048], "[512, 1024, 2048]"),
    "RPN.TYPE": (lambda value: value == "MultiRPN", "MultiRPN"),
    "RPN.KWARGS.weighted": (lambda value: value is True, "true"),
    "MASK.MASK": (lambda value: isinstance(value, bool), "true or false"),
    "REFINE.REFINE": (lambda value: value is False, "false"),
    "TRACK.TYPE": (lambda value: value in ("SiamRPNTracker", "SiamMaskTracker"), "SiamRPNTracker or SiamMaskTracker"),
}
"""Key -> which values this network can have, and their names."""

_PASSED_OVER = (
    r"META_ARC|CUDA",
    r"TRAIN\.(EXEMPLAR_SIZE|SEARCH_SIZE|BASE_SIZE|OUTPUT_SIZE|THR_HIGH|THR_LOW|POS_NUM|NEG_NUM|TOTAL_NUM)",
    r"TRAIN\.(RESUME|PRETRAINED|LOG_DIR|SNAPSHOT_DIR|EPOCH|START_EPOCH|BATCH_SIZE|NUM_WORKERS|PRINT_FREQ|LOG_GRADS)",
    r"TRAIN\.(MOMENTUM|WEIGHT_DECAY|GRAD_CLIP|BASE_LR|CLS_WEIGHT|LOC_WEIGHT|MASK_WEIGHT|BBOX_WEIGHT|ROI_PER_IMG)",
    r"TRAIN\.(LR|LR_WARMUP)\..*",
    r"DATASET\..*",
    r"BACKBONE\.(PRETRAINED|TRAIN_LAYERS|LAYERS_LR|TRAIN_EPOCH)",
    r"MASK\.(TYPE|KWARGS\..*)",
    r"REFINE\.TYPE",
    r"TRACK\.(LOST_INSTANCE_SIZE|CONFIDENCE_LOW|CONFIDENCE_HIGH)",
)
"""Keys of training, of files, and of trackers other than those two."""

MAX_NUMBER = 10_000
"""No side of a crop, stride or penalty is larger."""

_STRICT = ("TRACK", "ANCHOR")
"""Sections in which every key changes the boxes."""


def options_from_yaml(path: Path) -> dict[str, Any]:
    """Return the options that an experiment file of the pysot family sets, for ``SiamAttnOptions``.

    The tracker type decides with the switch ``MASK.MASK``: ``SiamMaskTracker`` is the whole network, ``SiamRPNTracker``
    the unrefined proposals of it, and without the switch the network is SiamRPN++, as the official code builds it.

    Args:
        path: the file, for instance ``config_vot2018.yaml``.

    Raises:
        UsageError: not YAML, or a key or value that SiamAttn does not have; the message names file and key.
    """
    values = _DEFAULTS | dict(_flat(_read(path)))
    _check(path, values)
    options = {option: _number(path, key, values[key]) for key, option in _OPTIONS.items()}
    anchors = len(options["anchor_ratios"]) * len(options["anchor_scales"])
    for key in ("ANCHOR.ANCHOR_NUM", "RPN.KWARGS.anchor_num"):
        if values.get(key, anchors) != anchors:
            raise UsageError(f"{path}: key '{key}' is {values[key]!r}, but ratios and scales make {anchors} anchors")
    channels = _channels(path, values)
    if channels is not None:
        options["channels"] = channels
    whole = bool(values["MASK.MASK"])
    refined = values["TRACK.TYPE"] == "SiamMaskTracker"
    if refined and not whole:
        raise UsageError(f"{path}: key 'TRACK.TYPE' is 'SiamMaskTracker', which needs MASK.MASK to be true")
    output = values.get("TRACK.MASK_OUTPUT_SIZE", 64)
    if refined and output != 64:
        raise UsageError(f"{path}: key 'TRACK.MASK_OUTPUT_SIZE' is {output!r}: expected 64, the size of the mask head")
    return options | {
        "self_attention": whole,
        "cross_attention": whole,
        "deform_conv": True,
        "deform_pool": True,
        "refine_box": refined,
        "mask": refined,
    }


def _read(path: Path) -> dict[str, Any]:
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise UsageError(f"{path}: holds no keys; expected an experiment file of the pysot family")
    return document


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their values."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check(path: Path, values: dict[str, Any]) -> None:
    """Raise for values that the network cannot have, and name keys that nobody knows."""
    known = {*_OPTIONS, *_CHECKS, *_CHANNELS, "ANCHOR.ANCHOR_NUM", "RPN.KWARGS.anchor_num", "TRACK.MASK_OUTPUT_SIZE"}
    unknown = [key for key in values if key not in known and not any(re.fullmatch(p, key) for p in _PASSED_OVER)]
    for key in unknown:
        if key.partition(".")[0] in _STRICT:
            raise UsageError(f"{path}: unknown key '{key}'{suggestion(key, known)}")
    if unknown:
        warnings.warn(f"{path}: unknown keys without an effect here: {', '.join(unknown)}", stacklevel=3)
    for key, (fits, expected) in _CHECKS.items():
        if key in values and not fits(values[key]):
            raise UsageError(f"{path}: key '{key}' is {shown(values[key])}: expected {expected}")


def _number(path: Path, key: str, value: Any) -> Any:
    """Return a value of the kind that its option has."""
    several = key in _LISTS
    kind = int if key in _WHOLE else (int, float)
    items = value if several and isinstance(value, list) else [value]
    if several != isinstance(value, list) or any(isinstance(v, bool) or not isinstance(v, kind) for v in items):
        expected = "numbers" if several else "a whole number" if key in _WHOLE else "a number"
        raise UsageError(f"{path}: key '{key}' is {shown(value)}: expected {expected}")
    if any(abs(v) > MAX_NUMBER for v in items):
        raise UsageError(f"{path}: key '{key}' is {shown(value)}: expected numbers of an image's size")
    return value


_CHANNELS = ("ADJUST.KWARGS.out_channels", "RPN.KWARGS.in_channels")


def _channels(path: Path, values: dict[str, Any]) -> int | None:
    """Return the channels of neck and heads, of which all have the same number, or None where the file says none."""
    counts: dict[int, str] = {}
    for key in _CHANNELS:
        value = values.get(key)
        if value is None:
            continue
        if not (isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and v > 0 for v in value)):
            raise UsageError(f"{path}: key '{key}' is {shown(value)}: expected three whole numbers")
        counts.update(dict.fromkeys(value, key))
    if len(counts) > 1:
        raise UsageError(
            f"{path}: keys {' and '.join(_CHANNELS)} ask for {sorted(counts)} channels: expected one number"
        )
    return next(iter(counts), None)

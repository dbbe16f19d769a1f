"""Experiment files of the pysot family as options."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from trackbench.errors import UsageError
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.siamattn.configuration import options_from_yaml
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions

OTB = """
META_ARC: "siamattn"
BACKBONE:
  TYPE: "resnet50"
  KWARGS:
    used_layers: [0, 1, 2, 3, 4]
  PRETRAINED: 'pretrained/resnet.pth'
  TRAIN_LAYERS: ['layer2', 'layer3', 'layer4']
  TRAIN_EPOCH: 10
  LAYERS_LR: 0.05
ADJUST:
  ADJUST: true
  TYPE: "AdjustAllLayer"
  KWARGS:
    in_channels: [512, 1024, 2048]
    out_channels: [256, 256, 256]
RPN:
  TYPE: 'MultiRPN'
  KWARGS:
    anchor_num: 5
    in_channels: [256, 256, 256]
    weighted: true
MASK:
  MASK: true
ANCHOR:
  STRIDE: 8
  RATIOS: [0.33, 0.5, 1, 2, 3]
  SCALES: [8]
  ANCHOR_NUM: 5
TRACK:
  TYPE: 'SiamMaskTracker'
  PENALTY_K: 0.20
  WINDOW_INFLUENCE: 0.35
  LR: 0.50
  EXEMPLAR_SIZE: 127
  INSTANCE_SIZE: 255
  BASE_SIZE: 8
  CONTEXT_AMOUNT: 0.5
  MASK_THERSHOLD: 0.20
  MASK_OUTPUT_SIZE: 64
TRAIN:
  EPOCH: 20
  BATCH_SIZE: 11
  ROI_PER_IMG: 15
  CLS_WEIGHT: 5.0
  LR:
    TYPE: 'log'
    KWARGS: {start_lr: 0.005, end_lr: 0.0005}
DATASET:
  NAMES: ['COCO', 'YOUTUBEVOS']
  GRAY: 0.2
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in OTB
    return write(folder, OTB.replace(old, new))


def test_published_values(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = SiamAttnOptions(**options_from_yaml(write(tmp_path, OTB)))
    assert options == SiamAttnOptions(penalty_k=0.20, window_influence=0.35, lr=0.50)


def test_what_a_file_leaves_out_is_the_official_codes(tmp_path: Path) -> None:
    options = SiamAttnOptions(**options_from_yaml(write(tmp_path, "META_ARC: siamrpn")))
    assert (options.penalty_k, options.window_influence, options.lr, options.mask_threshold) == (0.04, 0.44, 0.4, 0.3)
    parts = (options.self_attention, options.cross_attention, options.refine_box, options.mask)
    assert parts == (False, False, False, False)


def test_network_and_tracker_type(tmp_path: Path) -> None:
    plain = options_from_yaml(changed(tmp_path, "'SiamMaskTracker'", "'SiamRPNTracker'"))
    assert (plain["self_attention"], plain["refine_box"], plain["mask"]) == (True, False, False)
    narrow = OTB.replace("[256, 256, 256]", "[128, 128, 128]").replace("[0.33, 0.5, 1, 2, 3]", "[0.5, 1, 2]")
    options = options_from_yaml(
        write(tmp_path, narrow.replace("anchor_num: 5", "anchor_num: 3").replace("NUM: 5", "NUM: 3"))
    )
    assert options["channels"] == 128
    assert options["anchor_ratios"] == [0.5, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'SiamMaskTracker'", "SiamRPNLTTracker", r"'TRACK.TYPE' is 'SiamRPNLTTracker': expected SiamRPNTracker or"),
        ("resnet50", "alexnetlegacy", "'BACKBONE.TYPE' is 'alexnetlegacy': expected resnet50"),
        ("'MultiRPN'", "DepthwiseRPN", "'RPN.TYPE' is 'DepthwiseRPN': expected MultiRPN"),
        ("LR: 0.50", "LR: fast", "'TRACK.LR' is 'fast': expected a number"),
        ("STRIDE: 8", "STRIDE: 8.5", "'ANCHOR.STRIDE' is 8.5: expected a whole number"),
        ("SCALES: [8]", "SCALES: 8", "'ANCHOR.SCALES' is 8: expected numbers"),
        ("ANCHOR_NUM: 5", "ANCHOR_NUM: 3", "'ANCHOR.ANCHOR_NUM' is 3, but ratios and scales make 5 anchors"),
        ("PENALTY_K", "PENALTYK", "unknown key 'TRACK.PENALTYK'; did you mean 'TRACK.PENALTY_K'"),
        ("MASK_OUTPUT_SIZE: 64", "MASK_OUTPUT_SIZE: 127", "'TRACK.MASK_OUTPUT_SIZE' is 127: expected 64"),
        ("MASK: true", "MASK: false", "'TRACK.TYPE' is 'SiamMaskTracker', which needs MASK.MASK to be true"),
        ("out_channels: [256, 256, 256]", "out_channels: [128, 128, 128]", r"ask for \[128, 256\] channels"),
        ("out_channels: [256, 256, 256]", "out_channels: 256", "'ADJUST.KWARGS.out_channels' is 256: expected three"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(UsageError, match=message) as error:
        options_from_yaml(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), ("- 1", "holds no keys"), ("!!python/object/apply:os.getcwd []", "not valid YAML")],
)
def test_files_of_another_kind(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options_from_yaml(write(tmp_path, text))
    with pytest.raises(UsageError, match=r"missing\.yaml: cannot be read"):
        options_from_yaml(tmp_path / "missing.yaml")


def test_unknown_keys_of_training_are_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"unknown keys without an effect here: TRAIN\.EXTRA, NOVEL$"):
        options_from_yaml(write(tmp_path, OTB.replace("  EPOCH: 20", "  EPOCH: 20\n  EXTRA: 1") + "NOVEL: 2\n"))


def test_file_as_an_option(tmp_path: Path) -> None:
    path = str(write(tmp_path, OTB))
    options = resolve_settings("siamattn", "vot2018", {"config": path, "lr": 0.3}).options
    assert isinstance(options, SiamAttnOptions)
    assert (options.penalty_k, options.window_influence, options.lr) == (0.20, 0.35, 0.3)
    assert options.box_origin == "pixel"
    boxes = resolve_settings("siamattn-box", options={"config": path}).options
    assert isinstance(boxes, SiamAttnOptions)
    assert not boxes.mask
    assert boxes.refine_box
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read"):
        resolve_settings("siamattn", options={"config": "nowhere.yaml"})

"""The self-test finds and names what goes wrong with trackers, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command import document
from strict_device import strict_device
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from trackbench.definitions import TRACKERS
from trackbench.doctor import self_test as conducting
from trackbench.doctor.clip import make_clip
from trackbench.doctor.faults import Fault, find_faults
from trackbench.doctor.readings import Built, Readings, build_network, take
from trackbench.doctor.records import (
    FOLDER,
    as_record,
    clip_sha256,
    read_record,
    recorded_trackers,
    trackers_with_records,
    write_record,
)
from trackbench.doctor.self_test import setting_faults
from trackbench.nn.crops import square
from trackbench.nn.crops.normalise import Normaliser
from trackbench.regions import Box, region_to_box
from trackbench.trackers import settings, square_crop
from trackbench.trackers.base import Options
from trackbench.trackers.networks import Networked
from trackbench.trackers.zoo.dcfnet import tracker as dcfnet
from trackbench.trackers.zoo.dcfnet.tracker import DCFNet, DCFNetOptions
from trackbench.trackers.zoo.sbt.options import SBTOptions
from trackbench.trackers.zoo.sbt.tracker import SBT

SBT_SIZE: dict[str, Any] = {
    "search_size": 64,
    "template_size": 32,
    "backbone": {"dims": (8, 16, 32), "heads": (1, 2, 4), "depths": (1, 1, 4), "cross": ((), (), (2, 4))},
}


class Subject(NamedTuple):
    """A small tracker with its record."""

    model: type[Networked]
    options: Options
    record: Readings

    def make(self, device: str = "cpu") -> Built:
        return build_network(self.model, self.options, device)

    def faults(self, device: str = "cpu") -> list[Fault]:
        built = self.make(device)
        return find_faults(take(built), self.record, make_clip(), lambda clip: take(built, clip, brief=True))

    def names(self) -> list[str]:
        return [fault.name for fault in self.faults()]


def subject(model: type[Networked], options: Options) -> Subject:
    return Subject(model, options, as_record(take(build_network(model, options, "cpu"))))


@pytest.fixture(scope="module")
def square_tracker() -> Subject:
    return subject(SBT, SBTOptions.model_validate(SBT_SIZE))


@pytest.fixture(scope="module")
def warped_tracker() -> Subject:
    return subject(DCFNet, DCFNetOptions(cells=41))


def test_the_clip_has_the_same_bytes_everywhere() -> None:
    assert clip_sha256(make_clip()) == CLIP


CLIP = "e7fd977780647547804a405074a0f0cb034d06f2d67b82bc5787f1910d146af1"


def test_nothing_is_found_where_all_is_well(square_tracker: Subject, warped_tracker: Subject) -> None:
    for tracker in (square_tracker, warped_tracker):
        assert tracker.faults() == []


def test_other_orders_of_sums_are_no_fault(warped_tracker: Subject) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with torch.backends.mkldnn.flags(enabled=False):
            assert warped_tracker.faults() == []
    finally:
        torch.set_num_threads(threads)


def test_another_device_is_no_fault(square_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_device(monkeypatch) as device:
        assert square_tracker.faults(device) == []


# The twelve faults.


def test_bgr_for_rgb(square_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Normaliser.forward
    monkeypatch.setattr(Normaliser, "forward", lambda self, images: forward(self, images[..., ::-1].copy()))
    assert square_tracker.names() == ["BGR for RGB"]


@pytest.mark.parametrize("kernel", ["INTER_CUBIC", "INTER_AREA", "INTER_NEAREST"])
def test_another_resize_kernel(square_tracker: Subject, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resize = cv2.resize

    def other(image: Any, size: Any, *_: Any, dst: Any = None, **__: Any) -> Any:
        return resize(image, size, dst=dst, interpolation=getattr(cv2, kernel))

    monkeypatch.setattr(cv2, "resize", other)
    assert square_tracker.names() == ["another resize kernel"]


@pytest.mark.parametrize(("mean", "std"), [((0.5,) * 3, (0.5,) * 3), ((0.406, 0.456, 0.485), (0.229, 0.224, 0.225))])
def test_mean_and_standard_deviation(
    square_tracker: Subject, mean: Any, std: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SBT, "normaliser", classmethod(lambda cls: Normaliser(mean, std)))
    assert square_tracker.names() == ["mean or standard deviation"]


@pytest.mark.skipif(int(cv2.__version__.partition(".")[0]) < 5, reason="OpenCV 5 is not installed")
def test_the_warp_of_opencv_5(warped_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def warp(image: Any, matrix: Any, size: Any, border: Any = 0) -> Any:
        return cv2.warpAffine(image, np.asarray(matrix, np.float64), size, borderValue=border)

    monkeypatch.setattr(dcfnet, "warp_affine", warp)
    assert warped_tracker.names() == ["OpenCV 5's warp"]


class Rounded(TorchFunctionMode):
    """Rounds what goes into convolutions, and what comes out, as a GPU would in lower precision."""

    def __init__(self, before: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]) -> None:
        self.before, self.after = before, after

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (F.conv2d, torch.conv2d):
            return func(*args, **(kwargs or {}))
        return self.after(func(*(self.before(x) if isinstance(x, Tensor) else x for x in args), **(kwargs or {})))


def ten_bits(numbers: Tensor) -> Tensor:
    """Return float32 with the mantissa of TF32."""
    return ((numbers.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def test_tf32(warped_tracker: Subject) -> None:
    with Rounded(ten_bits, lambda out: out):
        assert warped_tracker.names() == ["TF32"]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision(warped_tracker: Subject, kind: torch.dtype) -> None:
    with Rounded(lambda x: x.to(kind).float(), lambda out: out.to(kind).float()):
        assert warped_tracker.names() == ["half precision"]


def test_dropped_keys(square_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    load = nn.Module.load_state_dict

    def lenient(self: nn.Module, state: Any, *_: Any, **__: Any) -> Any:
        return load(self, {key: value for key, value in state.items() if "bbox_head" not in key}, strict=False)

    monkeypatch.setattr(nn.Module, "load_state_dict", lenient)
    faults = square_tracker.faults()
    assert faults[0].name == "dropped keys"
    assert "head.bbox_head" in faults[0].text


def test_settings_of_another_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = settings._layers
    monkeypatch.setattr(
        settings, "_layers", lambda definition, record, protocol: [next(iter(layers(definition, record, protocol)))]
    )
    (fault,) = setting_faults("sparsett")
    assert fault.name == "settings of another data set"
    assert "penalty_k is 0.04, not 0.053" in fault.text


def test_stale_state(square_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, kept = SBT.encode_template, []

    def stale(self: SBT, *arguments: Any) -> Any:
        states = encode(self, *arguments)
        kept.append(states[0].template)
        for state in states:
            state.template = kept[max(0, len(kept) - 2)]
        return states

    monkeypatch.setattr(SBT, "encode_template", stale)
    assert square_tracker.names() == ["stale state"]


def test_crop_padding(square_tracker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = square.cut_window

    def grey(*arguments: Any) -> Any:
        window = cut(*arguments)
        rows, columns = window.image.shape[:2]
        window.image[rows - window.below :] = 128
        window.image[:, columns - window.right :] = 128
        return window

    monkeypatch.setattr(square, "cut_window", grey)
    assert square_tracker.names() == ["crop padding"]


def test_origin_off_by_a_pixel(
    square_tracker: Subject, warped_tracker: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(region: Any) -> Box:
        box = region_to_box(region)
        return Box(box.x + 1, box.y + 1, box.w, box.h)

    monkeypatch.setattr(square_crop, "region_to_box", shifted)
    assert square_tracker.names() == ["origin off by a pixel"]
    matlab = warped_tracker._replace(options=DCFNetOptions(cells=41, origin=1))
    assert matlab.names() == ["origin off by a pixel"]
    step = DCFNet.step

    def reported(self: DCFNet, frames: Any, states: Any) -> Any:
        return [replace(each, region=shifted(each.region)) for each in step(self, frames, states)]

    monkeypatch.setattr(DCFNet, "step", reported)
    assert warped_tracker.names() == ["origin off by a pixel"]


@pytest.mark.parametrize("order", ["unmoved", "transposed"])
def test_channels_last_mistake(square_tracker: Subject, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Normaliser.forward

    def mistaken(self: Normaliser, images: Any) -> Tensor:
        if order == "transposed":
            return forward(self, images.transpose(0, 2, 1, 3).copy())
        count, height, width, channels = images.shape
        read = images.reshape(count, channels, height, width)
        return forward(self, np.ascontiguousarray(read.transpose(0, 2, 3, 1)))

    monkeypatch.setattr(Normaliser, "forward", mistaken)
    assert square_tracker.names() == ["channels-last mistake"]


# What is behind no name, and what surrounds the test.


def test_what_has_no_name_is_still_found(
    warped_tracker: Subject, square_tracker: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(F, "relu", lambda x, inplace=False: x.clamp_min(-20))
        assert warped_tracker.names() == ["activations"]
    with monkeypatch.context() as patch:
        mirrored = Normaliser.forward
        patch.setattr(Normaliser, "forward", lambda self, images: mirrored(self, images[:, :, ::-1].copy()))
        assert square_tracker.names() == ["crop"]


def test_a_record_is_what_was_written(square_tracker: Subject, tmp_path: Any) -> None:
    clip = make_clip()
    write_record(tmp_path / "small.npz", take(square_tracker.make()), clip)
    record, sha256 = read_record(tmp_path / "small.npz")
    assert sha256 == clip_sha256(clip)
    assert find_faults(take(square_tracker.make()), record, clip, lambda _: record) == []


def test_records_are_of_built_in_trackers_and_small() -> None:
    assert set(recorded_trackers()) == set(trackers_with_records())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1 << 20


@pytest.mark.parametrize("name", ["sparsett", "siamattn", "dcfnet", "sbt-light"])
def test_settings_are_those_of_the_record(name: str) -> None:
    assert list(setting_faults(name)) == []


def test_doctor_tests_the_trackers_that_are_named(workplace: Any) -> None:
    found = document("doctor", "static", "dcf", "--device", "cpu")
    tested = {row["subject"]: row for row in found["findings"] if " on " in row["subject"]}
    assert tested["static on cpu"]["state"] == tested["dcf on cpu"]["state"] == "good"


def test_definitions_of_the_user_have_no_record(workplace: Any) -> None:
    (finding,) = conducting.self_test("drift", "cpu")
    assert (finding.state, TRACKERS.get("drift").builtin) == ("note", False)


def distinct_trackers() -> list[str]:
    """The trackers with a record, of those that differ in nothing but their weights one."""
    first: dict[str, str] = {}
    for name in recorded_trackers():
        value = TRACKERS.get(name).value
        first.setdefault(repr((value.model, value.options)), name)
    return [*first.values()]


@pytest.mark.slow
@pytest.mark.parametrize("name", distinct_trackers())
@pytest.mark.parametrize("device", conducting.devices())
def test_every_tracker_passes_on_every_device(name: str, device: str) -> None:
    (finding,) = conducting.self_test(name, device)
    assert finding.state == "good", finding.text

"""DCFNet with its published weights against what the official code gives on the first frames of Crossing."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from samples import noted, read_bgr

from trackbench.checkpoints.reader import read_state
from trackbench.errors import TrackerError
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.zoo.dcfnet.tracker import DCFNet, DCFNetOptions

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def recorded(reference: Path) -> Arrays:
    return dict(np.load(reference / "parity" / "dcfnet.npz"))


@pytest.fixture(scope="module")
def frames(crossing: Path) -> list[np.ndarray]:
    paths = sorted((crossing / "Crossing" / "img").glob("*.jpg"))[:12]
    return [cv2.cvtColor(read_bgr(path), cv2.COLOR_BGR2RGB) for path in paths]


@pytest.fixture(scope="module")
def model(reference: Path) -> DCFNet:
    return DCFNet(DCFNetOptions(origin=1), weights=read_state(reference / "models" / "dcfnet.pth"))


@pytest.fixture(scope="module")
def published(reference: Path) -> np.ndarray:
    """The official boxes with the pixels of OpenCV 4, which the code was published with."""
    return np.loadtxt(reference / "parity" / "dcfnet_Crossing_cv4.txt", delimiter=",")


def close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours.numpy() - theirs).max() <= tolerance * np.abs(theirs).max()


def test_label_and_window(model: DCFNet, recorded: Arrays) -> None:
    label = torch.fft.irfft2(model._label, s=(125, 125))[::2, ::2]
    close(label, recorded["label_s2"], 1e-6)
    close(model._label.real, recorded["label_f_real"], 1e-6)
    close(model._window[::2, ::2], recorded["cos_window_s2"], 1e-6)
    assert model._scales == pytest.approx(recorded["scale_factor"], rel=1e-12)
    assert model._penalties.numpy() == pytest.approx(recorded["scale_penalties"], rel=1e-6)


def test_first_frames(
    model: DCFNet, recorded: Arrays, frames: list[np.ndarray], published: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops: list[np.ndarray] = []
    spectra: list[torch.Tensor] = []
    cut, transform = model._crop, model._spectra
    monkeypatch.setattr(model, "_crop", lambda *given: noted(crops, cut(*given)))
    monkeypatch.setattr(model, "_spectra", lambda given: noted(spectra, transform(given)))
    (state,) = model.start(frames[:1], [Target(Box(*published[0]))])
    assert state.smallest == pytest.approx(recorded["min_sz"], rel=1e-12)
    assert state.largest == pytest.approx(recorded["max_sz"], rel=1e-12)
    for frame in (1, 2):
        (prediction,) = model.step([frames[frame]], [state])
        box = prediction.region
        assert isinstance(box, Box)
        assert (box.x, box.y, box.w, box.h) == pytest.approx(recorded[f"box_frame{frame}_cv4"], abs=1e-9)
        assert state.centre == pytest.approx(recorded[f"target_pos_frame{frame}_cv4"], abs=1e-9)
        assert state.size == pytest.approx(recorded[f"target_sz_frame{frame}_cv4"], abs=1e-9)
        best = recorded[f"best_scale_frame{frame}_cv4"]
        assert prediction.score == pytest.approx(recorded[f"peak_frame{frame}_cv4"][best], abs=1e-5)
        model.learn([state])
        close(state.alpha.real, recorded[f"alphaf_real_frame{frame}_cv4"], 1e-4)
    # start; then search and learning of frames 1 and 2
    for index, name in enumerate(("update_crop_frame0", "search_crops_frame1", "update_crop_frame1")):
        wanted = recorded[f"{name}_cv4"]
        assert np.array_equal(planes(crops[index]).reshape(wanted.shape), wanted), name
    assert np.array_equal(planes(crops[3]), recorded["search_crops_frame2_cv4"])
    assert np.array_equal(planes(crops[4])[0], recorded["update_crop_frame2_cv4"])
    close(spectra[0][0, ::4, ::2, ::2].real, recorded["zf_real_frame0_c4s2_cv4"], 1e-5)
    close(spectra[0][0, ::4, ::2, ::2].imag, recorded["zf_imag_frame0_c4s2_cv4"], 1e-5)
    close(state.template[::4, ::2, ::2].real, recorded["zf_real_frame2_c4s2_cv4"], 1e-5)
    close(state.template[::4, ::2, ::2].imag, recorded["zf_imag_frame2_c4s2_cv4"], 1e-5)


def planes(crops: np.ndarray) -> np.ndarray:
    """Return RGB crops (B, n, n, 3) as they are recorded, (B, 3, n, n), blue first."""
    return crops.transpose(0, 3, 1, 2)[:, ::-1]


def test_features_and_responses(model: DCFNet, recorded: Arrays) -> None:
    """From the recorded crops, so that nothing before them counts."""
    crops = torch.from_numpy(recorded["search_crops_frame1_cv4"])
    features = model.network(crops.float() - model._mean)
    close(features[:, ::8, ::3, ::3], recorded["search_feature_frame1_c8s3_cv4"], 1e-5)
    template = model._spectra(torch.from_numpy(recorded["update_crop_frame0_cv4"])[None].flip(1).permute(0, 2, 3, 1))
    alpha = torch.from_numpy(recorded["alphaf_real_frame0_cv4"] + 1j * recorded["alphaf_imag_frame0_cv4"])
    matched = (model._spectra(crops.flip(1).permute(0, 2, 3, 1)) * template.conj()).sum(1)
    response = torch.fft.irfft2(alpha * matched, s=(125, 125))
    close(response, recorded["response_frame1_cv4"], 1e-5)


def test_batch_and_resumed_states(model: DCFNet, frames: list[np.ndarray], published: np.ndarray) -> None:
    starts = [Box(*published[0]), Box(100, 60, 30, 40)]
    together = model.start([frames[0]] * 2, [Target(box) for box in starts])
    alone = [model.start([frames[0]], [Target(box)])[0] for box in starts]
    for number, frame in enumerate(frames[1:4]):
        boxes = [prediction.region for prediction in model.step([frame] * 2, together)]
        if number == 1:  # as if another process went on from here
            alone = [pickle.loads(pickle.dumps(copy.deepcopy(state))) for state in alone]
        assert boxes == [model.step([frame], [state])[0].region for state in alone]


def test_options_change_the_tracker(model: DCFNet, frames: list[np.ndarray], published: np.ndarray) -> None:
    weights = model.network.state_dict()
    single = DCFNet(DCFNetOptions(scales=1, origin=1), weights=weights)
    (state,) = single.start(frames[:1], [Target(Box(*published[0]))])
    boxes = [single.step([frame], [state])[0].region for frame in frames[1:]]
    assert {(box.w, box.h) for box in boxes if isinstance(box, Box)} == {(17.0, 50.0)}


def test_faulty_boxes(model: DCFNet, frames: list[np.ndarray]) -> None:
    with pytest.raises(TrackerError, match=r"dcfnet cannot start on box with box x=4 y=5 w=0 h=7"):
        model.start(frames[:1], [Target(Box(4, 5, 0, 7))])


def test_without_reference_material() -> None:
    """A texture that moves by (2, 1) a frame is followed to within a cell, with weights by a rule."""
    model = DCFNet(DCFNetOptions(cells=63), weights=rule_weights())
    moved = [np.roll(texture(), (step, 2 * step), axis=(0, 1)) for step in range(4)]
    (state,) = model.start(moved[:1], [Target(Box(40, 30, 24, 18))])
    boxes = [model.step([frame], [state])[0].region for frame in moved[1:]]
    centres = np.array([(box.x + box.w / 2, box.y + box.h / 2) for box in boxes if isinstance(box, Box)])
    assert np.abs(centres - [(54, 40), (56, 41), (58, 42)]).max() < 1.2  # a cell is 24 * 3 / 63 = 1.14 pixels wide


def rule_weights() -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(0)
    shapes = {"0.weight": (32, 3, 3, 3), "0.bias": (32,), "2.weight": (32, 32, 3, 3), "2.bias": (32,)}
    return {
        f"feature.{name}": torch.from_numpy(0.1 * generator.standard_normal(shape)).float()
        for name, shape in shapes.items()
    }


def texture() -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 0)

"""Pictures of frames: what is drawn where, and which frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from command import trackbench
from matplotlib.backends.backend_agg import FigureCanvasAgg

from trackbench.datasets.synthetic import synthesize
from trackbench.regions import Box, Mask, Polygon, Special
from trackbench.reports.frame_plot import Shown, frame_figure
from trackbench.results.store import RunFolder, RunKey


def rendered(*shown: Shown, ground_truth: Box | None = None) -> np.ndarray:
    frame = np.full((60, 80, 3), 200, np.uint8)
    canvas = FigureCanvasAgg(frame_figure(frame, ground_truth, list(shown), "a frame"))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def count(image: np.ndarray, colour: tuple[float, ...], within: float = 6) -> int:
    return int((np.abs(image - colour).max(-1) < within).sum())


def test_answer_mask_and_truth_are_drawn() -> None:
    mask = Mask(np.ones((20, 30), bool), 25, 20)
    answer = Polygon([25, 20, 54, 20, 54, 39, 25, 39])
    plain = rendered(Shown("Ours", "#0000ff", answer, None))
    image = rendered(Shown("Ours", "#0000ff", answer, mask), ground_truth=Box(10, 10, 40, 30))
    tinted = tuple(0.55 * 200 + 0.45 * value for value in (0, 0, 255))
    assert count(plain, tinted) == 0
    # The mask covers 600 of the frame's 4800 pixels.
    share = count(image, tinted) / (count(image, tinted) + count(image, (200, 200, 200)))
    assert share == pytest.approx(600 / 4800, abs=0.03)
    # Lines are thin, so their colour is mixed; the legend has a dash of the truth's in any case.
    blue, yellow = ((0, 0, 255), 60), ((255, 212, 0), 60)
    assert count(plain, *blue) > 200
    assert count(image, *yellow) > 3 * count(plain, *yellow)


def test_codes_and_several_trackers() -> None:
    rows = [Shown(f"t{index}", "#ff0000", Special(2), None) for index in range(4)]
    assert rendered(*rows).shape[0] > rendered(rows[0]).shape[0] * 0.3


@pytest.fixture
def stored(workplace: Path) -> Path:
    synthesize(workplace / "vot", sequences=1, frames=4, seed=2)
    name = (workplace / "vot" / "list.txt").read_text().split()[0]
    folder = RunFolder(workplace / "runs", RunKey("ours", "vot", "supervised"))
    answer = Polygon([100, 80, 160, 90, 150, 140, 90, 130])
    masks = ["", "m100,80,3,2,1,2,1,2", "", ""]
    folder.write(name, [Special(1), answer, answer, answer], [0.1] * 4, [None, 0.5, 0.4, 0.3], masks=masks)
    folder.write_manifest({"tracker": "ours", "dataset": "vot", "protocol": "supervised"})
    assert folder.mask(name, 0) is None
    assert folder.mask(name, 1) == Mask(np.array([[False, True, True], [False, True, True]]), 100, 80)
    return workplace


def test_report_draws_the_frames_that_are_asked_for(stored: Path) -> None:
    name = (stored / "vot" / "list.txt").read_text().split()[0]
    common = ("report", "ours", "-d", "./vot", "--protocol", "supervised", "--no-plots")
    trackbench(*common, "--frame", name, "--frame", f"{name}:2")
    for number in (2, 3):
        path = stored / "runs/report/vot" / f"frame_{name}_{number:05d}.png"
        image = cv2.imread(str(path))
        assert image is not None
        assert path.with_suffix(".svg").is_file()
    for wanted, message in (
        ("nothing", "vot has no sequence 'nothing'"),
        (f"{name}:5", "the sequence and its results have 4 frames"),
        (f"{name}:x", "expected SEQUENCE or SEQUENCE:NUMBER"),
    ):
        assert message in trackbench(*common, "--frame", wanted, code=2).stderr

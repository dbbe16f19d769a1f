"""What only a CUDA device shows: its memory, its streams, its graphs. benchmarks/on_cuda.sh runs these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_trackers import SMALL_TRACKERS
from torch import Tensor

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.synthetic import synthesize
from trackbench.engine.capacity import largest_batch
from trackbench.engine.scheduler import Job, Progress, run
from trackbench.nn.crops.resample import resample_squares
from trackbench.nn.graphs import DeviceCalls
from trackbench.nn.staging import HostCopy, upload
from trackbench.protocols.one_pass import one_pass
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel
from trackbench.trackers.networks import Networked

pytestmark = pytest.mark.cuda

DEVICE = "cuda:0"
NETWORKS = ["dcfnet", "siamattn", "siamattn-box", "sbt", "sparsett", "simtrack", "simtrack-swin", "aiatrack"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    synthesize(folder, sequences=8, frames=8, size=(160, 120), layout="otb")
    return folder


class Greedy(TrackerModel[Any]):
    """Takes a gigabyte for each target of a call."""

    Options = Options

    def __init__(self) -> None:
        super().__init__(Options(), DEVICE)

    def start(self, frames: list[Frame], targets: list[Target]) -> list[Any]:
        return [region_to_box(target.region) for target in targets]

    def step(self, frames: list[Frame], states: list[Any]) -> list[Prediction]:
        Tensor.zero_(torch.empty(len(frames) << 30, dtype=torch.uint8, device=DEVICE))
        return [Prediction(state) for state in states]


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let this process have three and a half gigabytes."""
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(3.5 * 2**30 / whole, DEVICE)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
    torch.cuda.empty_cache()


def jobs(clips: Path, model: TrackerModel[Any]) -> list[Job]:
    return [Job(sequence.name, sequence, model, one_pass) for sequence in open_dataset(str(clips)).sequences]


def boxes(clips: Path, model: TrackerModel[Any], batch: int, **options: Any) -> dict[Any, list[Box]]:
    outcomes = list(run([[job] for job in jobs(clips, model)], batch, **options))
    assert all(outcome.trajectory for outcome in outcomes), [outcome.reason for outcome in outcomes]
    return {o.job.key: [region_to_box(r) for r in o.trajectory.regions] for o in outcomes if o.trajectory}


def test_a_gpu_that_runs_out_of_memory_goes_on_with_half_the_batch(clips: Path, little_memory: None) -> None:
    notes: list[str] = []

    class Notes(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    assert len(boxes(clips, Greedy(), 8, progress=Notes())) == 8
    assert "cuda:0 ran out of memory with 8 targets" in notes[0]
    assert "ran out of memory with 4 targets" in notes[1]
    assert len(notes) == 2


def test_the_largest_batch_leaves_room(clips: Path) -> None:
    model = Greedy()
    free, _ = torch.cuda.mem_get_info(DEVICE)
    assert largest_batch(model, jobs(clips, model)) == min(8, int(0.9 * free / 2**30))


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_and_halves_in_turn_give_the_boxes_of_eager_calls(clips: Path, name: str) -> None:
    model = SMALL_TRACKERS[name](DEVICE)
    assert isinstance(model, Networked)
    expected = boxes(clips, model, 4)
    halves = boxes(clips, model, 8, turns=2)
    model.on_device = DeviceCalls("graph", DEVICE)
    graphs, both = boxes(clips, model, 4), boxes(clips, model, 8, turns=2)
    assert model.on_device.recorded >= 1
    for found in (halves, graphs, both):
        for key, reference in expected.items():
            numbers = np.array([box.numbers() for box in reference])
            np.testing.assert_allclose([box.numbers() for box in found[key]], numbers, rtol=0, atol=1e-3)


def test_staging_brings_values_there_and_back_in_the_streams_order() -> None:
    array = np.arange(1 << 22, dtype=np.float32)
    downloads = [HostCopy(upload(array + n, DEVICE) * 2) for n in range(8)]
    for n, download in enumerate(downloads):
        np.testing.assert_array_equal(download.array(), (array + n) * 2)


def test_crops_of_the_device_are_those_of_the_host() -> None:
    import cv2

    rng = np.random.default_rng(0)
    windows = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (5, 77, 256, 613)]
    made = resample_squares(windows, 256, DEVICE).cpu().numpy()
    for window, image in zip(windows, made, strict=True):
        np.testing.assert_array_equal(image, cv2.resize(window, (256, 256), interpolation=cv2.INTER_LINEAR))

"""AiATrack as a tracker: batches, states, memory, rules that recorded outputs cannot decide, settings."""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import document, trackbench
from numpy.typing import NDArray
from small_aiatrack import sequence, small_options, small_tracker

from trackbench.errors import TrackerError
from trackbench.nn.layers.corner_head import Corners
from trackbench.regions import Box, Polygon
from trackbench.trackers.base import Target, Tracker
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.aiatrack.memory import Memory, MemoryFrame, split_counts
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack, AiATrackOptions

GOLDEN = Path(__file__).parents[3] / "golden" / "aiatrack" / "small.json"


@pytest.fixture(scope="module")
def tracker() -> AiATrack:
    return small_tracker(threshold=0.137, cache_size=4)


def follow(tracker: AiATrack, frames: list[NDArray[np.uint8]], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return boxes and scores of the frames after the first, (N, 5)."""
    state = tracker.start(frames[:1], [Target(Box.of(box))])
    rows = []
    for frame in frames[1:]:
        prediction = tracker.step([frame], state)[0]
        assert isinstance(prediction.region, Box)
        assert prediction.score is not None
        rows.append([*prediction.region.numbers(), prediction.score])
    return np.array(rows)


def test_recorded_run() -> None:
    """Recorded when the network gave the official code's outputs; needs no reference material."""
    recorded = json.loads(GOLDEN.read_text())
    tracker = small_tracker(threshold=recorded["threshold"], cache_size=recorded["cache_size"])
    frames, boxes = sequence(12)
    state = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
    for index, frame in enumerate(frames[1:]):
        prediction = tracker.step([frame], state)[0]
        assert isinstance(prediction.region, Box)
        np.testing.assert_allclose(prediction.region.numbers(), recorded["boxes"][index], rtol=0, atol=2e-3)
        assert prediction.score is not None
        np.testing.assert_allclose(prediction.score, recorded["scores"][index], rtol=0, atol=2e-5)
        assert [entry.frame for entry in state[0].memory.entries] == recorded["kept"][index]


def test_batch_of_different_sequences_gives_single_runs(tracker: AiATrack) -> None:
    length = 7
    sequences = [sequence(length, seed) for seed in range(4)]
    # Frames of several sizes, and targets whose crops reach over the border or do not.
    for number, (frames, boxes) in enumerate(sequences):
        frames[:] = [frame[: 120 - 6 * number, : 160 - 4 * number] for frame in frames]
        boxes[0, 2:] *= 0.5 + 0.2 * number
    singles = [follow(tracker, frames, boxes[0]) for frames, boxes in sequences]
    states = tracker.start([frames[0] for frames, _ in sequences], [Target(Box.of(boxes[0])) for _, boxes in sequences])
    kept: set[int] = set()
    for index in range(1, length):
        predictions = tracker.step([frames[index] for frames, _ in sequences], states)
        kept |= {len(state.memory.entries) for state in states}
        for prediction, single in zip(predictions, singles, strict=True):
            assert isinstance(prediction.region, Box)
            np.testing.assert_allclose(prediction.region.numbers(), single[index - 1, :4], rtol=0, atol=1e-3)
            assert prediction.score == pytest.approx(single[index - 1, 4], abs=1e-5)
    assert len(kept) > 1, "the memories should differ, so that references are padded"


def test_state_is_copied_and_continues(tracker: AiATrack) -> None:
    frames, boxes = sequence(10)
    expected = follow(tracker, frames, boxes[0])
    state = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
    for frame in frames[1:6]:
        tracker.step([frame], state)
    for copied in (copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        for index, frame in enumerate(frames[6:], 5):
            prediction = tracker.step([frame], copied)[0]
            assert isinstance(prediction.region, Box)
            assert [*prediction.region.numbers(), prediction.score] == pytest.approx(expected[index].tolist())


@pytest.mark.slow
def test_state_continues_in_another_process(tracker: AiATrack, tmp_path: Path) -> None:
    frames, boxes = sequence(10)
    expected = follow(tracker, frames, boxes[0])
    state = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
    for frame in frames[1:6]:
        tracker.step([frame], state)
    (tmp_path / "state.pickle").write_bytes(pickle.dumps((state, frames[6:])))
    program = (
        "import json, pickle, sys\n"
        "from small_aiatrack import small_tracker\n"
        "state, frames = pickle.load(open(sys.argv[1], 'rb'))\n"
        "tracker = small_tracker(threshold=0.137, cache_size=4)\n"
        "found = [tracker.step([frame], state)[0] for frame in frames]\n"
        "print(json.dumps([[*p.region.numbers(), p.score] for p in found]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "state.pickle")],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    np.testing.assert_allclose(json.loads(done.stdout), expected[5:], rtol=0, atol=1e-4)


def test_init_and_track_are_a_batch_of_one(tracker: AiATrack) -> None:
    frames, boxes = sequence(4)
    expected = follow(tracker, frames, boxes[0])
    face = Tracker(tracker)
    face.init(frames[0], Polygon(Box.of(boxes[0]).polygon().points))
    for frame, row in zip(frames[1:], expected, strict=True):
        region = face.track(frame).region
        assert isinstance(region, Box)
        np.testing.assert_allclose(region.numbers(), row[:4])


@pytest.mark.parametrize("box", [(10, 10, 0, 5), (10, math.nan, 5, 5), (1000, 10, 5, 5)])
def test_impossible_regions_are_refused(tracker: AiATrack, box: tuple[float, ...]) -> None:
    with pytest.raises(TrackerError, match="cannot cut a crop"):
        tracker.start([sequence(1)[0][0]], [Target(Box(*box))])


def test_integer_boxes_are_reported_only() -> None:
    frames, boxes = sequence(6)
    plain = follow(small_tracker(), frames, boxes[0])
    truncated = follow(small_tracker(integer_boxes=True), frames, boxes[0])
    np.testing.assert_array_equal(truncated[:, :4], np.trunc(plain[:, :4]))
    np.testing.assert_array_equal(truncated[:, 4], plain[:, 4])


@pytest.mark.parametrize(("above", "kept"), [(False, [0]), (True, [0, 1])])
def test_threshold_is_strict(above: bool, kept: list[int]) -> None:
    frames, boxes = sequence(2)
    score = np.float32(follow(small_tracker(), frames, boxes[0])[0, 4])
    threshold = np.nextafter(score, np.float32(-1)) if above else score
    tracker = small_tracker(threshold=float(threshold))
    state = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
    tracker.step(frames[1:], state)
    assert [entry.frame for entry in state[0].memory.entries] == kept


def test_scores_that_are_no_number_are_not_remembered(tracker: AiATrack, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, boxes = sequence(2)
    monkeypatch.setattr(tracker.network.iou_head, "forward", lambda x, boxes: torch.full((1, 1), math.nan))
    state = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
    tracker.step(frames[1:], state)
    assert len(state[0].memory.entries) == 1


def cells_of(region: torch.Tensor) -> tuple[list[int], list[int]]:
    """Return the columns and rows of a region of 20 x 20 cells."""
    grid = region.reshape(20, 20).numpy()
    return np.flatnonzero(grid.any(0)).tolist(), np.flatnonzero(grid.any(1)).tolist()


@pytest.fixture(scope="module")
def large() -> AiATrack:
    """The official sizes, without the layers that take time."""
    return AiATrack(small_options({"search_size": 320, "encoder_layers": 1}))


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


@pytest.mark.parametrize(
    ("box", "columns", "rows"),
    [
        ((2.5, 3.5, 4.5, 2.5), span(2, 5), span(4, 5)),  # halves go to even numbers, each for itself
        ((-2, -3, 5, 4), span(0, 2), [0]),
        ((18, 17, 9, 2), [18, 19], [17, 18]),
        ((3, 4, -2, 5), [], []),
        ((3, 4, 0.4, 5), [], []),
    ],
)
def test_regions(large: AiATrack, box: tuple[float, ...], columns: list[int], rows: list[int]) -> None:
    assert cells_of(large._region_cells(torch.tensor([box]) / 20)) == (columns, rows)


def seen_regions(tracker: AiATrack, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Return the list to which the tracker will add the regions of the frames that it remembers."""
    seen: list[torch.Tensor] = []
    refer = tracker.network.refer

    def note(branch: str, memory: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        seen.append(regions[0])
        return refer(branch, memory, regions)

    monkeypatch.setattr(tracker.network, "refer", note)
    return seen


def test_initial_region_is_centred_on_the_middle_pixel(large: AiATrack, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_regions(large, monkeypatch)
    large.start([np.zeros((240, 320, 3), np.uint8)], [Target(Box(100, 80, 108, 70))])
    assert cells_of(seen[0]) == (span(7, 11), span(8, 10))


def test_region_of_a_frame_is_not_clipped_to_it(large: AiATrack, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = torch.tensor([[0.2, 0.4, 0.5, 0.6]])
    maps = torch.zeros(1, 20, 20)
    monkeypatch.setattr(large.network.box_head, "forward", lambda x: Corners(boxes, maps, maps))
    monkeypatch.setattr(large.network.iou_head, "forward", lambda x, boxes: torch.ones(1, 1))
    state = large.start([np.zeros((240, 320, 3), np.uint8)], [Target(Box(0, 100, 50, 50))])
    seen = seen_regions(large, monkeypatch)
    prediction = large.step([np.zeros((240, 320, 3), np.uint8)], state)[0]
    assert isinstance(prediction.region, Box)
    assert prediction.region.x == 0
    assert cells_of(seen[0]) == (span(4, 9), span(8, 11))


def entry(frame: int) -> MemoryFrame:
    return MemoryFrame(frame, torch.empty(0), torch.empty(0))


def frames_of(sampled: list[tuple[MemoryFrame, int]]) -> list[tuple[int, int]]:
    return [(kept.frame, count) for kept, count in sampled]


def test_memory_spreads_references_up_to_the_newest() -> None:
    memory = Memory(capacity=6, ensemble=3, entries=[entry(0)])
    assert frames_of(memory.sample()) == [(0, 3)]
    memory.admit(entry(4))
    assert frames_of(memory.sample()) == [(0, 2), (4, 1)]
    memory.admit(entry(5))
    assert frames_of(memory.sample()) == [(0, 1), (4, 1), (5, 1)]
    memory.admit(entry(7))
    assert frames_of(memory.sample()) == [(4, 1), (5, 1), (7, 1)]
    memory.admit(entry(8))
    memory.admit(entry(9))
    assert frames_of(memory.sample()) == [(4, 1), (7, 1), (9, 1)]


def test_memory_evicts_the_oldest_but_the_initial_frame() -> None:
    memory = Memory(capacity=3, ensemble=2, entries=[entry(0)])
    for frame in (3, 5, 6, 9):
        memory.admit(entry(frame))
    assert [kept.frame for kept in memory.entries] == [0, 6, 9]


def test_lists_of_a_batch_get_one_length() -> None:
    sampled = [(entry(0), 3), (entry(4), 1), (entry(5), 2)]
    assert frames_of(split_counts(sampled, 3)) == [(0, 3), (4, 1), (5, 2)]
    assert frames_of(split_counts(sampled, 4)) == [(0, 1), (0, 2), (4, 1), (5, 2)]
    assert frames_of(split_counts(sampled, 6)) == [(0, 1), (0, 1), (0, 1), (4, 1), (5, 1), (5, 1)]


@pytest.mark.parametrize(
    ("name", "dataset", "expected"),
    [
        ("aiatrack", None, (100, 3, 0.7)),
        ("aiatrack", "got10k-val", (100, 3, 0.7)),
        ("aiatrack", "vot2020", (100, 3, 0.7)),
        ("aiatrack", "lasot", (100, 4, 0.8)),
        ("aiatrack", "lasot-ext", (100, 6, 0.8)),
        ("aiatrack", "trackingnet", (100, 6, 0.7)),
        ("aiatrack", "nfs30", (80, 3, 0.6)),
        ("aiatrack", "otb100", (100, 3, 0.7)),
        ("aiatrack", "uav123", (100, 3, 0.7)),
        ("aiatrack-got10k", "got10k-test", (80, 4, 0.7)),
        ("aiatrack-got10k", None, (100, 3, 0.7)),
    ],
)
def test_settings_per_data_set(name: str, dataset: str | None, expected: tuple[int, int, float]) -> None:
    options = resolve_settings(name, dataset=dataset).options
    assert isinstance(options, AiATrackOptions)
    assert (options.cache_size, options.ensemble, options.threshold) == expected
    assert options.search_factor == 5
    assert not options.integer_boxes


def test_definitions_write_out_every_default() -> None:
    for name in ("aiatrack", "aiatrack-got10k", "aiatrack-no-aia"):
        settings = resolve_settings(name)
        expected: dict[str, Any] = AiATrackOptions().model_dump(exclude={"backbone_file"})
        if name == "aiatrack-no-aia":
            expected["network"]["aia"] = "none"
        assert settings.definition.value.options == expected


@pytest.mark.usefixtures("workplace")
def test_without_weights_it_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    output = trackbench("run", "aiatrack", "-d", "data", code=1).output
    assert "Little-Podi/AiATrack" in output
    assert "--random-weights" in output


@pytest.mark.usefixtures("workplace")
def test_random_weights_run_with_ablation_switches() -> None:
    settings = ["network.search_size=64", "network.aia=cross-attn", "network.embedding=mask", "ensemble=2"]
    switches = [word for setting in settings for word in ("--set", setting)]
    runs = document("run", "aiatrack", "-d", "data", "--limit", "1", "--random-weights", *switches)["runs"]
    assert runs[0]["sequences"] == 1
    assert not runs[0]["failed"]

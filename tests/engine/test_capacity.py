"""Memory: a batch that does not fit is halved and the run goes on; ``--batch auto`` finds the largest that fits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.synthetic import synthesize
from trackbench.engine.capacity import Capacity, is_out_of_memory, largest, largest_batch
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.engine.queue import Rules
from trackbench.engine.scheduler import Job, Outcome, Progress, run
from trackbench.protocols.one_pass import one_pass
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel
from trackbench.trackers.registry import find_tracker

TRACKER = '''
import torch
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Options, Prediction, TrackerModel


class NarrowOptions(Options):
    holds: int = 5


class Narrow(TrackerModel):
    """Its device holds few targets; a step moves the box by one pixel."""

    Options = NarrowOptions

    def start(self, frames, targets):
        self._hold(frames)
        return [region_to_box(target.region).array() for target in targets]

    def step(self, frames, states):
        for state in states:
            state[0] += 1  # half of a step is done when memory runs out
        self._hold(frames)
        return [Prediction(Box.of(state)) for state in states]

    def _hold(self, frames):
        if len(frames) > self.options.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
'''


class Narrow(TrackerModel[Any]):
    """The same as an object, which also counts its calls."""

    Options = Options

    def __init__(self, holds: int, fault: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__(Options())
        self.holds, self.fault = holds, fault
        self.calls: list[int] = []

    def start(self, frames: list[Frame], targets: list[Target]) -> list[Any]:
        return [region_to_box(target.region).array() for target in targets]

    def step(self, frames: list[Frame], states: list[Any]) -> list[Prediction]:
        for state in states:
            state[0] += 1
        if len(frames) > self.holds:
            raise self.fault("no memory left")
        self.calls.append(len(frames))
        return [Prediction(Box.of(state)) for state in states]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    synthesize(folder, sequences=12, frames=5, size=(64, 64), layout="otb")
    return folder


class Notes(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def follow(clips: Path, model: TrackerModel[Any], batch: int, turns: int) -> tuple[list[Outcome], list[str]]:
    notes = Notes()
    jobs = [[Job(sequence.name, sequence, model, one_pass)] for sequence in open_dataset(str(clips)).sequences]
    return list(run(jobs, batch, progress=notes, turns=turns)), notes.lines


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("fault", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_halves_the_batch_and_loses_nothing(clips: Path, turns: int, fault: type[Exception]) -> None:
    model = Narrow(5, fault)
    outcomes, notes = follow(clips, model, 12, turns)
    assert len(outcomes) == 12
    for outcome in outcomes:
        assert outcome.trajectory is not None
        first = region_to_box(outcome.job.sequence.initial_region()).array()
        boxes = np.array([region_to_box(region).array() for region in outcome.trajectory.regions])
        assert np.allclose(boxes, first + np.outer(np.arange(5), [1, 0, 0, 0]))
        assert outcome.batch <= 5
    assert notes
    assert all("cpu ran out of memory with" in note and "--batch" in note for note in notes)
    assert max(model.calls) == 3  # 12 -> 6 -> 3, in halves as well


def test_one_target_that_does_not_fit_fails_with_the_devices_words(clips: Path) -> None:
    outcomes, notes = follow(clips, Narrow(0), 4, 1)
    assert {outcome.reason for outcome in outcomes} == {"OutOfMemoryError: no memory left"}
    assert len(outcomes) == 12
    assert len(notes) == 2  # 4 -> 2 -> 1


def test_two_halves_in_turn_give_the_same_boxes_in_calls_of_half_the_size(clips: Path) -> None:
    def boxes(turns: int) -> tuple[dict[Any, Any], list[int]]:
        model = Narrow(100)
        outcomes, _ = follow(clips, model, 8, turns)
        assert all(outcome.trajectory for outcome in outcomes)
        return {outcome.job.key: outcome.trajectory.regions for outcome in outcomes if outcome.trajectory}, model.calls

    (whole, large), (halved, small) = boxes(1), boxes(2)
    assert whole == halved
    assert (max(large), max(small)) == (8, 4)


def test_steps_of_one_half_are_begun_before_those_of_the_other_have_ended(clips: Path) -> None:
    told: list[tuple[str, int]] = []

    class Late(Narrow):
        def launch(self, frames: list[Frame], states: list[Any]) -> Any:
            told.append(("begin", len(frames)))

            def finish() -> list[Prediction]:
                told.append(("end", len(frames)))
                return TrackerModel.launch(self, frames, states)()

            return finish

    follow(clips, Late(100), 8, 2)
    assert told[:6] == [("begin", 4), ("begin", 4), ("end", 4), ("begin", 4), ("end", 4), ("begin", 4)]
    told.clear()
    follow(clips, Late(100), 8, 1)
    assert told[:4] == [("begin", 8), ("end", 8), ("begin", 8), ("end", 8)]


def test_a_subclass_that_changes_steps_is_not_passed_by() -> None:
    class Inner(Narrow):
        def launch(self, frames: list[Frame], states: list[Any]) -> Any:
            raise AssertionError("its own step is another")

    class Outer(Inner):
        def step(self, frames: list[Frame], states: list[Any]) -> list[Prediction]:
            return [Prediction(Box(1, 2, 3, 4)) for _ in states]

    assert Outer(1).launch([np.zeros((2, 2, 3), np.uint8)], [None])() == [Prediction(Box(1, 2, 3, 4))]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 64])
def test_the_largest_number_is_found_with_few_tries(most: int) -> None:
    for limit in range(most + 3):
        tried: list[int] = []

        def fits(count: int, limit: int = limit, tried: list[int] = tried) -> bool:
            tried.append(count)
            return count <= limit

        assert largest(fits, most) == min(limit, most)
        assert len(tried) == len(set(tried)) <= 2 * most.bit_length()


def test_auto_finds_the_largest_batch_that_fits(clips: Path) -> None:
    model = Narrow(5)
    jobs = [Job(sequence.name, sequence, model, one_pass) for sequence in open_dataset(str(clips)).sequences]
    assert largest_batch(model, jobs) == 5
    assert largest_batch(model, jobs[:3]) == 3
    assert largest_batch(Narrow(0), [Job("k", jobs[0].sequence, Narrow(0), one_pass)]) == 1


def test_a_run_with_batch_auto_says_and_records_its_batch(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "narrow.py").write_text(TRACKER)
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers/narrow.toml").write_text('title = "Narrow"\nclass = "narrow:Narrow"\n')
    monkeypatch.chdir(tmp_path)
    result = trackbench("run", "narrow", "-d", str(clips), "--batch", "auto", "--device", "cpu")
    assert "Narrow: 5 sequences at once (--batch auto)" in result.stderr
    manifest = json.loads(next((tmp_path / "runs/narrow").rglob("sessions/*.json")).read_text())
    assert manifest["batch"] == 5
    assert max(manifest["batches"].values()) == 5
    assert sum(manifest["shares"].values()) == pytest.approx(1, abs=1e-3)
    again = trackbench("run", "narrow", "-d", str(clips), "--batch", "8", "--device", "cpu", "--restart")
    assert "ran out of memory with 8 targets in a call; from here on 4 are under way" in again.stderr.replace("\n", " ")
    assert (
        "--batch 'x': expected a number above 0, or auto"
        in trackbench("run", "narrow", "-d", str(clips), "--batch", "x", code=2).stderr
    )


def test_real_time_with_batch_auto_is_measured_one_call_at_a_time(clips: Path, tmp_path: Path) -> None:
    plan = make_plan(find_tracker("static"), open_dataset(str(clips)), tmp_path, protocol="realtime")
    execute([plan], device="cpu", rules=Rules(batch=None))
    session = json.loads(next(tmp_path.rglob("sessions/*.json")).read_text())
    assert session["batch"] == 1


def test_what_counts_as_out_of_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("expected all tensors to be on the same device"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_halving_again_and_again_ends_at_one() -> None:
    model, capacity = Narrow(0), Capacity(7)
    sizes = [capacity.size(model)]
    while capacity.size(model) > 1:
        capacity.halve(model, capacity.size(model))
        sizes.append(capacity.size(model))
    assert sizes == [7, 3, 1]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import VideoSequence
from trackbench.engine.scheduler import Job, Outcome, Progress, run
from trackbench.errors import DataError
from trackbench.frames import FrameSource, read_frame
from trackbench.protocols.base import EpisodeGenerator, Init, Track, Trajectory
from trackbench.protocols.one_pass import one_pass
from trackbench.regions import Box
from trackbench.trackers.registry import load_model


def jobs(names: list[str], **options: Any) -> list[list[Job]]:
    dataset = open_dataset("data")
    models = {name: load_model(name, device="cpu", options=options) for name in names}
    return [[Job((name, s.name), s, models[name], one_pass) for name in names] for s in dataset.sequences]


def by_key(outcomes: Iterator[Outcome]) -> dict[Any, Outcome]:
    return {outcome.job.key: outcome for outcome in outcomes}


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_one_pass(workplace: Path, batch: int) -> None:
    outcomes = by_key(run(jobs(["drift"]), batch))
    assert len(outcomes) == 3
    for (_, name), outcome in outcomes.items():
        assert outcome.trajectory is not None
        sequence = outcome.job.sequence
        assert outcome.trajectory.regions == [Box(10 + i, 12, 8, 6) for i in range(len(sequence))]
        assert all(seconds >= 0 for seconds in outcome.trajectory.seconds)
        # The score is the brightness of the frame: each tracker saw its own sequence.
        brightness = 90 + 10 * int(name[1])
        assert outcome.trajectory.scores[0] is None
        assert np.allclose(np.array(outcome.trajectory.scores[1:], float), brightness, atol=1)


def test_frames_are_decoded_once_for_all_trackers(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def spy(path: Path, **how: Any) -> Any:
        read.append(path)
        return read_frame(path, **how)

    monkeypatch.setattr("trackbench.frames.read_frame", spy)
    outcomes = list(run(jobs(["drift", "static"]), 2))
    assert len(outcomes) == 6
    assert len(read) == len(set(read)) == 6 + 7 + 8


def test_a_broken_image_ends_its_own_sequence_only(workplace: Path) -> None:
    (workplace / "data/s2/img/0004.jpg").write_bytes(b"no image")
    outcomes = by_key(run(jobs(["drift"]), 8))
    reason = outcomes["drift", "s2"].reason
    assert outcomes["drift", "s2"].trajectory is None
    assert reason is not None
    assert "s2/img/0004.jpg: is not a readable image (8 bytes)" in reason
    assert outcomes["drift", "s1"].trajectory is not None
    assert outcomes["drift", "s3"].trajectory is not None


@pytest.mark.parametrize("batch", [1, 8])
def test_an_exception_in_the_tracker_ends_its_own_sequence_only(workplace: Path, batch: int) -> None:
    import cv2

    cv2.imwrite(str(workplace / "data/s2/img/0004.jpg"), np.zeros((52, 64, 3), np.uint8))
    outcomes = by_key(run(jobs(["drift"], fail_on="dark"), batch))
    assert outcomes["drift", "s2"].reason == "ValueError: the frame is dark"
    assert "in step" in (outcomes["drift", "s2"].trace or "")
    for name, frames in (("s1", 6), ("s3", 8)):
        trajectory = outcomes["drift", name].trajectory
        assert trajectory is not None
        assert trajectory.regions == [Box(10 + i, 12, 8, 6) for i in range(frames)]


def test_every_sequence_fails_to_start(workplace: Path) -> None:
    outcomes = by_key(run(jobs(["drift"], fail_on="start"), 8))
    assert [outcome.reason for outcome in outcomes.values()] == ["RuntimeError: cannot start"] * 3


def test_unusable_first_box(workplace: Path) -> None:
    (workplace / "data/s1/groundtruth.txt").write_text("1,2,0,4\n" * 6)
    outcomes = by_key(run(jobs(["drift"]), 8))
    assert "expected finite numbers and a positive area" in (outcomes["drift", "s1"].reason or "")
    assert outcomes["drift", "s2"].trajectory is not None


def test_draws_do_not_depend_on_the_batch(workplace: Path) -> None:
    def boxes(batch: int) -> Any:
        return {key: outcome.trajectory.regions for key, outcome in by_key(run(jobs(["dice"]), batch)).items()}  # type: ignore[union-attr]

    assert boxes(1) == boxes(3)
    assert boxes(1)["dice", "s1"][1] != boxes(1)["dice", "s1"][2]


def test_a_protocol_that_walks_backwards(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are decoded ahead in the direction of the walk, and none twice."""
    read: list[str] = []

    def spy(path: Path, **how: Any) -> Any:
        read.append(path.stem)
        return read_frame(path, **how)

    def backwards(sequence: VideoSequence) -> EpisodeGenerator:
        trajectory = Trajectory()
        last = len(sequence) - 1
        trajectory.add(sequence.region(last), (yield Init(last, sequence.region(last))))
        for index in range(last - 1, -1, -1):
            answer = yield Track(index)
            trajectory.add(sequence.region(index), answer)
        return trajectory

    monkeypatch.setattr("trackbench.frames.read_frame", spy)
    sequence = open_dataset("data").sequences[0]
    job = Job("k", sequence, load_model("static", device="cpu"), backwards)
    outcome = next(run([[job]]))
    assert outcome.trajectory is not None
    assert len(outcome.trajectory.regions) == 6
    assert sorted(read) == [f"{n:04d}" for n in range(1, 7)]


def test_memory_is_bounded_by_the_budget(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackbench.frames.BUDGET", 3 * 48 * 64 * 3)
    frames = open_dataset("data").sequences[0].frames
    with FrameSource(2) as source:
        source.plan(frames[:1], frames[1:])
        source.get(frames[0])
        assert source.room() == 3
        source.plan(frames[1:2], frames[2:])
        assert len(source._frames) == 3
        source.plan(frames[2:3], [])
        assert list(source._frames) == frames[2:3]


def test_read_frame(tmp_path: Path) -> None:
    import cv2

    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 2] = 255
    cv2.imwrite(str(tmp_path / "red.png"), red)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 6), 9, np.uint8))
    assert read_frame(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]
    assert read_frame(tmp_path / "grey.png").shape == (4, 6, 3)
    for name, message in (
        ("none.png", "none.png: cannot be read: No such file"),
        ("empty.png", "not a readable"),
    ):
        (tmp_path / "empty.png").touch()
        with pytest.raises(DataError, match=message):
            read_frame(tmp_path / name)


def test_progress_is_told_of_every_sequence_and_every_answer(workplace: Path) -> None:
    told: list[object] = []

    class Spy(Progress):
        def begin(self, job: Job) -> None:
            told.append(("begin", job.sequence.name))

        def advance(self, frames: int) -> None:
            super().advance(frames)
            told.append(frames)

        def end(self, outcome: Outcome) -> None:
            told.append(("end", outcome.job.sequence.name))

    progress = Spy()
    list(run(jobs(["drift"]), 1, progress=progress))
    expected: list[object] = []
    for name, frames in (("s1", 6), ("s2", 7), ("s3", 8)):
        expected += [("begin", name), *[1] * (frames - 1), ("end", name), 1]
    assert told == expected
    assert progress.frames == 21

"""VOT's protocols: what they ask, what they write, and that it is what the official executor wrote."""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset, select
from trackbench.datasets.sequence import Dataset, GroundTruth, VideoSequence
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, expected_frames, make_plan
from trackbench.errors import DataError, UsageError
from trackbench.frames import read_frame
from trackbench.protocols.base import Answer, EpisodeGenerator, Init, Request, Track, Trajectory
from trackbench.protocols.multi_start import anchored_runs, anchors, from_anchor
from trackbench.protocols.real_time import real_time
from trackbench.protocols.supervised import FailureRule, same_trajectories, supervised
from trackbench.regions import Box, Mask, Polygon, Region, Special, format_region
from trackbench.regions.files import read_regions
from trackbench.trackers.base import Prediction
from trackbench.trackers.registry import find_tracker

SIZE = (100, 80)
HERE, AWAY = Box(10, 10, 20, 20), Box(60, 50, 20, 20)

WOBBLE = '''
import random
from trackbench.regions import Box
from trackbench.trackers.base import Options, Prediction, TrackerModel


class WobbleOptions(Options):
    by: float = 2.0
    leaves: int = 9
    """Frames after a start until the target is lost."""


class Wobble(TrackerModel):
    """Stays where it started, give or take a few pixels at random, and then leaves."""

    Options = WobbleOptions

    def seed(self, seed):
        self.seed_of_next = seed

    def start(self, frames, targets):
        return [[random.Random(self.seed_of_next), target.region, 0] for target in targets]

    def step(self, frames, states):
        out = []
        for state in states:
            draw, box, _ = state
            state[2] += 1
            if state[2] > self.options.leaves:
                out.append(Prediction(Box(-50, -50, 5, 5), 0.0))
            else:
                dx, dy = (draw.uniform(-self.options.by, self.options.by) for _ in "xy")
                out.append(Prediction(Box(box.x + dx, box.y + dy, box.w, box.h), 1.0))
        return out
'''


def sequence_of(ground_truth: Iterable[Region], anchor: Mapping[int, float] | None = None) -> VideoSequence:
    """A sequence without images."""
    regions = list(ground_truth)
    values = np.zeros(len(regions))
    for index, value in (anchor or {}).items():
        values[index] = value
    whole = GroundTruth.of_regions(regions, values={"anchor": values} if anchor is not None else {})
    return VideoSequence("s", lambda: [Path(f"{i}.jpg") for i in range(len(regions))], lambda: whole)


def play(
    script: EpisodeGenerator, answer: Callable[[int], Region], seconds: Callable[[int], float] = lambda _: 0.01
) -> Any:
    """Drive a run without an engine; returns its trajectory and the frames that were asked about."""
    asked: list[Request] = []
    reply: Answer | None = None
    try:
        while True:
            request = next(script) if reply is None else script.send(reply)
            prediction = None if isinstance(request, Init) else Prediction(answer(request.index), 0.5)
            reply = Answer(prediction, seconds(len(asked)), SIZE)
            asked.append(request)
    except StopIteration as end:
        return end.value, asked


def codes(trajectory: Trajectory) -> str:
    """The codes of a trajectory, a dot where it has a region."""
    return "".join(str(r.code) if isinstance(r, Special) else "." for r in trajectory.regions)


# --- supervised ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "lost", "expected"),
    [
        (12, [], "1..........."),
        (12, [3], "1..200001..."),
        (12, [1, 7], "120000120000"),
        (12, [6], "1.....200001"),
        (12, [7], "1......20000"),  # the restart would be the first frame after the end
        (12, [11], "1..........2"),
        (12, [3, 9], "1..200001200"),
        (1, [], "1"),
        (2, [1], "12"),
    ],
)
def test_a_failure_leaves_out_four_frames(frames: int, lost: list[int], expected: str) -> None:
    sequence = sequence_of([HERE] * frames)
    trajectory, asked = play(supervised(sequence, FailureRule("pysot")), lambda i: AWAY if i in lost else HERE)
    assert codes(trajectory) == expected
    assert len(trajectory.regions) == len(trajectory.seconds) == len(trajectory.scores) == frames
    # Where nothing was asked there is no time: nowhere else.
    assert np.isnan(trajectory.seconds).tolist() == [code == "0" for code in expected]
    assert [request.index for request in asked] == [i for i, code in enumerate(expected) if code != "0"]
    assert [isinstance(request, Init) for request in asked] == [code == "1" for code in expected if code != "0"]


def test_a_restart_waits_for_a_target() -> None:
    ground_truth: list[Region] = [HERE] * 14
    ground_truth[7:10] = [Special(0)] * 3
    trajectory, asked = play(
        supervised(sequence_of(ground_truth), FailureRule("pysot")), lambda i: AWAY if i == 3 else HERE
    )
    assert codes(trajectory) == "1..2000000" + "1..."
    assert asked[4] == Init(10, HERE)


def test_no_restart_where_the_target_does_not_come_back() -> None:
    ground_truth = [HERE] * 6 + [Special(0)] * 6
    trajectory, _ = play(supervised(sequence_of(ground_truth), FailureRule("vot")), lambda _: HERE)
    assert codes(trajectory) == "1.....200000"


def test_a_first_frame_without_a_target_is_refused() -> None:
    with pytest.raises(DataError, match="truth of frame 1"):
        next(supervised(sequence_of([Special(0), HERE]), FailureRule("vot")))


@pytest.mark.parametrize(
    ("answer", "ground_truth", "pysot", "matlab", "vot"),
    [
        (HERE, HERE, False, False, False),
        (HERE, AWAY, True, True, True),
        # For pysot a box ends at x+w, but an annotated one a pixel earlier; vot rounds its width.
        (Box(0, 0, 10.4, 10), Box(10, 0, 10, 10), False, True, True),
        (Box(10, 0, 10, 10), Box(0, 0, 10.4, 10), True, True, True),
        (Box(10, 0, 10, 10), Box(0, 0, 10.4, 10).polygon(), False, False, False),
        # What they share lies outside the image, in the column just beyond it, and in the last one.
        (Box(-30, 0, 20, 20), Box(-30, 0, 20, 20), True, True, True),
        (Box(99, 0, 10, 10), Box(99, 0, 10, 10), False, True, True),
        (Box(98, 0, 10, 10), Box(98, 0, 10, 10), False, False, False),
        (Box(np.nan, 0, 10, 10), HERE, True, True, True),
        (Polygon([np.nan, 0, 9, 0, 9, 9]), HERE, True, True, True),
        (Special(0), HERE, True, True, True),
        (HERE, Special(0), True, True, True),
    ],
)
def test_loss_by_each_rule(answer: Region, ground_truth: Region, pysot: bool, matlab: bool, vot: bool) -> None:
    found = [FailureRule(rule)(answer, ground_truth, SIZE) for rule in ("pysot", "matlab", "vot")]
    assert found == [pysot, matlab, vot]


def test_masks_need_the_rule_of_vot() -> None:
    mask = Mask(np.ones((4, 4)), 12, 12)
    assert not FailureRule("vot")(mask, HERE, SIZE)
    with pytest.raises(DataError, match="masks need --convention vot"):
        FailureRule("pysot")(mask, HERE, SIZE)


def test_same_trajectories() -> None:
    run: list[Region] = [Special(1), Box(0, 0, 1000, 10), Special(2)]
    almost: list[Region] = [Special(1), Box(0, 0, 1000.4, 10), Special(2)]
    other: list[Region] = [Special(1), Box(0, 0, 990, 10), Special(2)]
    assert same_trajectories([run, run, almost])
    assert not same_trajectories([run, run, other])
    assert not same_trajectories([run, [Special(1), Special(2), Special(0)], run])
    assert not same_trajectories([run, run[:2]])


# --- multi-start ---------------------------------------------------------------------------------------------------


def test_anchors_go_both_ways() -> None:
    sequence = sequence_of([Box(i, 0, 5, 5) for i in range(8)], {0: 1, 3: 2, 5: -1, 7: -0.5})
    assert anchors(sequence) == [(0, 1), (3, 1), (5, -1), (7, -1)]
    runs = anchored_runs(sequence)
    assert [run.name for run in runs] == ["s_00000000", "s_00000003", "s_00000005", "s_00000007"]
    assert [run.length(sequence) for run in runs] == [8, 5, 6, 8]
    assert [run.delay for run in runs] == [0, 3, 2, 0]
    for run, frames in zip(runs, (range(8), range(3, 8), range(5, -1, -1), range(7, -1, -1)), strict=True):
        trajectory, asked = play(run.script(sequence), lambda i: Box(i, 1, 5, 5))
        assert [request.index for request in asked] == list(frames)
        assert asked[0] == Init(run.start, sequence.region(run.start))
        assert trajectory.regions == [Special(1), *(Box(i, 1, 5, 5) for i in frames[1:])]


@pytest.mark.parametrize("anchor", [None, {}])
def test_without_anchors_there_is_no_run(anchor: dict[int, float] | None) -> None:
    with pytest.raises(DataError, match=r"s: has no anchors; expected a file anchor.value"):
        anchored_runs(sequence_of([HERE] * 3, anchor))


# --- real time -----------------------------------------------------------------------------------------------------


def test_a_tracker_of_a_third_of_the_speed_sees_every_third_frame() -> None:
    sequence = sequence_of([HERE] * 16)
    trajectory, asked = play(real_time(from_anchor(sequence), 30, speed=10.1), lambda i: Box(i, 0, 5, 5))
    # The start and the next two frames are graced.
    assert [request.index for request in asked] == [0, 1, 2, 3, 5, 7, 9, 11, 13, 15]
    assert [r.x for r in trajectory.regions[1:]] == [1, 2, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15]
    assert np.isnan(trajectory.seconds).tolist() == [i not in [r.index for r in asked] for i in range(16)]


def test_a_fast_tracker_sees_all() -> None:
    sequence = sequence_of([HERE] * 9)
    _, asked = play(real_time(from_anchor(sequence), 30, speed=30), lambda _: HERE)
    assert [request.index for request in asked] == list(range(9))


@pytest.mark.parametrize("grace", [0, 1, 3])
def test_same_frames_missed_as_in_vot_toolkit(grace: int) -> None:
    """Random delays against the toolkit's own runtime, with restarts in between."""
    from vot.tracker import RealtimeTrackerRuntime

    class Clock:
        tracker = None

        def __init__(self) -> None:
            self.calls: list[float] = []

        def initialize(self, frame: int, new: object = None, properties: object = None) -> tuple[int, float]:
            self.calls.append(delays[frame])
            return frame, delays[frame]

        def update(self, frame: int, properties: object = None) -> tuple[int, float]:
            return self.initialize(frame)

    draw = random.Random(grace)
    delays = [draw.choice([0.01, 0.02, 0.04, 0.11, 0.17, 0.3]) for _ in range(300)]
    runtime = RealtimeTrackerRuntime(Clock(), grace, 1 / 30)
    theirs = [runtime.initialize(i)[0] if i % 20 == 0 else runtime.update(i)[0] for i in range(300)]

    def restarting() -> EpisodeGenerator:
        trajectory = Trajectory()
        for index in range(300):
            if index % 20 == 0:
                trajectory.add(Box(index, 0, 1, 1), (yield Init(index, Box(index, 0, 1, 1))))
            else:
                answer = yield Track(index)
                trajectory.add(answer.region, answer)
        return trajectory

    script = real_time(restarting(), 30, grace=grace)
    request = next(script)
    try:
        while True:
            index = request.index
            prediction = None if isinstance(request, Init) else Prediction(Box(index, 0, 1, 1))
            request = script.send(Answer(prediction, delays[index], SIZE))
    except StopIteration as end:
        ours = [int(region.x) for region in end.value.regions]
    assert ours == theirs
    assert len(set(ours)) < 250


# --- through the engine --------------------------------------------------------------------------------------------


def write_vot(folder: Path, frames: int = 40, step: float = 0.5, ground_truth: str = "polygon", size: int = 64) -> Path:
    """A sequence whose target moves to the right, with anchors at 0, 10, 25 and at the end."""
    (folder / "color").mkdir(parents=True)
    lines = []
    for index in range(frames):
        image = np.full((size, size, 3), 60 + index, np.uint8)
        cv2.imwrite(str(folder / "color" / f"{index + 1:08d}.jpg"), image)
        x = 10 + step * index
        region: Region = Polygon([x, 12, x + 18, 10, x + 20, 28, x + 2, 30])
        if ground_truth == "box":
            region = Box(x, 10, 20, 20)
        elif ground_truth == "mask":
            region = Mask(np.ones((20, 20)), round(x), 10)
        lines.append(format_region(region))
    (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    values = ["0"] * frames
    values[0] = values[10] = "1"
    values[25] = values[-1] = "-1"
    (folder / "anchor.value").write_text("\n".join(values) + "\n")
    (folder / "sequence").write_text(f"fps=30\nwidth={size}\nheight={size}\nlength={frames}\n")
    return folder


@pytest.fixture
def votplace(workplace: Path) -> Path:
    """A working folder with a small VOT set ``vot`` and the tracker ``wobble``."""
    for number in (1, 2, 3):
        write_vot(workplace / "vot" / f"v{number}", 38 + 2 * number, 0.3 * number)
    (workplace / "vot/list.txt").write_text("v1\nv2\nv3\n")
    (workplace / "sample_wobble.py").write_text(WOBBLE)
    (workplace / "trackers/wobble.toml").write_text(
        'title = "W"\nclass = "sample_wobble:Wobble"\ndeterministic = false\n'
    )
    return workplace


def do(dataset: Dataset, runs: Path, tracker: str = "drift", batch: int = 1, **options: Any) -> Plan:
    settings = options.pop("settings", {})
    plan = make_plan(find_tracker(tracker, options=settings), dataset, runs, **options)
    execute([plan], device="cpu", batch=batch)
    return plan


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.suffix in {".txt", ".score"}}


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("protocol", ["supervised", "unsupervised", "multistart", "realtime"])
def test_same_as_the_official_executor(reference: Path, tmp_path: Path, protocol: str, batch: int) -> None:
    """vot-toolkit 0.7.4 over TraX, on a tracker that never moves.

    Of the real-time run the regions can be compared and no more: which frames were missed leaves no trace in them.
    """
    folder = reference / "evaluation" / "vot"
    for name in ("multistart_workspace", "static_run_0.7.4"):
        with ZipFile(folder / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
    whole = open_dataset(str(tmp_path / "multistart_workspace" / "sequences"))
    dataset = select(whole, ["alpha", "beta"]).under("multistart")
    options: dict[str, Any] = {"repetitions": 3} if protocol == "supervised" else {}
    if protocol == "realtime":
        options["speed"] = 10.0
    plan = do(dataset, tmp_path / "runs", "static", batch, protocol=protocol, **options)
    assert plan.failed == {}
    files = sorted((tmp_path / "static_run_0.7.4/static" / protocol).glob("*/*.txt"))
    assert len(files) == {"supervised": 3, "unsupervised": 2}.get(protocol, 10)
    for file in files:
        name, repetition = file.stem, 1
        if protocol in ("supervised", "unsupervised"):
            name, _, number = file.stem.rpartition("_")
            repetition = int(number)
        assert plan.folder.regions(name, repetition) == read_regions(file)
        seconds = plan.folder.seconds(name, repetition)
        assert seconds is not None
        times = file.with_name(f"{file.stem}_time.value").read_text().split("\n")[: len(seconds)]
        if protocol != "realtime":
            assert np.isnan(seconds).tolist() == [not text for text in times]


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised", "multistart", "realtime", "one-pass"])
def test_batches_change_nothing(votplace: Path, protocol: str) -> None:
    dataset = open_dataset("vot").under("multistart")
    speed = 8.0 if protocol == "realtime" else None
    alone, together = (
        do(dataset, votplace / f"runs{batch}", "drift", batch, protocol=protocol, speed=speed) for batch in (1, 8)
    )
    assert alone.failed == together.failed == {}
    assert len(contents(alone.folder.path)) == 2 * len(alone.tasks)
    assert contents(alone.folder.path) == contents(together.folder.path)
    assert expected_frames([make_plan(find_tracker("drift"), dataset, votplace / "new", protocol=protocol)]) == sum(
        len(alone.folder.regions(task.run.name)) for task in alone.tasks
    )


def test_failures_and_restarts_are_stored(votplace: Path) -> None:
    """The tracker runs away by 4 pixels a frame, is lost, and starts again on the ground truth of that frame."""
    plan = do(open_dataset("vot"), votplace / "runs", settings={"dx": 4.0}, protocol="supervised")
    regions = plan.folder.regions("v1")
    text = "".join(str(r.code) if isinstance(r, Special) else "." for r in regions)
    assert text.startswith("1....")
    assert "200001" in text
    assert len(text) == 40
    start = text.index("200001") + 5
    # Box trackers start on VOT's box of the polygon: round its centre, and a little smaller than the min-max box.
    ground_truth = open_dataset("vot")["v1"].ground_truth.regions
    assert ground_truth is not None
    first = regions[start + 1]
    assert isinstance(first, Box)
    polygon = ground_truth[start]
    assert isinstance(polygon, Polygon)
    assert first.x - 4 + (first.w - 1) / 2 == pytest.approx(polygon.points[:, 0].mean())
    assert first.w < np.ptp(polygon.points[:, 0]) + 1


def test_resumes_what_is_missing(votplace: Path) -> None:
    dataset = open_dataset("vot").under("multistart")
    plan = do(dataset, votplace / "runs")
    before = contents(plan.folder.path)
    assert sorted(p.name for p in plan.folder.path.glob("v1*.txt")) == [
        f"v1_{anchor:08d}.txt" for anchor in (0, 10, 25, 39)
    ]
    plan.folder.file("v2_00000025").unlink()
    again = make_plan(find_tracker("drift"), dataset, votplace / "runs")
    assert [task.run.name for task in again.missing] == ["v2_00000025"]
    assert again.summary()["sequences"] == 2
    execute([again], device="cpu", batch=4)
    assert contents(plan.folder.path) == before
    assert again.summary()["sequences"] == 3
    plan.folder.file("v2_00000025").write_text("1\n")
    with pytest.raises(DataError, match=r"v2_00000025.txt: holds 1 frames, the sequence now has 26"):
        make_plan(find_tracker("drift"), dataset, votplace / "runs")


def test_runs_of_one_sequence_look_at_the_same_frames(votplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def spy(path: Path, **how: Any) -> Any:
        read.append(path)
        return read_frame(path, **how)

    monkeypatch.setattr("trackbench.frames.read_frame", spy)
    dataset = select(open_dataset("vot"), ["v1"]).under("multistart")
    forwards = ["1" if i in (0, 10, 25) else "0" for i in range(40)]
    (votplace / "vot/v1/anchor.value").write_text("\n".join(forwards))
    do(dataset, votplace / "runs", batch=4)
    assert len(read) == len(set(read)) == 40
    read.clear()
    do(dataset, votplace / "alone", batch=1)
    assert len(read) == 40 + 30 + 15


def test_deterministic_trackers_run_once(votplace: Path) -> None:
    dataset = open_dataset("vot")
    assert make_plan(find_tracker("drift"), dataset, votplace / "runs", protocol="supervised").repetitions == 1
    assert make_plan(find_tracker("wobble"), dataset, votplace / "runs", protocol="supervised").repetitions == 15
    assert make_plan(find_tracker("wobble"), dataset, votplace / "runs", protocol="unsupervised").repetitions == 1


def test_a_random_tracker_runs_fifteen_times(votplace: Path) -> None:
    dataset = select(open_dataset("vot"), ["v1"])
    plan = do(dataset, votplace / "runs", "wobble", 8, protocol="supervised")
    assert plan.folder.repetitions() == 15
    assert len({plan.folder.file("v1", ".txt", r).read_text() for r in range(1, 16)}) == 15
    assert make_plan(find_tracker("wobble"), dataset, votplace / "runs", protocol="supervised").missing == []


@pytest.mark.parametrize("batch", [1, 8])
def test_equal_repetitions_end_a_sequence(votplace: Path, batch: int) -> None:
    """A tracker that may draw at random and does not: three runs suffice, and a rerun knows it."""
    dataset = open_dataset("vot")
    plan = do(dataset, votplace / "runs", "wobble", batch, protocol="supervised", settings={"by": 0.0})
    assert plan.folder.repetitions() == 3
    spec = find_tracker("wobble", options={"by": 0.0})
    assert make_plan(spec, dataset, votplace / "runs", protocol="supervised").missing == []
    plan.folder.file("v2", ".txt", 2).unlink()
    again = make_plan(spec, dataset, votplace / "runs", protocol="supervised")
    assert {task.run.name for task in again.missing} == {"v2"}
    execute([again], device="cpu")
    assert plan.folder.repetitions() == 3
    # Who asks for a number gets it.
    asked = make_plan(spec, dataset, votplace / "runs", protocol="supervised", repetitions=5)
    assert len(asked.missing) == 2 * 3


def test_sequences_without_anchors_fail_alone(votplace: Path) -> None:
    dataset = open_dataset("vot").under("multistart")
    values = (votplace / "vot/v2/anchor.value").read_text()
    (votplace / "vot/v2/anchor.value").unlink()
    plan = do(dataset, votplace / "runs", batch=4)
    assert list(plan.failed) == ["v2"]
    assert "has no anchors" in plan.folder.failures()["v2"]["reason"]
    assert len(plan.folder.sequences()) == 8
    (votplace / "vot/v2/anchor.value").write_text(values)
    mended = do(open_dataset("vot").under("multistart"), votplace / "runs", batch=4)
    assert mended.failed == {}
    assert mended.folder.failures() == {}
    assert len(plan.folder.sequences()) == 12


def test_the_rule_is_part_of_the_identity(votplace: Path) -> None:
    dataset = open_dataset("vot")
    plan = do(dataset, votplace / "runs", protocol="supervised")
    manifest = json.loads((plan.folder.path / "manifest.json").read_text())
    assert manifest["identity"]["rules"] == {"regions": "polygon", "failure": "pysot", "skip": 5}
    with pytest.raises(UsageError, match=r"rules.failure: stored 'pysot', now 'vot'"):
        make_plan(find_tracker("drift"), dataset, votplace / "runs", protocol="supervised", convention="vot")
    timed = do(dataset, votplace / "runs", protocol="realtime", speed=20)
    rules = json.loads((timed.folder.path / "manifest.json").read_text())["identity"]["rules"]
    # A folder of VOT's layout with rotated boxes is run as VOT ran them.
    own = {"regions": "polygon", "failure": "pysot", "skip": 5}
    assert rules == {"of": "supervised", "speed": 20, "grace": 3, **own}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "one-pass", "convention": "vot"}, "--convention decides on failures, and protocol 'one-pass'"),
        ({"protocol": "supervised", "convention": "votd"}, "unknown --convention 'votd'; did you mean 'vot'"),
        ({"protocol": "supervised", "speed": 3.0}, "--speed 3: it is for --protocol realtime"),
        ({"protocol": "realtime", "speed": 0.0}, "--speed 0: expected a number above 0"),
        ({"protocol": "multi-strat"}, "unknown protocol 'multi-strat'; did you mean 'multistart'"),
    ],
)
def test_options_that_make_no_sense(votplace: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(find_tracker("drift"), open_dataset("vot"), votplace / "runs", **options)


def test_masks_cannot_be_compared_by_pysot(votplace: Path) -> None:
    write_vot(votplace / "masks/m", ground_truth="mask")
    dataset = open_dataset("masks")
    with pytest.raises(UsageError, match="compares boxes and polygons only; masks has masks, use vot"):
        make_plan(find_tracker("drift"), dataset, votplace / "runs", protocol="supervised", convention="pysot")
    plan = do(dataset, votplace / "runs", protocol="supervised")
    assert plan.manifest["identity"]["rules"]["failure"] == "vot"
    # A tracker of boxes reports the pixels of its box in the image.
    second = plan.folder.regions("m")[1]
    assert second == Mask(np.ones((20, 20)), 11, 10)


def test_measured_real_time_needs_calls_of_their_own(votplace: Path) -> None:
    plan = make_plan(find_tracker("drift"), open_dataset("vot"), votplace / "runs", protocol="realtime")
    with pytest.raises(UsageError, match="real time is measured one call at a time; use --batch 1, or --speed FPS"):
        execute([plan], device="cpu", batch=2)
    dataset = select(open_dataset("vot"), ["v1"])
    # At least 80 ms of 33, whatever else the machine does: after three graced frames every other one is missed.
    slower = make_plan(find_tracker("drift", options={"sleep": 0.08}), dataset, votplace / "runs", protocol="realtime")
    execute([slower], device="cpu")
    seconds = slower.folder.seconds("v1")
    assert seconds is not None
    assert np.isnan(seconds).sum() >= 17


def test_command_line(votplace: Path) -> None:
    from typer.testing import CliRunner

    from trackbench.cli.app import app

    run = ["run", "drift", "-d", "./vot", "--device", "cpu"]
    done = CliRunner().invoke(app, [*run, "--protocol", "supervised", "--convention", "vot", "--json"])
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)["runs"][0]
    assert (row["protocol"], row["sequences"], row["frames"]) == ("supervised", 3, 40 + 42 + 44)
    wrong = CliRunner().invoke(app, [*run, "--protocol", "unsupervised", "--speed", "5"])
    assert wrong.exit_code == 2
    dry = CliRunner().invoke(app, [*run, "--protocol", "multistart", "--dry-run", "--json"])
    assert len(json.loads(dry.stdout)["runs"][0]["to_run"]) == 12

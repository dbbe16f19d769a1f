"""What a run says while it works and at its end."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.cli import progress
from trackbench.results import hardware
from trackbench.trackers import devices

FAULTY = '''
from trackbench.regions import Box
from trackbench.trackers.base import Options, Prediction, TrackerModel


class FaultyOptions(Options):
    answer: str = "none"
    on: float = 110.0


class Faulty(TrackerModel):
    """Gives a faulty answer on sequences of one brightness."""

    Options = FaultyOptions

    def start(self, frames, targets):
        return [target.region for target in targets]

    def step(self, frames, states):
        return [self.answer(frame, state) for frame, state in zip(frames, states)]

    def answer(self, frame, box):
        if self.options.on and abs(frame.mean() - self.options.on) > 2:
            return Prediction(box)
        hole = Prediction(Box(float("nan"), 0, 4, 4))
        return {"none": None, "tuple": (1, 2, 3, 4), "hole": hole}[self.options.answer]
'''


@pytest.fixture
def faulty(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import sys

    monkeypatch.delitem(sys.modules, "faulty_tracker", raising=False)
    (workplace / "faulty_tracker.py").write_text(FAULTY)
    (workplace / "trackers/faulty.toml").write_text('title = "Faulty"\nclass = "faulty_tracker:Faulty"\n')
    return workplace


def test_a_run_ends_with_the_scores_of_the_report_and_its_command(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "-s", "s1")
    out = trackbench("run", "drift", "static", "-d", "data", "--runs", "my runs").stdout
    command = next(line for line in out.splitlines() if line.startswith("  trackbench report"))
    words = shlex.split(command)
    assert words == ["trackbench", "report", "drift", "static", "-d", "./data", "--runs", "my runs"]
    reported = trackbench(*words[1:], "--no-plots").stdout
    rows = [line for line in reported.splitlines() if line.startswith("│")]
    assert len(rows) == 2
    assert all(row in out for row in rows)


def test_a_run_says_what_it_ran_and_what_was_there_before(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "-s", "s1")
    out = trackbench("run", "drift", "-d", "data").stdout
    assert "drift: 3 of 3 sequences (2 run, 1 stored before)" in out
    assert "in runs/drift/data/one-pass" in out
    assert "3 of 3 sequences (3 stored before)" in trackbench("run", "drift", "-d", "data").stdout


def test_what_one_has_to_copy_is_never_broken(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = trackbench("run", "drift", "static", "-d", "data", "--runs", "a/folder/with/a/long/name").stdout.splitlines()
    assert any(line.endswith("in a/folder/with/a/long/name/drift/data/one-pass") for line in out)
    assert "  trackbench report drift static -d ./data --runs a/folder/with/a/long/name" in out


def test_the_table_fits_into_80_columns_with_every_number_whole(workplace: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from trackbench.reports.tables import terminal_table
    from trackbench.scoring.score import Score

    metrics = {"success_auc": 0.5551, "precision": 1.0, "norm_precision": 0.9, "mean_overlap": 0.88}
    metrics |= {"sr50": 1.0, "sr75": 1.0, "fps": 69733.1}
    name = "A rather long name@learning_rate=0.02"
    score = Score("x", name, "d", "one-pass", "matlab", 280, 280, 1, {}, dict(metrics))
    text = StringIO()
    console = Console(file=text, width=80)
    console.print(terminal_table([score], "LaSOT", width=80))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(number in text.getvalue() for number in ("55.5", "100.0", "90.0", "88.0", "69733.1"))
    assert "…" not in text.getvalue()


def test_bad_answers_are_counted_at_the_end(faulty: Path) -> None:
    result = trackbench("run", "faulty", "-d", "data", "--set", "answer=hole")
    assert "answers in 1 sequence: not a number" in result.stderr


def test_withheld_annotation_is_said_and_no_score_shown(faulty: Path) -> None:
    definition = 'title = "W"\nlayout = "folder"\ntruth = "initial"\nserver = "got10k"\nfolders = ["data"]\n'
    (faulty / "datasets").mkdir()
    (faulty / "datasets/withheld.toml").write_text(definition)
    result = trackbench("run", "drift", "-d", "withheld", "--root", "data")
    assert "its annotation is withheld" in result.stderr
    assert "trackbench pack got10k --tracker drift" in result.stderr
    assert "AUC" not in result.stdout
    assert "answers in" not in result.stderr
    bad = trackbench("run", "faulty", "-d", "withheld", "--root", "data", "--set", "answer=hole")
    assert "answers in 1 sequence: not a number" in bad.stderr


@pytest.mark.parametrize(
    ("answer", "found"), [("none", "a list with None"), ("tuple", "a list with tuple (1, 2, 3, 4)")]
)
@pytest.mark.parametrize("batch", ["1", "3"])
def test_a_wrong_return_type_is_one_line_and_costs_one_sequence(
    faulty: Path, answer: str, found: str, batch: str
) -> None:
    result = trackbench("run", "faulty", "-d", "data", "--set", f"answer={answer}", "--batch", batch, code=1)
    message = f"s2: Faulty.step() returned {found}; expected a list of 1 Prediction"
    assert sum(message in line and line.startswith("trackbench:") for line in result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert "2 of 3 sequences (2 run, 1 failed)" in result.stdout


def test_an_error_in_a_tracker_shows_its_last_lines_and_where_the_rest_is(workplace: Path) -> None:
    result = trackbench("run", "drift", "-d", "data", "--set", "fail_on=start", "--keep-going", code=1)
    lines = result.stderr.splitlines()
    assert any("3 sequences failed alike (" in line and "RuntimeError: cannot start" in line for line in lines)
    assert 'raise RuntimeError("cannot start")' in result.stderr
    assert "Traceback (most recent call last)" not in result.stderr
    (where,) = [line for line in lines if "lines more in " in line]
    shown = lines[[line.startswith("    ") for line in lines].index(True) : lines.index(where)]
    assert shown[0].strip().startswith("File ")
    file = Path(where.partition(" in ")[2].partition(", or")[0])
    assert file.read_text().startswith("Traceback (most recent call last)")
    whole = trackbench("run", "drift", "-d", "data", "--set", "fail_on=start", "--keep-going", "--debug", code=1).stderr
    assert "Traceback (most recent call last)" in whole
    # Once mended, nothing of it is left.
    trackbench("run", "drift", "-d", "data", "--set", "fail_on=start", "--restart", "--dry-run")
    assert file.is_file()


def test_a_run_stops_when_its_first_sequences_fail_alike(workplace: Path) -> None:
    from samples import write_dataset

    write_dataset(workplace / "many", 5, 3)
    result = trackbench("run", "drift", "-d", "many/", "--set", "fail_on=start", code=1)
    assert "the first 3 sequences failed alike, the others are not tried; --keep-going tries them" in result.stderr
    assert 'raise RuntimeError("cannot start")' in result.stderr
    result = trackbench("run", "drift", "-d", "many/", "--set", "fail_on=start", "--keep-going", code=1)
    assert "5 sequences failed alike" in result.stderr


def test_a_tracker_that_fails_alike_does_not_stop_the_others(workplace: Path) -> None:
    from samples import write_dataset

    write_dataset(workplace / "many", 5, 3)
    arguments = ["run", "drift", "static", "-d", "many/", "--set", "drift.fail_on=start"]
    result = trackbench(*arguments, code=1)
    assert "drift@fail_on=start: the first 3 sequences failed alike" in result.stderr
    assert "static: 5 of 5 sequences (5 run)" in result.stdout
    assert "drift@fail_on=start: 0 of 5 sequences (3 failed)" in result.stdout
    counts = {row["tracker"]: len(row["failed"]) for row in document(*arguments, code=1)["runs"]}
    assert counts == {"drift@fail_on=start": 3, "static": 0}
    assert len(list(Path("runs/static/many/one-pass").glob("s?.txt"))) == 5


def test_without_a_terminal_each_sequence_has_a_line(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHORTEST", -1.0)
    lines = trackbench("run", "drift", "-d", "data").stderr.splitlines()
    told = [line for line in lines if line.startswith("drift: s")]
    assert [line.split(",")[1].strip() for line in told] == ["1/3", "2/3", "3/3"]
    assert all("fps" in line for line in told)
    assert "left" in told[0]


def test_without_a_terminal_a_long_sequence_has_a_line_a_minute(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LONGEST", -1.0)
    lines = trackbench("run", "drift", "-d", "data", "-s", "s1").stderr.splitlines()
    assert any(line.startswith("drift: s1, 0/1, ") and "left" in line for line in lines)


def test_workers_tell_failures_as_they_come(workplace: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from trackbench.datasets.catalogue import open_dataset
    from trackbench.engine.plan import make_plan
    from trackbench.trackers.registry import find_tracker

    plan = make_plan(find_tracker("drift"), open_dataset("data/"), workplace / "runs")
    text = StringIO()
    shown = progress.RunProgress(Console(file=text, width=200), [plan])
    shown.watch([])
    plan.folder.write_failure("s2", {"reason": "died of SIGKILL", "traceback": None})
    shown.watch([])
    shown.watch([])
    assert text.getvalue() == "drift: s2: died of SIGKILL\n"


def test_the_description_of_the_bar_fits(workplace: Path) -> None:
    assert progress._named("dcf", "Basketball", 30) == "dcf Basketball"
    assert len(progress._named("dcfnet@learning_rate=0.01,scale=3", "GOT-10k_Test_000001", 32)) <= 32


def test_a_gpu_that_auto_does_not_use_is_said_loudly(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(devices, "nvidia_gpus", lambda: ("NVIDIA H200",))
    result = trackbench("run", "drift", "-d", "data")
    assert "device: cpu (" in result.stderr
    assert result.stderr.count("WARNING: the GPU is NOT used (NVIDIA H200): torch") == 2
    assert "WARNING" not in trackbench("run", "drift", "-d", "data", "--device", "cpu", "--restart").stderr


def test_a_session_says_on_what_it_ran(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "--device", "cpu")
    (session,) = [json.loads(path.read_text()) for path in Path("runs").rglob("sessions/*.json")]
    machine = session["hardware"]
    assert machine["cpu"] == hardware.cpu_model()
    assert machine["usable_cores"] >= 1
    assert {"cores", "logical_cores", "memory_gb", "torch_threads"} <= machine.keys()
    row = document("report", "-d", "data", "--no-plots")["rows"][0]
    assert machine["cpu"] in row["run"]["hardware"]
    assert machine["cpu"] in trackbench("methods", "-d", "data").stdout.replace("\n", " ")


def test_a_gpu_is_described_with_its_driver() -> None:
    machine = {"cpu": "EPYC", "cores": 8, "torch_threads": 1, "gpu": "NVIDIA H200", "driver": "570.1"}
    assert hardware.describe_hardware({"device": "cuda:0", "hardware": machine}) == (
        "NVIDIA H200 (driver 570.1), EPYC (8 cores, 1 thread)"
    )
    assert hardware.describe_hardware({"device": "cuda:0", "device_name": "old record"}) == "old record"


def test_imported_results_tell_nothing_of_the_machine_that_imports(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data")
    trackbench("export", "drift", "-d", "data", "--to", "pytracking", "--out", "out")
    trackbench("import", "out", "--as", "theirs", "-d", "data")
    (session,) = [json.loads(path.read_text()) for path in Path("runs/theirs").rglob("sessions/*.json")]
    assert session["versions"].keys() == {"trackbench"}
    assert "hardware" not in session
    rows = {row["tracker"]: row["run"] for row in document("report", "-d", "data", "--no-plots")["rows"]}
    assert (rows["theirs"]["device"], rows["theirs"]["hardware"]) == (None, None)
    text = trackbench("methods", "theirs", "-d", "data").stdout
    assert "were imported" in text
    assert hardware.cpu_model() not in text
    assert "Python" not in text

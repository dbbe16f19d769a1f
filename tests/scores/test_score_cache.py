import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import trackbench
from trackbench.cache import CODE
from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts.windows import window_truth
from trackbench.datasets.sequence import VideoSequence
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.errors import DataError
from trackbench.regions.files import read_boxes
from trackbench.scoring import Score, one_pass, score_runs
from trackbench.scoring.cache import FILE, ground_truth_stamps
from trackbench.trackers.registry import find_tracker


@pytest.fixture
def evaluations(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stored run, and the list of evaluations that scoring makes from here on."""
    execute([make_plan(find_tracker("static"), open_dataset("data"), Path("runs"))], device="cpu")
    made: list[str] = []
    evaluate = one_pass.evaluate

    def spy(run: object, rules: object) -> object:
        made.append(rules.name)  # type: ignore[attr-defined]
        return evaluate(run, rules)  # type: ignore[arg-type]

    monkeypatch.setattr(one_pass, "evaluate", spy)
    return made


def score(rules: str | None = None) -> Score:
    (found,) = score_runs(open_dataset("data"), Path("runs"), rules=rules)
    return found


def test_nothing_new_costs_no_evaluation(evaluations: list[str]) -> None:
    first = score()
    assert score() == first
    assert evaluations == ["matlab"]
    other = score("stark")
    assert (score("stark"), score()) == (other, first)
    assert evaluations == ["matlab", "stark"]


def test_files_that_are_read_otherwise_are_other_annotations(workplace: Path) -> None:
    definition = workplace / "datasets/own.toml"
    definition.parent.mkdir()
    text = 'title = "Own"\nfolders = ["data"]\n[files]\ntruth = "{sequence}/groundtruth.txt"\n'
    definition.write_text(text + 'frames = "{sequence}/img/{n:04d}.jpg"\n')
    execute([make_plan(find_tracker("static"), open_dataset("own", workplace), Path("runs"))], device="cpu")
    score_runs(open_dataset("own", workplace), Path("runs"))
    definition.write_text(definition.read_text() + 'boxes = "xyxy"\n')
    with pytest.raises(DataError, match="s1: the annotation is another"):
        score_runs(open_dataset("own", workplace), Path("runs"))
    row, path = {"first": "1", "last": "9"}, workplace / "data/s1/groundtruth.txt"
    read = [partial(window_truth, path, row | {"first": first}) for first in "112"]
    stamps = [ground_truth_stamps([VideoSequence("s1", list, each, sources=(path,))]) for each in read]
    assert stamps[0] == stamps[1] != stamps[2]


@pytest.mark.parametrize("change", ["result", "time", "truth", "attributes", "fewer", "title"])
def test_anything_new_is_evaluated(evaluations: list[str], workplace: Path, change: str) -> None:
    before = score()
    run = workplace / "runs/static/data/one-pass"
    if change == "result":
        lines = (run / "s1.txt").read_text().splitlines()
        (run / "s1.txt").write_text("\n".join([*lines[:-1], "0.0,0.0,1.0,1.0"]) + "\n")
    elif change == "time":
        (run / "s1.time").write_text("1.0\n" * 6)
    elif change == "truth":
        text = (workplace / "data/s2/groundtruth.txt").read_text()
        (workplace / "data/s2/groundtruth.txt").write_text(text.replace("12,12,8,6", "12,13,8,6"))
        with pytest.raises(DataError, match=r"holds results made on other data than .*s2: the annotation is another"):
            score()
        for session in (run / "sessions").glob("*.json"):  # runs of earlier versions do not know their data
            session.unlink()
    elif change == "attributes":
        (workplace / "data/s1/attributes.txt").write_text("OCC\n")
        (workplace / "data/s2/attributes.txt").write_text("OCC\n")
    elif change == "fewer":
        (run / "s3.txt").unlink()
    else:
        manifest = (run / "manifest.json").read_text()
        (run / "manifest.json").write_text(manifest.replace('"title": "Static"', '"title": "Still"'))
    after = score()
    assert after != before
    assert evaluations == ["matlab", "matlab"]


def test_changed_code_is_noticed(evaluations: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = score()
    monkeypatch.setattr("trackbench.cache.code_version", lambda: "another")
    assert score() == first
    assert evaluations == ["matlab", "matlab"]


@pytest.mark.parametrize("content", ["", "no json", "[]", "{}"])
def test_a_broken_cache_is_no_cache(evaluations: list[str], workplace: Path, content: str) -> None:
    first = score()
    (workplace / "runs/static/data/one-pass" / FILE).write_text(content)
    assert score() == first
    assert evaluations == ["matlab", "matlab"]


def test_known_sources_are_not_read(evaluations: list[str], reference: Path, workplace: Path) -> None:
    """On OTB listing knows the annotation's files: a change of their time is noticed, reading is not needed."""
    from zipfile import ZipFile

    with ZipFile(reference / "evaluation/ope/otb_gt.zip") as archive:
        archive.extractall(workplace / "otb")
    dataset = open_dataset("otb100", workplace / "otb")
    from trackbench.regions import Box
    from trackbench.results.store import RunFolder, RunKey

    run = RunFolder(workplace / "runs", RunKey("perfect", "otb100", "one-pass"))
    run.write_manifest({"tracker": "perfect", "dataset": "otb100", "protocol": "one-pass", "identity": {}})
    for sequence in dataset.sequences:
        run.write(sequence.name, [Box.of(box) for box in sequence.ground_truth.boxes], [], [None] * len(sequence))
    (first,) = score_runs(dataset, workplace / "runs")
    fresh = open_dataset("otb100", workplace / "otb")
    assert score_runs(fresh, workplace / "runs") == [first]
    assert not any("ground_truth" in vars(sequence) for sequence in fresh.sequences)
    assert evaluations == ["matlab"]
    os.utime(workplace / "otb/OTB/Box/groundtruth_rect.txt")
    assert score_runs(open_dataset("otb100", workplace / "otb"), workplace / "runs") == [first]
    assert evaluations == ["matlab", "matlab"]


def test_a_changed_reader_changes_the_number_and_a_restored_one_gives_the_old(
    evaluations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of a reader that has been mended are never those of the reader before: neither scores nor annotations."""
    from trackbench import cache
    from trackbench.datasets.layouts import clips as layout

    first = score()
    read, versions = read_boxes, cache.code_version
    monkeypatch.setattr(layout, "read_boxes", lambda path: np.add(read(path), [50, 0, 0, 0]))
    monkeypatch.setattr("trackbench.scoring.scoring.changed_sequences", lambda *_, **__: [])
    monkeypatch.setattr(cache, "code_version", lambda: "another")
    other = score()
    assert other.metrics["success_auc"] != first.metrics["success_auc"]
    monkeypatch.setattr(layout, "read_boxes", read)
    monkeypatch.setattr(cache, "code_version", versions)
    assert score() == first


@pytest.mark.parametrize("room", ["datasets/layouts", "results", "formats", "regions", "metrics", "scoring"])
def test_the_code_of_every_reader_counts(tmp_path: Path, room: str) -> None:
    from trackbench.cache import code_version

    package = tmp_path / "trackbench"
    (package / room).mkdir(parents=True)
    (package / room / "reader.py").write_text("ABSENT = 1\n")
    before = code_version(package)
    code_version.cache_clear()
    (package / room / "reader.py").write_text("ABSENT = 0\n")
    assert code_version(package) != before
    code_version.cache_clear()
    (package / room / "reader.py").write_text("ABSENT = 1\n")
    assert code_version(package) == before


def test_old_caches_go_when_a_new_one_is_written(evaluations: list[str], workplace: Path) -> None:
    run = workplace / "runs/static/data/one-pass"
    for old in (run / ".parsed", run / ".times", run / ".scores.json", workplace / "runs/.data.truth"):
        old.write_text("of an earlier version")
    score()
    assert not {path.name for path in run.iterdir()} & {".parsed", ".times", ".scores.json"}
    assert not (workplace / "runs/.data.truth").exists()
    assert (run / ".cache/scores.json").is_file()


def test_a_folder_that_cannot_be_written_costs_time_only(
    evaluations: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *, durable: bool) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("trackbench.cache.replacing", refuse)
    assert score() == score()
    assert evaluations == ["matlab", "matlab"]
    assert not (workplace / "runs/static/data/one-pass/.cache").exists()


def test_all_rooms_between_a_file_and_a_number_count() -> None:
    package = Path(trackbench.__file__).parent
    for name in CODE:
        assert any(package.glob(name)), f"no room {name}"
    assert (package / "scoring").is_dir()
    assert "scoring" in CODE

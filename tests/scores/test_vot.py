import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from command import trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs


@pytest.fixture(scope="module")
def published(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VOT2018's annotations in ``truth`` and three published raw results in the store ``runs``."""
    folder = tmp_path_factory.mktemp("vot2018")
    vot = reference / "evaluation/vot"
    with ZipFile(vot / "groundtruth/VOT2018.zip") as archive:
        archive.extractall(folder / "truth")
    for tracker in ("OceanOnline", "SiamBAN", "DaSiamRPN"):
        run = RunFolder(folder / "runs", RunKey(tracker.lower(), "vot2018", "supervised"))
        run.write_manifest({"tracker": tracker.lower(), "dataset": "vot2018", "protocol": "supervised", "identity": {}})
        with ZipFile(vot / f"results/VOT2018_{tracker}.zip") as archive:
            for name in archive.namelist():
                if name.endswith("_001.txt"):
                    run.file(Path(name).name[: -len("_001.txt")]).write_bytes(archive.read(name))
        assert len(run.sequences()) == 60
    return folder


@pytest.mark.parametrize("rules", ["pysot", "matlab", "vot"])
def test_published_results(published: Path, reference: Path, rules: str) -> None:
    """EAO, A and failures equal the original toolkit's, to 1e-6."""
    expected = json.loads((reference / "evaluation/vot/expected.json").read_text())["results"]["VOT2018"]
    scores = {
        s.tracker: s for s in score_runs(open_dataset("vot2018", published / "truth"), published / "runs", rules=rules)
    }
    known = {
        "oceanonline": {"pysot": (0.4893, 0.5921), "matlab": (0.4945, 0.5928), "vot": (0.4935, 0.5978)},
        "dasiamrpn": {"pysot": (0.3827, 0.5858), "matlab": (0.3837, 0.5796), "vot": (0.3717, 0.5856)},
        "siamban": {"pysot": (0.3406, 0.5831), "matlab": (0.3434, 0.5844), "vot": (0.3355, 0.5854)},
    }
    assert set(expected) >= {"OceanOnline", "DaSiamRPN", "SiamBAN"}
    for tracker, score in scores.items():
        eao, accuracy = known[tracker][rules]
        assert score.metrics["eao"] == pytest.approx(eao, abs=6e-5)
        assert score.metrics["accuracy"] == pytest.approx(accuracy, abs=6e-5)
        assert (score.sequences, score.of, score.problems, score.interval) == (60, 60, (), (100, 356))
    assert [scores[name].metrics["failures"] for name in ("oceanonline", "dasiamrpn", "siamban")] == [25, 59, 63]
    assert scores["oceanonline"].metrics["failures_per_100"] == pytest.approx(0.117, abs=5e-4)
    assert set(scores["oceanonline"].attributes) == {
        *("camera_motion", "illum_change", "motion_change", "occlusion", "size_change", "empty")
    }


def test_report(published: Path, tmp_path: Path) -> None:
    arguments = ["--root", str(published / "truth"), "--runs", str(published / "runs"), "--out", str(tmp_path)]
    result = trackbench("report", "-d", "vot2018", *arguments, "--attributes", "--per-sequence")
    assert "0.489" in result.stdout
    assert "0.592" in result.stdout
    assert "0.117" in result.stdout
    assert "EAO over lengths 100-356" in result.stdout
    files = {path.name for path in (tmp_path / "vot2018").iterdir()}
    assert {"accuracy_robustness.pdf", "expected_overlap.png", "ranking.png", "attributes.csv"} <= files
    rows = json.loads(trackbench("report", "-d", "vot2018", *arguments, "--json", "--no-plots").stdout)["rows"]
    assert [row["tracker"] for row in rows] == ["oceanonline", "dasiamrpn", "siamban"]
    assert {"accuracy", "robustness", "failures", "failures_per_100", "eao"} <= set(rows[0]["metrics"])


def test_faulty_trajectories(published: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(published / "runs", tmp_path / "runs")
    folder = tmp_path / "runs/oceanonline/vot2018/supervised"
    lines = (folder / "ants1.txt").read_text().splitlines()
    (folder / "ants1.txt").write_text("\n".join(lines[:-1]) + "\n")
    (folder / "bag.txt").write_text("1\n2\nx\n")
    (folder / "ball1.txt").unlink()
    scores = {s.tracker: s for s in score_runs(open_dataset("vot2018", published / "truth"), tmp_path / "runs")}
    assert scores["siamban"].sequences == 60
    ocean = scores["oceanonline"]
    assert (ocean.sequences, ocean.of) == (57, 60)
    assert len(ocean.problems) == 2
    assert "ants1" in ocean.problems[0]
    assert "bag.txt: line 3: 'x' is not a number" in ocean.problems[1]


def test_missing_repetitions(published: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(published / "runs/siamban", tmp_path / "runs/siamban")
    run = RunFolder(tmp_path / "runs", RunKey("siamban", "vot2018", "supervised"))
    for repetition in (2, 3):
        for name in ("bag", "ball1"):
            target = run.file(name, ".txt", repetition)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(run.file(name), target)
    run.file("bag", ".txt", 2).unlink()
    (score,) = score_runs(open_dataset("vot2018", published / "truth"), tmp_path / "runs", rules="vot")
    # A sequence may have fewer repetitions than others (an early stop), but none may lack one in between.
    assert score.sequences == 59
    assert "bag.txt: is missing, repetition 2 of bag; later ones are there" in score.problems[0]


@pytest.mark.parametrize("protocol", ["supervised", "unsupervised", "multistart"])
def test_from_run_to_report(workplace: Path, protocol: str) -> None:
    trackbench("synthesize", "vset", "--sequences", "3", "--frames", "40", "--size", "160x120", "--layout", "vot")
    trackbench("run", "static", "drift", "-d", "./vset", "--protocol", protocol)
    result = trackbench("report", "-d", "./vset", "--protocol", protocol, "--no-plots", "--json")
    assert "Warning" not in result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert {row["tracker"] for row in rows} == {"static", "drift"}
    main = {"supervised": "eao", "multistart": "eao", "unsupervised": "mean_overlap"}[protocol]
    for row in rows:
        assert (row["sequences"], row["of"]) == (3, 3)
        assert 0 < row["metrics"][main] < 1


def test_unknown_convention(published: Path) -> None:
    arguments = ["-d", "vot2018", "--root", str(published / "truth"), "--runs", str(published / "runs")]
    result = trackbench("report", *arguments, "--convention", "pystark", code=2)
    assert "unknown VOT convention 'pystark'" in result.stderr

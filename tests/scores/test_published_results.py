"""From published raw results to the toolkits' own numbers, through import, store and scores, as a user would go."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from trackbench.cli import app
from trackbench.datasets.catalogue import open_dataset
from trackbench.scoring import score_runs

#: Name in the record -> data set, archive of annotations, archives of results.
SETS = {
    "OTB100": ("otb100", "otb_gt", ["otb100_results"]),
    "OTB2013": ("otb2013", "otb_gt", ["otb100_results"]),
    "UAV123": ("uav123", "uav_gt", ["uav123_results"]),
    "UAV20L": ("uav20l", "uav_gt", ["uav20l_results"]),
    "DTB70": ("dtb70", "dtb70_gt", ["dtb70_results"]),
    "LaSOT": ("lasot", "lasot_gt", ["lasot_results_ATOM", "lasot_results_DiMP50", "lasot_results_SiamRPNpp"]),
}
KEYS = {"success_auc": "success_auc", "precision_20px": "precision", "norm_precision_0_2": "norm_precision"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_scores_of_imported_results(reference: Path, workplace: Path, name: str) -> None:
    dataset_name, ground_truth, archives = SETS[name]
    ope = reference / "evaluation/ope"
    for archive in [ground_truth, *archives]:
        with ZipFile(ope / f"{archive}.zip") as file:
            file.extractall(workplace / ("truth" if archive == ground_truth else "raw"))
    expected = json.loads((ope / "expected.json").read_text())["datasets"][name]
    folders = {path.name: path for path in (workplace / "raw").glob("*/*") if path.name in expected}
    assert set(folders) == set(expected)
    for tracker in expected:
        arguments = ["import", str(folders[tracker]), "--as", tracker, "-d", dataset_name, "--root", "truth"]
        arguments += ["--pad-missing"] if tracker == "MDNet" else []  # two of its files are short
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        # The 100 files hold OTB-2013's 51.
        assert ("49 results of a larger benchmark" in result.output) == (name == "OTB2013")
    dataset = open_dataset(dataset_name, workplace / "truth")
    conventions = {rules for tracker in expected for rules in expected[tracker]["protocols"]}
    compared = 0
    for rules in sorted(conventions):
        if rules.startswith("ostrack_tag"):
            continue
        scores = {score.tracker: score for score in score_runs(dataset, workplace / "runs", rules=rules)}
        for tracker in expected:
            record = expected[tracker]["protocols"].get(rules)
            if record is None:
                continue
            score = scores[tracker]
            assert score.sequences == score.of, score.problems
            for key, metric in KEYS.items():
                # The got10k toolkit's own normalised precision is the mean of the curve.
                if key in record and not (rules == "got10k" and metric == "norm_precision"):
                    assert score.metrics[metric] == pytest.approx(record[key], abs=1e-6), (tracker, rules, key)
                    compared += 1
    assert compared >= 8

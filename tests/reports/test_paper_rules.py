"""Which stored run stands in which row of a paper's table: by definition, options, weights and refiner."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS, TRACKERS
from trackbench.errors import UsageError
from trackbench.reports.comparison import compare
from trackbench.reports.paper_rules import PaperRows
from trackbench.reports.papers import paper_table, papers, read_tables
from trackbench.scoring import Score, resolve_evaluation
from trackbench.trackers.registry import find_tracker

RULES = [(paper, rule) for paper in papers() for rule in PaperRows(paper).rules]


@cache
def identity(name: str, dataset: str | None, options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return find_tracker(name, dataset, dict(options), random_weights=True).identity()


def run(name: str, dataset: str, weights: str | None = "a" * 64, label: str | None = None, **options: Any) -> Score:
    """Return the score of a run as trackbench stores it; without weights it has random ones."""
    made = dict(identity(name, dataset or None, tuple((key.replace("__", "."), v) for key, v in options.items())))
    if weights is not None:
        made.pop("random_weights")
        made["weights_sha256"] = weights
        if "refiner" in made:
            made["refiner"] = {k: v for k, v in made["refiner"].items() if k != "random_weights"}
    metrics = dict.fromkeys(("success_auc", "precision", "norm_precision", "ao", "eao", "success"), 0.5)
    return Score(
        label or name, name, dataset, "one-pass", "stark", 280, 280, 1,
        {"weights_sha256": weights}, dict(metrics), manifest={"identity": made},
    )  # fmt: skip


def rows_of(spec: str, *scores: Score) -> dict[str, list[str]]:
    """Return which rows of a table the runs stand in: row -> labels."""
    by_dataset: dict[str, list[Score]] = {}
    for score in scores:
        by_dataset.setdefault(score.dataset, []).append(score)
    found = compare(spec, paper_table(spec), by_dataset)
    return {row.tracker: list(row.labels) for row in found.rows if row.labels}


class TestTheFiles:
    @pytest.mark.parametrize("paper", papers())
    def test_rules_are_about_rows_and_data_sets_of_the_paper(self, paper: str) -> None:
        values = read_tables(paper)
        rows = {(value.tracker, dataset) for value in values for dataset in (value.dataset, "")}
        for rule in PaperRows(paper).rules:
            for row in rule.rows:
                assert any((row, dataset) in rows for dataset in rule.datasets or [""]), (row, rule.datasets)
            assert set(rule.tables) <= {value.table for value in values}

    @pytest.mark.parametrize("paper", papers())
    def test_conventions_score_the_data_sets_they_are_for(self, paper: str) -> None:
        for name, convention in PaperRows(paper).conventions.items():
            record = DATASETS.get(name).value
            made = resolve_evaluation(Dataset(name, record, Path(), (), 1), None, convention)
            assert made.convention == convention

    def test_papers_were_scored_by_their_own_toolkits(self) -> None:
        used = {paper: PaperRows(paper).conventions for paper in papers()}
        assert used["sparsett"] == {"otb100": "got10k", "uav123": "got10k"}
        assert set(used["siamattn"].values()) == {"pysot"}
        assert set(used["aiatrack"].values()) == set(used["simtrack"].values()) == {"stark"}

    @pytest.mark.parametrize(("paper", "rule"), [(p, r) for p, r in RULES if r.tracker], ids=lambda x: str(x)[:30])
    def test_a_rules_settings_are_options_of_its_tracker(self, paper: str, rule: Any) -> None:
        for dataset in rule.datasets or (None,):
            find_tracker(rule.name, dataset, rule.settings, random_weights=True)

    def test_definitions_state_every_option_that_decides_numbers(self) -> None:
        for name in sorted({part for _, rule in RULES if rule.tracker for part in rule.name.split("+")}):
            stated = TRACKERS.get(name).value.options
            fields = find_tracker(f"dcf+{name}" if TRACKERS.get(name).value.refiner else name, random_weights=True)
            options = fields.parts[-1].options
            unstated = {key for key, value in options.model_dump().items() if key not in stated}
            assert unstated <= {"backbone_file", "config"}, name
            assert all(getattr(options, key) is None for key in unstated), name


class TestRows:
    def test_siamattn_has_other_weights_on_otb_than_on_vot(self) -> None:
        runs = [run(name, "otb100") for name in ("siamattn", "siamattn-otb100", "siamattn-box")]
        assert rows_of("siamattn:text", *runs) == {"SiamAttn": ["siamattn-otb100"]} or rows_of(
            "siamattn:text", *runs
        ) == {"SiamAttn": ["siamattn-box"]}
        assert rows_of("siamattn:text", run("siamattn", "otb100")) == {}
        assert rows_of("siamattn:1", run("siamattn", "vot2018")) == {"Ours": ["siamattn"]}

    def test_a_tracker_of_boxes_never_stands_in_a_row_of_masks(self) -> None:
        for spec in ("siamattn:1", "siamattn:5", "siamattn:6", "siamattn:7"):
            for dataset in ("vot2016", "vot2018"):
                assert rows_of(spec, run("siamattn-box", dataset), run("siamattn", dataset, mask=False)).keys() <= {
                    "Baseline"
                }, spec

    def test_sbts_masks_are_alpharefines(self) -> None:
        assert rows_of("sbt:5", run("sbt-base", "vot2020")) == {}
        assert rows_of("sbt:5", run("sbt-base+alpharefine", "vot2020")) == {"SBT base": ["sbt-base+alpharefine"]}
        assert rows_of("sbt:5", run("sbt-base+alpharefine", "vot2020", alpharefine__threshold=0.5)) == {}
        assert rows_of("sbt:4", run("sbt-base+alpharefine", "lasot")) == {}

    def test_aiatracks_ablations_have_three_references(self) -> None:
        assert rows_of("aiatrack:3", run("aiatrack", "lasot")) == {}
        assert rows_of("aiatrack:3", run("aiatrack", "lasot", ensemble=3)) == {"(i) AiA in both‡": ["aiatrack"]}
        assert rows_of("aiatrack:1", run("aiatrack", "lasot", ensemble=3)) == {}
        assert rows_of("aiatrack:1", run("aiatrack", "lasot")) == {"AiATrack": ["aiatrack"]}
        assert rows_of("aiatrack:5", run("aiatrack", "lasot-ext", ensemble=2)) == {
            "AiATrack (ensemble size 2)": ["aiatrack"]
        }
        assert rows_of("aiatrack:5", run("aiatrack", "lasot-ext", ensemble=5)) == {
            "AiATrack (ensemble size, column 5)": ["aiatrack"]
        }

    @pytest.mark.parametrize(
        ("spec", "full", "only", "row"),
        [
            ("aiatrack:1", "aiatrack", "aiatrack-got10k", "AiATrack"),
            ("sparsett:5", "sparsett", "sparsett-got10k", "Ours"),
            ("sbt:3", "sbt-large", "sbt-large-got10k", "SBT large"),
            ("sbt:3", "sbt", "sbt-got10k", "SBT base"),
            ("simtrack:3", "simtrack", "simtrack-got10k", "Ours ViT-B/16"),
            ("simtrack:3", "simtrack-l14", "simtrack-l14-got10k", "Ours ViT-L/14"),
        ],
    )
    def test_models_of_all_data_never_stand_in_rows_of_got10k(self, spec: str, full: str, only: str, row: str) -> None:
        assert rows_of(spec, run(full, "got10k-test")) == {}
        assert rows_of(spec, run(only, "got10k-test")) == {row: [only]}
        others = [value.dataset for value in paper_table(spec) if value.dataset not in ("", "got10k-test")]
        for dataset in dict.fromkeys(others):
            assert rows_of(spec, run(only, dataset)) == {}

    def test_full_models_stand_in_the_ablations_that_vary_them(self) -> None:
        runs = [run("simtrack", "tnl2k")]
        assert rows_of("simtrack:8", *runs) == {"+FW": ["simtrack"]}
        assert rows_of("simtrack:9", *runs) == {"SimTrack (0 decoder layers)": ["simtrack"]}
        assert rows_of("simtrack:10", *runs) == {"SimTrack (interaction in 100% of the blocks)": ["simtrack"]}
        assert rows_of("simtrack:11", *runs) == {"SimTrack (search 224 × 224)": ["simtrack"]}
        assert rows_of("sparsett:3", run("sparsett-got10k", "got10k-test")) == {"Ours (K = 32)": ["sparsett-got10k"]}
        assert rows_of("simtrack:4", run("stark-sv-b16", "tnl2k")) == {"STARK-SV ViT-B/16": ["stark-sv-b16"]}

    def test_ablations_need_weights_of_their_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = run("aiatrack", "lasot", network__inner_positions=False, ensemble=3)
        assert rows_of("aiatrack:3", found) == {"(h) w/o pos in both": ["aiatrack"]}
        monkeypatch.chdir(tmp_path)
        (tmp_path / "trackers").mkdir()
        (tmp_path / "trackers" / "mine.toml").write_text(
            'title = "Mine"\nsame_as = "aiatrack"\n[options.network]\ninner_positions = false\n[weights]\n'
        )
        mine = run("mine", "lasot", ensemble=3)
        assert rows_of("aiatrack:3", mine) == {"(h) w/o pos in both": ["mine"]}

    def test_random_weights_are_nobodys(self) -> None:
        assert rows_of("aiatrack:1", run("aiatrack", "lasot", weights=None)) == {}

    def test_precision_and_rounding_make_no_other_tracker(self) -> None:
        whole = run("simtrack-b16", "lasot", label="whole", integer_boxes=True)
        half = run("simtrack-b16", "lasot", label="half", precision="float16")
        found = compare("simtrack:1", paper_table("simtrack:1"), {"lasot": [whole, half]})
        assert [row.labels for row in found.rows if row.tracker == "Sim-B/16"] == [("whole",), ("half",)]

    def test_one_line_joins_what_the_papers_row_joins(self) -> None:
        runs = [run("aiatrack", "lasot"), run("aiatrack", "trackingnet"), run("aiatrack-got10k", "got10k-test")]
        assert rows_of("aiatrack:1", *runs) == {"AiATrack": ["aiatrack-got10k", "aiatrack"]} or rows_of(
            "aiatrack:1", *runs
        ) == {"AiATrack": ["aiatrack", "aiatrack-got10k"]}

    def test_imported_results_go_by_the_name_of_the_run(self) -> None:
        def imported(label: str) -> Score:
            return Score(label, label, "lasot", "one-pass", "stark", 280, 280, 1, {}, {"success_auc": 0.5})

        assert rows_of("aiatrack:3", imported("aiatrack@ensemble=3")) == {"(i) AiA in both‡": ["aiatrack@ensemble=3"]}
        assert rows_of("aiatrack:1", imported("aiatrack")) == {"AiATrack": ["aiatrack"]}
        assert rows_of("aiatrack:3", imported("aiatrack")) == {}


class TestTheWorkingFolder:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "reports" / "papers").mkdir(parents=True)

    def test_rules_of_ones_own_are_added(self, tmp_path: Path) -> None:
        text = '[[rules]]\nrows = ["MLT"]\nlabel = "my-mlt"\n[conventions]\nlasot = "matlab"\n'
        (tmp_path / "reports/papers/siamattn.toml").write_text(text)
        score = Score("my-mlt", "x", "lasot", "one-pass", "pysot", 280, 280, 1, {}, {"success_auc": 0.5})
        assert rows_of("siamattn:3", score) == {"MLT": ["my-mlt"]}
        assert PaperRows("siamattn").conventions["lasot"] == "matlab"
        assert PaperRows("siamattn").conventions["uav123"] == "pysot"

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ('rows = ["MTL"]\nlabel = "x"', "the tables of 'siamattn' have no row 'MTL'; did you mean 'MLT'?"),
            ('rows = ["MLT"]\nlabel = "x"\ndatasets = ["lasto"]', "have no data set 'lasto'; did you mean 'lasot'?"),
            ('rows = ["MLT"]\nlabel = "x"\ntables = ["99"]', "have no table '99'"),
            ('rows = ["MLT"]\ntracker = "dfc"', "unknown tracker 'dfc'; did you mean 'dcf'?"),
            ('rows = ["MLT"]\ntracker = "dcf"\noptions = { learning_rat = 1 }', "did you mean 'learning_rate'?"),
            ('row = ["MLT"]', "unknown key 'row' in [[rules]] number 1; did you mean 'rows'?"),
        ],
    )
    def test_rules_that_can_never_hold_are_refused(self, tmp_path: Path, rule: str, message: str) -> None:
        (tmp_path / "reports/papers/siamattn.toml").write_text(f"[[rules]]\n{rule}\n")
        with pytest.raises(UsageError, match=r"siamattn\.toml: ") as error:
            PaperRows("siamattn")
        assert message in str(error.value)

    def test_an_own_tracker_of_the_papers_name_is_none_with_the_papers_options(self, tmp_path: Path) -> None:
        model = TRACKERS.get("dcf").value.model
        (tmp_path / "trackers").mkdir()
        (tmp_path / "trackers/aiatrack.toml").write_text(f'title = "Mine"\nclass = "{model}"\n')
        rows, manifest = PaperRows("aiatrack"), {"identity": {"tracker": "aiatrack", "class": model, "options": {}}}
        rules = [rule for rule in rows.rules if rule.tracker == "aiatrack" and rule.settings]
        assert [rows.fits(rule, "", "aiatrack", manifest) for rule in rules] == [False] * len(rules) != []

    def test_weights_can_be_asked_for(self, tmp_path: Path) -> None:
        text = '[[rules]]\nrows = ["TransT"]\ntracker = "simtrack"\nweights = "bbbb"\n'
        (tmp_path / "reports/papers/simtrack.toml").write_text(text)
        assert "TransT" not in rows_of("simtrack:1", run("simtrack", "lasot"))
        assert "TransT" in rows_of("simtrack:1", run("simtrack", "lasot", weights="b" * 64))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[[rules]]\nrows = ["Ours"]\n', "expected either 'tracker' or 'label'"),
            (
                '[[rules]]\nrows = ["Ours"]\ntracker = "siamattn"\nwheights = "a"\n',
                "unknown key 'wheights' in [[rules]] number 1",
            ),
            ('[[rules]]\nrows = []\ntracker = "siamattn"\n', "expected the name of a row"),
        ],
    )
    def test_a_faulty_file_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "reports/papers/siamattn.toml").write_text(text)
        with pytest.raises(UsageError, match=re.escape(message)) as caught:
            PaperRows("siamattn")
        assert "siamattn.toml" in str(caught.value)

    def test_a_rule_of_an_unknown_definition_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "reports/papers/siamattn.toml").write_text('[[rules]]\nrows = ["Ours"]\ntracker = "siamatn"\n')
        with pytest.raises(UsageError, match="did you mean 'siamattn'"):
            rows_of("siamattn:1", run("siamattn", "vot2018"))

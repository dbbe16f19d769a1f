"""What the servers of GOT-10k and TrackingNet return: read, typed, kept, marked, and shown in tables and papers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.errors import DataError, UsageError
from trackbench.formats.server_scores import ServerEntry, choose_entry, read_entries, typed_metrics
from trackbench.regions import Box
from trackbench.results.server_scores import answers_sha256, read_server_scores
from trackbench.results.store import RunFolder, RunKey

#: The form of the got10k toolkit's ``performance.json``, which the server returns.
TOOLKIT = {
    "AiATrack": {
        "overall": {"ao": 0.696, "sr": 0.8, "speed_fps": -1, "length_wise_ao": [0.1], "succ_curve": [1.0, 0.9]},
        "seq_wise": {"GOT-10k_Test_000001": {"ao": 0.1, "sr": 0.2}},
    },
    "STARK": {"overall": {"ao": 0.68, "sr": 0.777, "sr75": 0.623, "speed_fps": 42.0}, "seq_wise": {}},
}
EVALAI = {"result": [{"Public": {"Success": 82.7, "Precision": 80.4, "Normalized Precision": 87.8, "Coverage": 100.0}}]}
TABLE = "Rank,Tracker,AO,SR0.50,SR0.75,Hz,Hardware\n1,AiATrack,69.6,80.0,63.2,38.0 ,GPU\n2,STARK,68.0,77.7,62.3,-,GPU\n"
PAGE = """<html><body><p>AO of 2026</p><table><thead><tr><th>Method</th><th>Success</th><th>Normalized
 Precision</th><th>Precision</th></tr></thead><tbody><tr><td><a href="x">AiATrack &amp; co</a></td><td>82.7%</td>
<td>87.8</td><td>80.4</td></tr></tbody></table></body></html>"""


def entries(folder: Path, text: str, family: str) -> list[ServerEntry]:
    path = folder / "server"
    path.write_text(text, encoding="utf-8")
    return read_entries(path, family)


class TestReading:
    def test_a_report_of_the_got10k_toolkit(self, tmp_path: Path) -> None:
        first, second = entries(tmp_path, json.dumps(TOOLKIT), "got10k")
        assert first == ServerEntry("AiATrack", {"ao": 0.696, "sr50": 0.8})  # the speed of -1 is none
        assert second == ServerEntry("STARK", {"ao": 0.68, "sr50": 0.777, "sr75": 0.623, "fps": 42.0})

    def test_the_result_of_evalai(self, tmp_path: Path) -> None:
        (entry,) = entries(tmp_path, json.dumps(EVALAI), "trackingnet")
        expected = {"success": 0.827, "precision_auc": 0.804, "norm_precision_auc": 0.878, "coverage": 1.0}
        assert entry.metrics == pytest.approx(expected)

    def test_other_forms_of_evalai(self, tmp_path: Path) -> None:
        accuracies = {"Success": 82.7, "Precision": 80.4, "Normalized Precision": 87.8}
        result = [{"split": "test_split", "show_to_participant": True, "accuracies": accuracies}]
        (alone,) = entries(tmp_path, json.dumps(result), "trackingnet")
        assert alone.name == ""
        assert alone.metrics == pytest.approx({"success": 0.827, "precision_auc": 0.804, "norm_precision_auc": 0.878})
        message = {"challenge_phase": 3, "submission": 7, "result": json.dumps(result), "submission_status": "FINISHED"}
        assert entries(tmp_path, json.dumps(message), "trackingnet") == [alone]
        rows = [
            {
                "submission__participant_team__team_name": team,
                "submission__method_name": method,
                "result": list(accuracies.values()),
                "filtering_score": 82.7,
                "leaderboard__schema": {"labels": list(accuracies), "default_order_by": "Success"},
            }
            for team, method in (("a team", "AiATrack"), ("another", None))
        ]
        board = entries(tmp_path, json.dumps({"count": 2, "next": None, "results": rows}), "trackingnet")
        assert [entry.name for entry in board] == ["AiATrack", "another"]
        assert board[0].metrics == alone.metrics

    def test_what_trackingnets_program_prints(self, tmp_path: Path) -> None:
        text = (
            "511\nCoverage 100.0\nPrecision 66.4294402491\nNormalized Precision 78.844017693\nSuccess: 72.6283813851\n"
        )
        (entry,) = entries(tmp_path, text, "trackingnet")
        expected = {"coverage": 1.0, "precision_auc": 0.6643, "norm_precision_auc": 0.78844, "success": 0.72628}
        assert entry.metrics == pytest.approx(expected, abs=1e-4)

    def test_the_success_curve_gives_the_rate_at_three_quarters(self, tmp_path: Path) -> None:
        curve = [1 - index / 100 for index in range(101)]
        report = {"a": {"overall": {"ao": 0.5, "sr": 0.5, "succ_curve": curve}}}
        (entry,) = entries(tmp_path, json.dumps(report), "got10k")
        assert entry.metrics == pytest.approx({"ao": 0.5, "sr50": 0.5, "sr75": 0.25})

    def test_each_number_is_read_in_its_own_unit(self, tmp_path: Path) -> None:
        # A coverage of 1 % with a success of 82.7 % cannot be; success rates of weak trackers are below one percent.
        (entry,) = entries(tmp_path, '{"Success": 82.7, "Precision": 80.4, "Coverage": 1.0}', "trackingnet")
        assert entry.metrics["coverage"] == 1.0
        first, second = entries(tmp_path, "Tracker,AO,SR0.5,SR0.75\na,69.6,80.0,63.2\nb,20.1,9.0,0.9\n", "got10k")
        assert first.metrics["sr75"] == pytest.approx(0.632)
        assert second.metrics["sr75"] == pytest.approx(0.009)
        (entry,) = entries(tmp_path, "AO,SR0.5\n0.696,80\n", "got10k")
        assert entry.metrics == pytest.approx({"ao": 0.696, "sr50": 0.8})
        assert typed_metrics(["ao=69.6%", "sr75=0.9%"], "got10k") == pytest.approx({"ao": 0.696, "sr75": 0.009})

    @pytest.mark.parametrize(
        "text",
        [
            "Tracker,AO,SR0.75\nmine,69.6,0.632\n",
            '{"Success": 82.7, "Precision": 0.804}',
            '{"Success": 0.827, "Precision": 80.4, "Normalized Precision": 0.878}',
        ],
    )
    def test_units_that_cannot_be_told_are_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(DataError, match="fractions and percentages are mixed"):
            entries(tmp_path, text, "got10k" if "AO" in text else "trackingnet")

    def test_a_leaderboard_as_csv(self, tmp_path: Path) -> None:
        first, second = entries(tmp_path, TABLE, "got10k")
        assert (first.name, second.name) == ("AiATrack", "STARK")
        assert first.metrics == pytest.approx({"ao": 0.696, "sr50": 0.8, "sr75": 0.632, "fps": 38.0})
        assert "fps" not in second.metrics
        assert entries(tmp_path, TABLE.replace(",", "\t"), "got10k") == [first, second]

    def test_a_saved_page(self, tmp_path: Path) -> None:
        (entry,) = entries(tmp_path, PAGE, "trackingnet")
        assert entry.name == "AiATrack & co"
        assert entry.metrics == pytest.approx({"success": 0.827, "norm_precision_auc": 0.878, "precision_auc": 0.804})

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": 1}', "holds no score of got10k"),
            ("", "holds no score of got10k"),
            ("<html></html>", "holds no score of got10k"),
            ('{"ao": ', "is no JSON"),
            ('{"ao": 696}', "AO is 696; expected a fraction or a percentage"),
            (f'{{"ao": 0.5, "succ_curve": {[*["a"] * 101]}}}'.replace("'", '"'), "server: cannot be read"),
            (f'{{"a": "{"[" * 100_000}"}}', "server: cannot be read: nested too deeply"),
            (f'{{"ao": 1{"0" * 400}}}', "server: cannot be read"),
            ("AO" + " " * 100_000 + "x", "holds no score of got10k"),
        ],
        ids=lambda value: value[:30],
    )
    def test_what_is_no_result_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(DataError, match=message):
            entries(tmp_path, text, "got10k")

    def test_one_of_several_is_chosen_by_name(self, tmp_path: Path) -> None:
        found = entries(tmp_path, TABLE, "got10k")
        assert choose_entry(found, "aiatrack", tmp_path).metrics["ao"] == pytest.approx(0.696)
        with pytest.raises(UsageError, match=re.escape("of 2 trackers (AiATrack, STARK); --only takes one")):
            choose_entry(found, None, tmp_path)
        with pytest.raises(UsageError, match="did you mean 'STARK'"):
            choose_entry(found, "STARX", tmp_path)

    def test_typed_values_are_fractions_or_percentages(self) -> None:
        assert typed_metrics(["AO=69.6", "SR0.5=80"], "got10k") == pytest.approx({"ao": 0.696, "sr50": 0.8})
        assert typed_metrics(["ao=0.696"], "got10k") == {"ao": 0.696}
        for text, message in (("auc=1", "with one of ao"), ("ao", "METRIC=NUMBER"), ("ao=x", "'x' is no number")):
            with pytest.raises(UsageError, match=message):
                typed_metrics([text], "got10k")
        with pytest.raises(UsageError, match="AO is -1"):
            typed_metrics(["ao=-1"], "got10k")


class TestTheCommand:
    def test_scores_stand_in_tables_and_papers_without_the_data_set(self, workplace: Path) -> None:
        Path("report.json").write_text(json.dumps(TOOLKIT))
        arguments = ["import-scores", "report.json", "--only", "AiATrack", "-d", "got10k-test"]
        told = document(*arguments, "--as", "aiatrack-got10k")
        assert told["runs"][0]["metrics"] == {"ao": 0.696, "sr50": 0.8}
        (row,) = document("report", "-d", "got10k-test", "--no-plots")["rows"]
        assert (row["tracker"], row["convention"]) == ("aiatrack-got10k", "server")
        assert (row["sequences"], row["of"]) == (180, 180)
        assert row["metrics"]["ao"] == 0.696
        paper = document("report", "--paper", "aiatrack:1")["paper"]
        ours = {row["metric"]: row for row in paper if row["label"] == "aiatrack-got10k" and row["measured"]}
        assert ours["ao"]["measured"] == pytest.approx(69.6)
        assert ours["ao"]["convention"] == "server"
        shown = trackbench("report", "--paper", "aiatrack:1").stdout
        assert "69.6*" in shown

    def test_typed_values_are_marked(self, workplace: Path) -> None:
        trackbench("import-scores", "--value", "success=82.6", "--as", "aiatrack", "-d", "trackingnet")
        kept = read_server_scores(RunFolder(Path("runs"), RunKey("aiatrack", "trackingnet", "one-pass")))
        assert kept is not None
        assert kept.origin == "typed"
        shown = trackbench("report", "-d", "trackingnet", "--no-plots").stdout
        assert "Typed in, as the benchmark's server gave them" in " ".join(shown.split())
        assert "82.6**" in trackbench("report", "--paper", "aiatrack:1").stdout

    def test_other_scores_are_not_replaced_unasked(self, workplace: Path) -> None:
        arguments = ["import-scores", "--as", "a", "-d", "got10k-test", "--value"]
        trackbench(*arguments, "ao=50")
        trackbench(*arguments, "ao=50")
        assert "--restart replaces them" in trackbench(*arguments, "ao=60", code=2).stderr
        trackbench(*arguments, "ao=60", "--restart")
        (row,) = document("report", "-d", "got10k-test", "--no-plots")["rows"]
        assert row["metrics"]["ao"] == pytest.approx(0.6)

    def test_a_leaderboard_comes_in_as_a_whole(self, workplace: Path) -> None:
        Path("board.csv").write_text(TABLE)
        trackbench("import-scores", "board.csv", "--all", "-d", "got10k-test")
        rows = document("report", "-d", "got10k-test", "--no-plots")["rows"]
        assert {row["tracker"] for row in rows} == {"AiATrack", "STARK"}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-d", "got10k-test", "--as", "a"], "either FILE or --value"),
            (["-d", "lasot", "--as", "a", "--value", "ao=1"], "no server scores it; expected got10k-test"),
            (["-d", "got10k-test", "--value", "ao=1"], "--as says which run"),
            (["-d", "got10k-test", "--all", "--value", "ao=1"], "about the trackers in FILE"),
            (["x.json", "-d", "got10k-test", "--as", "a"], "x.json"),
        ],
    )
    def test_wrong_uses(self, workplace: Path, arguments: list[str], message: str) -> None:
        assert message in " ".join(
            trackbench("import-scores", *arguments, code=2 if "x.json" not in arguments else 1).stderr.split()
        )


def test_scores_of_other_answers_are_not_shown(workplace: Path) -> None:
    folder = RunFolder(Path("runs"), RunKey("a", "got10k-test", "one-pass"))
    folder.write("GOT-10k_Test_000001", [Box(1, 2, 3, 4)], [0.1], [None])
    folder.write_manifest({"identity": {"imported": True}, "title": "a"})
    trackbench("import-scores", "--value", "ao=50", "--as", "a", "-d", "got10k-test")
    assert answers_sha256(folder)
    (row,) = document("report", "-d", "got10k-test", "--no-plots")["rows"]
    assert row["metrics"]["ao"] == 0.5
    folder.write("GOT-10k_Test_000001", [Box(1, 2, 3, 5)], [0.1], [None])
    (row,) = document("report", "-d", "got10k-test", "--no-plots", code=1)["rows"]
    assert row["metrics"]["ao"] is None
    assert "scores are of other answers" in row["problems"][0]

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError
from trackbench.metrics.table import METRICS
from trackbench.reports import papers as papers_module
from trackbench.reports.papers import PaperValue, paper_table, papers, read_tables

TABLES = {"siamattn": 7, "sbt": 10, "sparsett": 8, "simtrack": 11, "aiatrack": 5}
WORDS = {"backbone", "source"}
PLAIN = {
    "flops (G)", "params (M)", "search size (px)", "EAO gain (%)", "J", "F", "mean of J and F",
}  # fmt: skip


def text(reference: Path, paper: str) -> str:
    (file,) = (reference / "papers").glob(f"{paper}_*.txt")
    return file.read_text(encoding="utf-8")


class TestData:
    def test_the_five_papers_are_there(self) -> None:
        assert papers() == sorted(TABLES)

    @pytest.mark.parametrize("paper", TABLES)
    def test_every_table_is_there(self, paper: str) -> None:
        tables = {value.table for value in read_tables(paper)}
        expected = {str(number) for number in range(1, TABLES[paper] + 1)}
        # SimTrack's Table 6 is a plot.
        assert tables - {"text", "readme"} == expected - ({"6"} if paper == "simtrack" else set())

    @pytest.mark.parametrize("paper", TABLES)
    def test_cells_are_well_formed(self, paper: str) -> None:
        keys = set()
        for value in read_tables(paper):
            assert value.paper == paper
            assert value.tracker == value.tracker.strip() != ""
            if value.metric not in WORDS:
                assert re.fullmatch(r"\+?\d+(\.\d+)?", value.value), value
            key = (value.table, value.tracker, value.dataset, value.metric)
            assert key not in keys, value
            keys.add(key)

    @pytest.mark.parametrize("paper", TABLES)
    def test_names_are_those_of_the_command_line(self, paper: str) -> None:
        metrics = set(METRICS)
        datasets = {*DATASETS.names(), "davis17"}
        for value in read_tables(paper):
            assert value.meant in {"", *metrics}, value
            key, _, attribute = value.metric.partition(":")
            if key in metrics - {"fps"}:
                assert value.dataset in datasets, value
            elif key != "fps":
                assert key in PLAIN | WORDS, value
            if attribute:
                assert attribute in DATASETS.get(value.dataset).value.attributes, value

    def test_scores_are_fractions(self) -> None:
        for value in read_tables():
            if value.metric.partition(":")[0] in set(METRICS) - {"fps", "failures_per_100"}:
                assert value.score is not None
                assert 0 < value.score < 1, value

    def test_cells_that_the_text_loses_are_there(self) -> None:
        cells = {(v.tracker, v.dataset, v.metric): v.value for v in read_tables("sparsett") if "dashes" in v.note}
        assert {"0.675", "0.653", "0.646", "0.743", "0.488", "0.575", "81.8"} <= set(cells.values())
        assert cells["STMTrack", "got10k-test", "sr75"] == "0.575"
        assert cells["SiamGAT", "got10k-test", "sr50"] == "0.743"

    def test_readme_numbers_are_those_of_the_dossiers(self, reference: Path) -> None:
        for paper in ("aiatrack", "sbt", "simtrack"):
            dossier = (reference / "trackers" / f"{paper}.md").read_text(encoding="utf-8")
            for value in paper_table(f"{paper}:readme"):
                assert value.value in dossier or value.value.replace("0.", ".") in dossier, value

    def test_slips_stay_as_printed(self) -> None:
        otb = {value.metric: value for value in paper_table("siamattn:text") if value.dataset == "otb100"}
        assert otb["precision"].value == "0.712"
        assert otb["success_auc"].value == "0.926"
        assert "swaps" in otb["precision"].note
        assert (otb["precision"].key, otb["success_auc"].key) == ("success_auc", "precision")
        mislabelled = {
            (value.tracker, value.dataset): value
            for value in paper_table("simtrack:1")
            if value.note and value.metric in ("norm_precision", "precision_auc")
        }
        assert mislabelled["SiamBAN", "lasot"].value == "52.1"
        assert mislabelled["Sim-B/16", "trackingnet"].value == "86.5"


class TestReading:
    def test_one_table(self) -> None:
        values = paper_table("SiamAttn:1")
        ours = {(v.dataset, v.metric): v.value for v in values if v.tracker == "Ours"}
        assert ours["vot2018", "eao"] == "0.470"
        assert ours["vot2016", "failures_per_100"] == "0.14"

    def test_percentages_and_fractions_give_the_same_score(self) -> None:
        percent = next(v for v in paper_table("simtrack:1") if v.tracker == "TransT" and v.metric == "success_auc")
        fraction = next(v for v in paper_table("sparsett:4") if v.tracker == "TransT" and v.metric == "success_auc")
        assert (percent.value, fraction.value) == ("64.9", "0.649")
        assert percent.score == pytest.approx(fraction.score)

    def test_words_have_no_number(self) -> None:
        assert next(v for v in paper_table("simtrack:1") if v.metric == "backbone").number is None

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("siamatn:1", "unknown paper 'siamatn'; did you mean 'siamattn'?"),
            ("simtrack:6", "no table '6' with results (it has: 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, readme, text)"),
            ("siamattn", "expected PAPER:TABLE"),
        ],
    )
    def test_unknown_names(self, spec: str, message: str) -> None:
        with pytest.raises(UsageError, match=re.escape(message)):
            paper_table(spec)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("paper,table\n", "line 1: columns paper,table, expected paper,table,tracker"),
            ("paper,table,tracker,dataset,metric,meant,value,note\nx,1,a\n", "line 2: 3 columns, expected 8"),
        ],
    )
    def test_malformed_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str) -> None:
        (tmp_path / "papers").mkdir()
        (tmp_path / "papers" / "x.csv").write_text(content, encoding="utf-8")
        monkeypatch.setattr(papers_module, "content_folder", lambda kind: tmp_path)
        with pytest.raises(DataError, match=re.escape(message)):
            read_tables("x")


class Row(NamedTuple):
    """A table whose text has a line a tracker; ``{}`` in the pattern stands for the tracker."""

    spec: str
    pattern: str
    skip: tuple[str, ...] = ()


class Column(NamedTuple):
    """A number of each tracker on one line, which the pattern finds."""

    spec: str
    dataset: str
    metric: str
    pattern: str


class Block(NamedTuple):
    """A column of a table whose text has a line a cell, first the trackers', then each column's."""

    spec: str
    dataset: str
    metric: str


ROWS = [
    Row("siamattn:1", r"^{} \[\d+\] [\d-]|^Ours 0\.68"),
    Row("siamattn:5", r"^{} 0"),
    Row("aiatrack:1", r"^{} ?\$?\[\d+\]\$?\t|^{}\tOurs\t"),
    Row("simtrack:1", r"^{}( \[\d+\])?( \$\\diamond\$)?\t"),
    Row("simtrack:4", r"^{}\t\d"),
    Row("simtrack:8", r"^.\t{}\t"),
]
LINES = [
    Column("siamattn:2", "uav123", "success_auc", r"^AUC 0"),
    Column("siamattn:2", "uav123", "precision", r"^Pr 0"),
    Column("siamattn:3", "lasot", "success_auc", r"^Success\(%\) 34"),
    Column("siamattn:3", "lasot", "norm_precision", r"^Norm\.Pr\(%\) -"),
    Column("siamattn:4", "trackingnet", "success", r"^Success\(%\) 60"),
    Column("siamattn:4", "trackingnet", "norm_precision_auc", r"^Norm\.Pr\(%\) 71"),
    Column("aiatrack:2", "nfs30", "success_auc", r"^NfS30 \[29\]\t"),
    Column("aiatrack:2", "otb100", "success_auc", r"^OTB100 \[50\]\t"),
    Column("aiatrack:2", "uav123", "success_auc", r"^UAV123 \[39\]\t"),
    Column("aiatrack:2", "", "fps", r"^Speed \(fps\)\t"),
    Column("simtrack:2", "uav123", "success_auc", r"^AUC \$\\uparrow\$\t48"),
    Column("simtrack:2", "uav123", "precision", r"^Pre \$\\uparrow\$\t"),
    Column("simtrack:3", "got10k-test", "ao", r"^AO "),
    Column("simtrack:3", "got10k-test", "sr50", r"^\$SR_\{0\.5\}"),
    Column("simtrack:3", "got10k-test", "sr75", r"^\$SR_\{0\.75\}"),
    Column("simtrack:7", "lasot", "success_auc", r"^LaSOT\t56"),
    Column("simtrack:7", "uav123", "success_auc", r"^UAV123\t65"),
]
BLOCKS = [
    Block("sparsett:4", "lasot", "success_auc"),
    Block("sparsett:5", "got10k-test", "ao"),
    Block("sparsett:6", "uav123", "success_auc"),
    Block("sparsett:6", "otb100", "success_auc"),
    Block("sparsett:7", "trackingnet", "success"),
    Block("sparsett:7", "trackingnet", "precision_auc"),
    *[
        Block("sparsett:8", "lasot", f"{metric}:{attribute}")
        for metric in ("success_auc", "precision")
        for attribute in ("DEF", "POC", "SV", "ROT", "VC")
    ],
]
# Trackers whose cells lie together in the text, one below the other.
STACKS = {
    "sparsett:1": ["Ours (N = 0)", "Ours (N = 1)", "Ours (N = 2)", "Ours (N = 3)"],
    "sparsett:3": ["Ours (K = 16)", "Ours (K = 64)", "Ours (K = 128)", "Ours (K = 256)", "Ours (K = H'W')"],
    "sbt:3": ["SiamRPN++", "ATOM", "DiMP", "SAMN", "AutoMatch", "TrSiam", "TransT"],
    "sbt:4": ["SiamRPN++", "ATOM", "DiMP", "AutoMatch", "DualTFR", "TrSiam", "TransT"],
    "sbt:5": ["SiamMask", "SuperDiMP", "AlphaRef"],
}
# The last trackers of these tables share a line a metric.
TAILS = [
    ("sbt:3", 6, ("ao", "sr50", "sr75")),
    ("sbt:4", 5, ("success_auc", "precision")),
    ("sbt:5", 6, ("accuracy", "robustness", "eao")),
]


def of_tracker(spec: str, tracker: str) -> list[str]:
    return [value.value for value in paper_table(spec) if value.tracker == tracker]


def of_metric(spec: str, metric: str, dataset: str | None = None) -> list[PaperValue]:
    return [v for v in paper_table(spec) if v.metric == metric and dataset in (None, v.dataset)]


def trackers(spec: str) -> list[str]:
    return list(dict.fromkeys(value.tracker for value in paper_table(spec)))


def in_order(values: list[str]) -> re.Pattern[str]:
    """A pattern of the values as whole words, in their order."""
    return re.compile(".*?".join(rf"(?<![\d.]){re.escape(value)}(?![\d.]*\d)" for value in values))


class TestAgainstTheText:
    def test_enough_numbers_are_checked(self) -> None:
        rows = sum(len(paper_table(row.spec)) for row in ROWS)
        lines = sum(len(of_metric(line.spec, line.metric, line.dataset)) for line in LINES)
        blocks = sum(len(of_metric(block.spec, block.metric, block.dataset)) for block in BLOCKS)
        stacks = sum(len(of_tracker(spec, tracker)) for spec, names in STACKS.items() for tracker in names)
        assert rows > 300
        assert rows + lines + blocks + stacks > 600

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.spec)
    def test_rows(self, reference: Path, row: Row) -> None:
        lines = text(reference, row.spec.partition(":")[0]).splitlines()
        for tracker in trackers(row.spec):
            name = re.escape(tracker).replace(r"\ ViT", r"\tViT")
            pattern = re.compile(row.pattern.replace("{}", name))
            found = [line for line in lines if pattern.search(line)]
            assert found, f"no line of {tracker}"
            values = of_tracker(row.spec, tracker)
            assert any(in_order(values).search(line) for line in found), f"{tracker}: {values} not in {found}"

    @pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.spec}-{line.metric}-{line.dataset}")
    def test_lines(self, reference: Path, line: Column) -> None:
        lines = text(reference, line.spec.partition(":")[0]).splitlines()
        found = next(other for other in lines if re.search(line.pattern, other))
        assert in_order([v.value for v in of_metric(line.spec, line.metric, line.dataset)]).search(found), found

    @pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.spec}-{block.metric}")
    def test_blocks(self, reference: Path, block: Block) -> None:
        whole = text(reference, block.spec.partition(":")[0])
        names = "\n".join(rf"{re.escape(tracker)}( \[.*\])?" for tracker in trackers(block.spec))
        assert re.search(rf"^{names}$", whole, re.MULTILINE)
        cells = "\n".join(v.value for v in of_metric(block.spec, block.metric, block.dataset))
        assert f"\n\n{cells}\n\n" in whole

    @pytest.mark.parametrize("spec", STACKS)
    def test_stacks(self, reference: Path, spec: str) -> None:
        whole = text(reference, spec.partition(":")[0])
        start = -1
        for tracker in STACKS[spec]:
            cells = "\n{}\n".format("\n".join(of_tracker(spec, tracker)))
            assert cells in whole, tracker
            assert whole.index(cells) > start, f"{tracker} comes before the tracker that precedes it in the table"
            start = whole.index(cells)

    @pytest.mark.parametrize(("spec", "count", "metrics"), TAILS)
    def test_tails(self, reference: Path, spec: str, count: int, metrics: tuple[str, ...]) -> None:
        lines = text(reference, "sbt").splitlines()
        for metric in metrics:
            cells = " ".join(v.value for v in of_metric(spec, metric)[-count:])
            assert any(line.endswith(cells) for line in lines), cells

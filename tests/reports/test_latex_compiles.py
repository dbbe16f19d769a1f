"""The tables as a paper of two columns takes them: an engine compiles them, and none is wider than its column."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS
from trackbench.reports import overview, paper_tables, tables
from trackbench.reports.comparison import compare
from trackbench.reports.papers import paper_table
from trackbench.scoring import Score

PAPER = r"""\documentclass[10pt,twocolumn]{article}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{xcolor}
\begin{document}
Tables \ref{%s}.
%s
\end{document}
"""


def sample_scores(columns: int, dataset: str = "otb100") -> list[Score]:
    """Return four runs with so many metrics, whose names hold what LaTeX takes for commands; the last is incomplete."""
    keys = ("success_auc", "precision", "norm_precision", "mean_overlap", "sr50", "sr75", "ao", "mao", "fps")[:columns]
    names = ("SiamRPN++", "a_b & c%", "mine@learning_rate=0.05,scale.steps=3", "half ~ ^ {x}")
    return [
        Score(
            name, name, dataset, "one-pass", "matlab", 100 - 40 * (name == names[-1]), 100, 3, {},
            dict.fromkeys(keys, 0.5 + 0.01 * place), spread=dict.fromkeys(keys, 0.012),
        )
        for place, name in enumerate(names)
    ]  # fmt: skip


def overview_of() -> overview.Overview:
    """Return the table of the runs on several data sets."""
    names = ("otb100", "lasot", "uav123", "tnl2k")
    parts = [Dataset(name, DATASETS.get(name).value, Path(), (), 100) for name in names]
    return overview.Overview.of([(part, sample_scores(3, part.name), None) for part in parts])


@pytest.fixture(scope="module")
def engine() -> str:
    """An engine of LaTeX; tests that need one skip where there is none."""
    found = next((path for name in ("pdflatex", "xelatex", "lualatex") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no LaTeX engine here (Debian: texlive-latex-base and texlive-latex-recommended)")
    return found


def compiled(engine: str, folder: Path, texts: list[str]) -> str:
    """Compile tables in one paper and return the engine's log."""
    labels = [label for text in texts for label in re.findall(r"\\label\{(.*?)\}", text)]
    assert len(set(labels)) == len(texts)
    (folder / "paper.tex").write_text(PAPER % (r"}, \ref{".join(labels), "\n".join(texts)), encoding="utf-8")
    for _ in range(2):  # references are known the second time
        done = subprocess.run(
            [engine, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.slow
def test_tables_compile_within_their_columns(engine: str, tmp_path: Path) -> None:
    narrow, wide = sample_scores(3), sample_scores(9)
    long = [replace(each, title=f"{each.title} {n}") for n in range(20) for each in narrow]
    texts = [
        tables.latex_table(narrow, "OTB-100"),
        tables.latex_table(wide, "A_set & 50% more #1", colours=True),
        tables.latex_table(long, "Eighty runs"),
        overview.latex_table(overview_of()),
        *(paper_tables.latex_table(compare(spec, paper_table(spec), {})) for spec in ("siamattn:1", "sparsett:8")),
    ]
    log = compiled(engine, tmp_path, texts)
    assert "undefined" not in log
    too_wide = [line for line in re.findall(r"Overfull \\hbox \((.*?)pt too wide\)", log) if float(line) > 1]
    assert too_wide == []
    assert "Float too large for page" not in log
    assert any(r"\begin{table*}" in text for text in texts)
    assert any(r"\begin{table}" in text for text in texts)


def test_captions_explain_the_marks_and_labels_are_unique() -> None:
    plain, coloured = (tables.latex_table(sample_scores(3), "OTB-100", colours=colours) for colours in (False, True))
    assert "bold" in plain.partition(r"\caption{")[2].partition(r"\label")[0]
    assert "red, blue, green" in coloured
    assert r"\label{tab:otb-100}" in plain
    found: list[Score] = sample_scores(3)
    assert found[0].tracker in plain

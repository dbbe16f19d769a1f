"""The HTML report as a file; tests/reports/test_page_browser.py looks at it in a browser."""

import base64
import json
import re
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import trackbench
from hypothesis import given
from hypothesis import strategies as st
from test_reports import DATASET, SCORES, score

from trackbench.datasets.sequence import Dataset, GroundTruth, VideoSequence
from trackbench.errors import UsageError
from trackbench.quoting import printable
from trackbench.reports.build import _made
from trackbench.reports.page import Page
from trackbench.reports.page.document import verdict
from trackbench.reports.page.html import script_text
from trackbench.reports.page.traces import pack, telling_frames
from trackbench.reports.style import looks
from trackbench.scoring import Score
from trackbench.scoring.traces import Contours, Trace, TracedSequence


def dataset(*names: str) -> Dataset:
    sequences = tuple(
        VideoSequence(name, list, lambda: GroundTruth(np.tile([10.0, 10, 5, 5], (4, 1))), attributes=("OCC",))
        for name in names
    )
    record = DATASET.definition.model_copy(update={"attributes": {"OCC": "occlusion"}})
    return replace(DATASET, sequences=sequences, definition=record)


def page_text(scores: list[Score], data: Dataset = DATASET, limit: int = 1 << 20) -> str:
    page = Page(limit)
    page.add(data, scores, [])
    return page.text(looks(score.tracker for score in scores))


def document_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="document">(.*?)</script>', text, re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_document_holds_the_scores() -> None:
    data = document_of(page_text(SCORES, dataset("Crossing")))["datasets"][0]
    assert [row["tracker"] for row in data["rows"]] == ["a_b", "c", "d<i>", "e"]
    assert data["main"] == "success_auc"
    assert data["rows"][3]["metrics"]["success_auc"] is None
    assert data["sequences"] == ["Crossing"]
    assert data["per_sequence"]["success_auc"] == [[0.5, 0.61234, 0.5, None]]
    assert data["curves"]["success"]["thresholds"][-1] == 1
    assert data["rows"][0]["sequences"] == 100
    assert data["rows"][0]["of"] == 100


def test_the_page_says_how_sure_the_ranking_is() -> None:
    """The numbers of `trackbench statistics`."""
    from trackbench.reports.statistics import ROPE, measure
    from trackbench.statistics.matrix import score_matrix

    names = [f"s{k}" for k in range(30)]
    generator = np.random.default_rng(1)
    rows = {label: generator.uniform(0.2, 0.9, 30) for label in ("a", "b", "c")}
    scores = [
        replace(
            SCORES[0],
            tracker=label,
            title=label,
            per_sequence={name: {"success_auc": float(v)} for name, v in zip(names, values, strict=True)},
        )
        for label, values in rows.items()
    ]
    data = dataset(*names)
    found = document_of(page_text(scores, data))["datasets"][0]["sureness"]
    expected = measure("x", score_matrix(data, scores), {}, ROPE)
    assert [row["rank_1"] for row in found["trackers"]] == pytest.approx(expected.ranks[:, 0], rel=1e-5)
    assert [row["p_better"] for row in found["pairs"]] == pytest.approx(
        [pair.better for pair in expected.pairs], rel=1e-5
    )
    assert document_of(page_text(scores[:1], data))["datasets"][0]["sureness"] is None


def test_nothing_leaves_the_page() -> None:
    text = page_text(SCORES)
    assert "default-src 'none'" in text
    tags = Tags()
    tags.feed(text)
    assert not [attributes for _, attributes in tags.found if {"src", "href"} & attributes.keys()]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)


NASTY = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- ",
    "<!--<script>",
    "&amp;'é\u2028",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_end_nothing(name: str) -> None:
    plain, nasty = Tags(), Tags()
    plain.feed(page_text([score("a", 0.5)], dataset("Crossing")))
    scores = [replace(score(name, 0.5), per_sequence={name: {"success_auc": 0.5}}, problems=(name,))]
    record = DATASET.definition.model_copy(update={"title": name})
    text = page_text(scores, replace(dataset(name), definition=record))
    nasty.feed(text)
    assert nasty.found == plain.found
    data, shown = document_of(text)["datasets"][0], printable(name)
    assert (data["rows"][0]["title"], data["title"], data["sequences"]) == (shown, shown, [shown])


@given(st.text())
def test_json_in_a_script_element(text: str) -> None:
    written = script_text(json.dumps({text: text}))
    assert json.loads(written) == {text: text}
    assert not set("<>&") & set(written)


def test_same_scores_same_page() -> None:
    assert page_text(SCORES) == page_text(SCORES)


def test_nan_never_reaches_the_page() -> None:
    nan = float("nan")
    scores = [replace(score("a", nan, nan), attributes={"OCC": {"success_auc": nan}}, manifest={"x": [nan]})]
    data = document_of(page_text(scores))["datasets"][0]
    assert data["rows"][0]["attributes"] == {"OCC": {"success_auc": None}}


def test_a_report_of_nothing() -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        Page(1000).text({})


def traced(name: str, frames: int = 50) -> TracedSequence:
    """A target that moves, a tracker that loses it; its regions are box, nothing, polygon and rings in turn."""
    rng = np.random.default_rng(len(name))
    ground_truth = np.column_stack([np.arange(frames) * 2.0, np.full(frames, 7.3), np.full((frames, 2), [20.0, 15.05])])
    shapes = [[1.0, 2, 3, 4.25], [], [0, 0, 5, 0, 5.5, 6], [0, 0, 4, 0, 4, 4, np.nan, np.nan, 9, 9, 12, 9, 12, 12]]
    own = [shapes[k] for k in rng.integers(0, 4, frames)]
    outlines = Contours(
        np.array([len(shape) for shape in own], np.int32), np.array([v for shape in own for v in shape])
    )
    overlaps = np.where(rng.random(frames) < 0.1, np.nan, rng.random(frames))
    data = dataset(name).sequences[0]
    trace = Trace(outlines, overlaps, np.arange(frames) == 30)
    return TracedSequence(name, data, Contours.of_boxes(ground_truth), {"a": trace})


def unpack_shapes(data: bytes, frames: int) -> tuple[list[list[float]], bytes]:
    counts = np.frombuffer(data, "<i4", frames)
    total = int(np.frombuffer(data, "<i4", 1, 4 * frames)[0])
    flat = np.frombuffer(data, "<i4", total, 4 * frames + 4).astype(np.int64).copy()
    shapes, start = [], 0
    for frame, count in enumerate(counts.tolist()):
        if frame and counts[frame - 1] == count:
            flat[start : start + count] += flat[start - count : start]
        shapes.append([float("nan") if v < -900_000_000 else v / 10 for v in flat[start : start + count].tolist()])
        start += count
    return shapes, data[4 * (frames + 1 + total) :]


def test_regions_come_back() -> None:
    entry = traced("one")
    packed = pack([entry], 1 << 20, 0)
    ground_truth, rest = unpack_shapes(zlib.decompress(base64.b64decode(packed.payloads[0])), 50)
    assert ground_truth[3] == pytest.approx([6, 7.3, 20, 15.0], abs=0.051)
    shapes, rest = unpack_shapes(rest, 50)
    outlines = entry.traces["a"].outlines
    assert [len(shape) for shape in shapes] == outlines.counts.tolist()
    assert np.concatenate(shapes) == pytest.approx(outlines.numbers, abs=0.051, nan_ok=True)
    overlaps = np.frombuffer(rest, "<u2", 50)
    expected = entry.traces["a"].overlaps
    assert np.where(overlaps == 65535, np.nan, overlaps / 10_000) == pytest.approx(expected, abs=1e-4, nan_ok=True)
    assert np.flatnonzero(np.frombuffer(rest[100:], np.uint8)).tolist() == [30]
    assert packed.index[0]["size"] == (130, 25)  # from the ground truth, where nothing says how large the frames are


def test_size_is_bounded() -> None:
    entries = [traced(f"s{k}" * k) for k in range(1, 9)]
    whole = pack(entries, 1 << 20, 0)
    assert (len(whole.index), whole.left_out) == (8, 0)
    half = pack(entries, whole.size // 2, 0)
    assert half.size <= whole.size // 2
    assert half.left_out == 8 - len(half.index) > 0
    assert [entry["name"] for entry in half.index] == [entry.name for entry in entries[: len(half.index)]]
    none = pack(entries, 0, 5)
    assert (none.index, none.left_out) == ([], 8)


def test_page_of_runs(ran: Path, workplace: Path) -> None:
    result = trackbench("report", "-d", "data", "--html", "--no-plots", "--frames", "3")
    path = workplace / "runs/report/report.html"
    assert f"report.html: {path.stat().st_size / 1e6:.1f} MB" in result.stderr
    text = path.read_text()
    data = document_of(text)["datasets"][0]
    assert [trace["name"] for trace in data["traces"]] == ["s1", "s2", "s3"]
    assert data["traces"][0]["images"] == [0, 2, 5]
    assert data["traces"][0]["size"] == [64, 48]
    assert text.count('id="trace-0-') == 3
    images = json.loads(re.findall(r'id="images-0-0">(.*?)</script>', text)[0])
    assert [base64.b64decode(image)[:3] for image in images] == [b"\xff\xd8\xff"] * 3
    assert data["rows"][0]["manifest"]["sessions"][0]["precision"] == "float32"
    trackbench("report", "-d", "data", "--html", "--no-plots", "--page-limit", "0")
    assert document_of(path.read_text())["datasets"][0]["left_out"] == 3


def test_images_that_are_not_there(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data")
    # Of its size, so that the data set passes for that of the run.
    for image in sorted((workplace / "data/s2/img").iterdir())[1:]:
        image.write_bytes(bytes(image.stat().st_size))
    trackbench("report", "-d", "data", "--html", "--no-plots", "--frames", "3")
    data = document_of((workplace / "runs/report/report.html").read_text())["datasets"][0]
    assert data["without_images"] == 1
    assert [len(trace["images"]) for trace in data["traces"]] == [3, 0, 3]


def test_frames_without_a_page(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data")
    result = trackbench("report", "-d", "data", "--frames", "3", code=2)
    assert "--frames puts images into the page; it needs --html" in result.stderr


def test_images_are_of_failures_and_disagreements_first() -> None:
    entry = traced("one")
    assert 30 in telling_frames(entry, 3)  # where the tracker loses the target
    assert telling_frames(entry, 2) == [0, 49]
    assert len(telling_frames(entry, 10)) == 10
    assert telling_frames(entry, 80) == list(range(50))
    first = entry.traces["a"]
    apart = np.zeros(50)
    apart[17] = 1.0
    other = replace(first, overlaps=apart, failed=np.zeros(50, bool))
    still = replace(first, overlaps=np.zeros(50), failed=np.zeros(50, bool))
    assert 17 in telling_frames(replace(entry, traces={"a": still, "b": other}), 5)


def test_the_verdict_names_the_best_complete_runs() -> None:
    assert verdict(SCORES).startswith("Best by AUC: ")
    (alone,) = SCORES[:1]
    lucky = replace(alone, tracker="lucky", title="lucky", sequences=alone.sequences - 1, of=alone.of)
    assert "lucky" not in verdict([lucky, alone])
    assert verdict([lucky, alone]).endswith("1 incomplete run is not ranked.")
    assert verdict([lucky]) == "No run is complete. 1 incomplete run is not ranked."


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/x/bin/trackbench", ["trackbench report -d 'a b'"]),
        ("/x/trackbench/__main__.py", ["trackbench report -d 'a b'"]),
        ("/x/pytest/__main__.py", []),
    ],
)
def test_the_command_stands_in_the_header(monkeypatch: pytest.MonkeyPatch, program: str, command: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", [program, "report", "-d", "a b"])
    assert _made()[1:] == command

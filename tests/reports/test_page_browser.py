"""The HTML report as a person uses it, in a headless Chromium; skipped where there is none."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import trackbench
from samples import write_sequence, write_trackers
from test_reports import DATASET, score

from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.reports.page import Page
from trackbench.reports.style import looks

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[dev]')")

expect = sync_api.expect
NASTY = "s4 <b>\"&'é"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A page of two data sets, one with a sequence of an awkward name."""
    folder = tmp_path_factory.mktemp("page")
    write_trackers(folder)
    for number in range(1, 4):
        write_sequence(folder / f"data/s{number}", 20 + number, 90 + 10 * number)
    write_sequence(folder / "data" / NASTY, 12)
    (folder / "style.toml").write_text('[trackers.drift]\nname = "Drift <i>&"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        trackbench("run", "drift", "static", "dice", "-d", "data")
        trackbench("synthesize", "synth", "--sequences", "4", "--frames", "30", "--size", "160x120", "--layout", "otb")
        trackbench("run", "drift", "static", "-d", "./synth")
        options = ["--html", "--no-plots", "--frames", "4", "--style", "style.toml"]
        trackbench("report", "-d", "data", "-d", "./synth", *options)
        yield folder / "runs/report/report.html"


class Watched:
    """A page together with everything that it complains about or asks of a network."""

    def __init__(self, browser: Any, report: Path, ready: str = "#player-body .stage", **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", self._asked)
        self.page.goto(report.as_uri())
        self.page.wait_for_selector(ready)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request of {request.url}")


@pytest.fixture
def watched(browser: Any, report: Path) -> Iterator[Watched]:
    watched = Watched(browser, report)
    yield watched
    assert watched.complaints == []
    watched.context.close()


def column(page: Any, section: str, number: int) -> list[str]:
    cells = page.locator(f"#{section} table.data tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_sections(watched: Watched) -> None:
    page = watched.page
    assert page.locator("main section h2").filter(visible=True).all_inner_texts() == [
        "Overview", "Leaderboard", "Plots", "Sequences", "Frames", "Significance", "How sure the ranking is",
        "Speed against accuracy", "How the results were made",
    ]  # fmt: skip
    assert column(page, "board", 1) == ["Drift <i>&", "Static", "Dice"]
    assert "95.2" in column(page, "board", 2)[0]
    assert page.locator("#board .best").first.inner_text() == "95.2"
    # Names are text, never elements.
    assert page.locator("i, b, img").count() == 0


def test_sorting(watched: Watched) -> None:
    page = watched.page
    head = page.locator("#board th", has_text="AUC")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    descending = column(page, "board", 1)
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "board", 1) == descending[::-1]
    page.locator("#sequences th button").first.click()
    assert column(page, "sequences", 1) == ["s1", "s2", "s3", NASTY]


def test_trackers_are_switched_off_and_on(watched: Watched) -> None:
    page = watched.page
    lines = page.locator('#plots path.series[data-tracker="static"]')
    assert lines.count() == 3
    toggle = page.locator("#trackers").get_by_role("button", name="Static")
    toggle.press("Space")
    assert toggle.get_attribute("aria-pressed") == "false"
    assert lines.count() == 0
    assert page.locator('#player path.series[data-tracker="static"]').count() == 0
    assert page.locator("#board tr.off").count() == 1
    toggle.click()
    assert lines.count() == 3
    page.get_by_role("button", name="none").click()
    assert page.locator("#plots").is_hidden()
    assert page.locator("#board").is_visible()
    page.get_by_role("button", name="all", exact=True).click()
    assert lines.count() == 3


def test_crosshair(watched: Watched) -> None:
    page = watched.page
    plot = page.locator("#plots .plot").first
    plot.hover()
    assert page.locator("#tip").is_visible()
    assert "Overlap threshold" in page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    plot.focus()
    plot.press("ArrowRight")
    assert "Overlap threshold: 0.5\n" in page.locator("#tip").inner_text()
    plot.press("ArrowRight")
    assert "Overlap threshold: 0.55\n" in page.locator("#tip").inner_text()
    assert "Drift <i>&" in page.locator("#tip").inner_text()


def test_frames(watched: Watched) -> None:
    page = watched.page
    slider = page.locator("#player input[type=range]")
    cursor = page.locator("#player .cursor").first
    before = cursor.get_attribute("x1")
    image = page.locator("#player image")
    slider.fill("20")
    assert page.locator("#player output").inner_text() == "20 / 21"
    assert cursor.get_attribute("x1") != before
    assert "stale" in image.get_attribute("class")
    assert "The image is that of frame " in page.locator("#player").inner_text()
    slider.press("ArrowRight")
    assert page.locator("#player output").inner_text() == "21 / 21"
    assert "stale" not in image.get_attribute("class")
    # What stands in the table is the frame's.
    rows = page.locator("#player .player table tbody tr").all_inner_texts()
    assert rows[0].split("\t")[1:] == ["1.000", "0.0"]
    assert rows[1].split("\t")[1:] == ["0.000", "20.0"]
    assert page.locator("#player .region").count() == 5  # three trackers, the ground truth and its rim


def test_scrubbing_and_failures(watched: Watched) -> None:
    page = watched.page
    output = page.locator("#player output")
    line = page.locator("#player .plot").first
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    middle = int(output.inner_text().split(" / ")[0])
    assert 9 <= middle <= 12
    page.locator("#player input[type=range]").fill("1")
    page.locator("#trackers").get_by_role("button", name="Dice").click()
    page.get_by_role("button", name="Next failure").click()
    # The target is 8 wide and moves by a pixel a frame; the static box touches it last in frame 8.
    assert output.inner_text() == "9 / 21"
    assert "failed" in (page.locator("#player .player table tbody tr").nth(1).get_attribute("class") or "")
    page.locator("#player input[type=range]").fill("21")
    page.keyboard.press("j")
    assert output.inner_text() == "9 / 21"
    page.keyboard.press("p")
    expect(output).to_have_text("21 / 21")


def test_sequences_open_from_the_table_and_the_address(watched: Watched, report: Path) -> None:
    page = watched.page
    page.locator("#sequences").get_by_role("button", name="s4").click()
    expect(page.locator("#player output")).to_have_text("1 / 12")
    assert NASTY in page.locator("#player select option:checked").first.inner_text()
    page.locator("#player input[type=range]").fill("7")
    page.wait_for_url("**frame=7")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#player output")).to_have_text("7 / 12")
    page.get_by_label("Name").fill("s2")
    assert column(page, "sequences", 1) == ["s2"]


def test_the_keyboard_keeps_its_place(watched: Watched) -> None:
    page = watched.page
    name = "document.activeElement.innerText.trim()"
    for label in ("none", "all", "Next sequence", "Previous sequence"):
        page.get_by_role("button", name=label, exact=True).focus()
        for _ in range(2):
            page.keyboard.press("Enter")
            page.wait_for_timeout(100)
            assert page.evaluate(name) == label
    page.locator("#datasets").get_by_role("button", name="synth").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(name) == "synth"


def test_the_address_is_not_written_while_a_data_set_is_opened(watched: Watched) -> None:
    # Reading a sequence takes longer than writing the address waits.
    watched.page.evaluate("""() => {
        const read = Response.prototype.arrayBuffer;
        Response.prototype.arrayBuffer = async function () {
            await new Promise((done) => setTimeout(done, 600));
            return read.call(this);
        };
        const slider = document.querySelector("#player input[type=range]");
        slider.value = 2;
        slider.dispatchEvent(new Event("input"));
        document.querySelectorAll("#datasets button")[1].click();
    }""")
    watched.page.wait_for_timeout(900)
    watched.page.wait_for_url("**data=synth**")


def test_second_data_set(watched: Watched) -> None:
    page = watched.page
    colour = page.locator("#trackers svg.tracker").first.get_attribute("style")
    page.locator("#datasets").get_by_role("button", name="synth").click()
    page.wait_for_selector("#attributes h2")
    assert page.locator("#board caption").inner_text() == "synth, protocol one-pass"
    labels = [text.strip() for text in page.locator("#trackers .toggle").all_inner_texts()]
    assert sorted(labels) == ["Drift <i>&", "Static"]
    drift = labels.index("Drift <i>&")
    assert page.locator("#trackers svg.tracker").nth(drift).get_attribute("style") == colour
    page.locator("#attributes select").select_option("precision")
    assert page.locator("#attributes caption").inner_text() == "P by attribute"


def test_significance(watched: Watched) -> None:
    page = watched.page
    cells = page.locator("#tests tbody tr").first.locator("td")
    assert cells.first.inner_text() == ""
    assert cells.nth(1).inner_text().startswith("+")
    cells.nth(1).focus()
    assert "p, signed rank" in page.locator("#tip").inner_text()
    assert "sequences" in page.locator("#tip").inner_text()


def test_ranks_over_resamples(watched: Watched) -> None:
    page = watched.page
    first, pairs = page.locator("#sureness table.data").all()
    assert first.locator("tbody tr").count() == 3
    shares = first.locator("tbody tr td:nth-child(4)").all_inner_texts()
    assert sum(float(share.removesuffix(" %").removeprefix("< ")) for share in shares) == pytest.approx(100, abs=0.3)
    assert pairs.locator("tbody tr").count() == 3
    assert "Bayesian signed-rank test" in page.locator("#sureness .note").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light(browser: Any, report: Path, scheme: str) -> None:
    watched = Watched(browser, report, color_scheme=scheme)
    page = watched.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = "rgb(255, 255, 255)"
    assert (page.evaluate(ground) == light) == (scheme == "light")
    theme = page.get_by_role("button", name="Colours")
    theme.click()
    assert page.evaluate(ground) == light
    theme.click()
    assert page.evaluate(ground) != light
    page.emulate_media(media="print")
    assert page.evaluate(ground) == light
    assert page.locator("nav").is_hidden()
    assert len(page.pdf()) > 10_000
    assert watched.complaints == []
    watched.context.close()


def test_narrow_screens(browser: Any, report: Path) -> None:
    watched = Watched(browser, report, viewport={"width": 380, "height": 700})
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 380
    assert watched.complaints == []
    watched.context.close()


def test_long_names_do_not_widen_the_page(browser: Any, tmp_path: Path) -> None:
    write_trackers(tmp_path)
    write_sequence(tmp_path / "data/s1", 4)
    (tmp_path / "style.toml").write_text(f'[trackers.static]\nname = "{"L" * 150}"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        trackbench("run", "static", "-d", "data")
        trackbench("report", "-d", "data", "--html", "--no-plots", "--style", "style.toml")
    watched = Watched(browser, tmp_path / "runs/report/report.html")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 1300
    watched.context.close()


NAN = float("nan")
ODD = {
    "one tracker": [score("a", 0.5)],
    "nothing known": [replace(score("a", None), metrics={}, attributes={}, per_sequence={}, curves={})],
    "only NaN": [
        replace(
            score(name, NAN, NAN), attributes={"OCC": {"success_auc": NAN}}, per_sequence={"x": {"success_auc": NAN}}
        )
        for name in "ab"
    ],
    "many trackers": [score(f"tracker number {n} of a rather long name", n / 40) for n in range(40)],
}


@pytest.mark.parametrize("case", ODD)
def test_odd_reports(browser: Any, tmp_path: Path, case: str) -> None:
    scores = ODD[case]
    sequences = (VideoSequence("Crossing", list, lambda: GroundTruth(np.ones((3, 4)))),)
    page = Page(1000)
    page.add(replace(DATASET, sequences=sequences), scores, [])
    page.write(tmp_path / "report.html", looks(score.tracker for score in scores))
    watched = Watched(browser, tmp_path / "report.html", ready="#board table")
    assert len(column(watched.page, "board", 1)) == len(scores)
    assert watched.page.locator("#player").is_hidden()
    assert watched.complaints == []
    watched.context.close()


def test_the_header_says_what_was_found_when_and_how(watched: Watched) -> None:
    text = watched.page.locator("#made").inner_text()
    assert text.startswith("Best by AUC: Drift <i>& 95.2, before ")
    assert " · 20" in text


def test_the_header_does_not_cover_a_section_that_is_opened(watched: Watched) -> None:
    page = watched.page
    page.locator("nav a", has_text="Sequences").click()
    header, heading = page.locator("header").bounding_box(), page.locator("#sequences h2").bounding_box()
    assert heading["y"] >= header["y"] + header["height"]


def test_an_overview_shows_all_data_sets_and_opens_them(watched: Watched) -> None:
    page = watched.page
    rows = page.locator("#overview table.data tbody tr")
    assert rows.count() == 3
    assert column(page, "overview", 2)[0] == "95.2"
    assert column(page, "overview", 3)[2] == "–"  # dice did not run there
    page.locator("#overview table.data tbody tr").first.get_by_role("button").nth(1).click()
    assert page.locator("#datasets [aria-pressed=true]").inner_text() == "synth"


def test_a_failure_has_its_image(watched: Watched) -> None:
    page = watched.page
    for _ in range(2):
        page.get_by_role("button", name="Next failure").click()
        assert "stale" not in (page.locator("#player image").get_attribute("class") or "")
        assert page.locator("#player tr.failed").count() >= 1


def test_image_and_curve_are_seen_together(watched: Watched) -> None:
    page = watched.page
    page.locator("nav a[href='#player']").click()
    page.wait_for_timeout(200)
    stage, curve = (page.locator(place).first.bounding_box() for place in ("#player .stage", "#player .plot"))
    header = page.locator("header").bounding_box()
    assert stage
    assert curve
    assert header
    assert stage["y"] >= header["y"] + header["height"] - 1
    assert curve["y"] + curve["height"] <= 900


def test_tables_are_copied_as_csv_and_latex(browser: Any, report: Path) -> None:
    watched = Watched(browser, report)
    page = watched.page
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.locator("#board").get_by_role("button", name="Copy as CSV").click()
    expect(page.locator("#board .copies [role=status]")).to_have_text("copied")
    lines = page.evaluate("window.copied").splitlines()
    assert lines[0].startswith("tracker,AUC,")
    assert lines[1].startswith("Drift <i>&,95.2,")
    page.locator("#board").get_by_role("button", name="Copy as LaTeX").click()
    text = page.evaluate("window.copied")
    assert r"Drift \textless{}i\textgreater{}\& & 95.2 &" in text
    assert text.rstrip().endswith(r"\end{table}")
    watched.context.close()

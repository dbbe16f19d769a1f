import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from samples import write_sequence
from typer.testing import CliRunner

from trackbench.cli import app
from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.check import Discrepancy, check_dataset
from trackbench.errors import DataError, UsageError

Boxes = NDArray[np.float64]

TABLE = """name,folder,truth,first,last,omit,attributes
one,one,groundtruth_rect.txt,1,6,0,
two,two,groundtruth_rect.txt,3,5,1,
"""


@pytest.fixture
def mine(workplace: Path) -> Path:
    """A data set ``mine`` of two sequences, which is there as it should be."""
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text(
        'title = "Mine"\nlayout = "otb"\ntable = "mine.csv"\nhome = "My page"\ntree = "mine/\\n  one/img"\n'
    )
    (workplace / "datasets/mine.csv").write_text(TABLE)
    root = workplace / "here"
    for name, lines in (("one", 6), ("two", 2)):
        folder = write_sequence(root / name, frames=6)
        ground_truth = (folder / "groundtruth.txt").read_text().splitlines(keepends=True)
        (folder / "groundtruth_rect.txt").write_text("".join(ground_truth[:lines]))
        (folder / "groundtruth.txt").unlink()
    return root


def test_as_released(mine: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_dataset("mine", mine, deep=True, progress=lambda done, of: seen.append((done, of))) == []
    assert seen == [(1, 2), (2, 2)]


def test_each_fault_is_named(mine: Path) -> None:
    (mine / "one/img/0003.jpg").unlink()
    (mine / "two/groundtruth_rect.txt").unlink()
    assert check_dataset("mine", mine) == [
        Discrepancy("two", "sequence", "no annotation", f"its annotation in {mine}"),
        Discrepancy("one", "frames", f"{mine}/one/img/0003.jpg: is missing (1 of 6 frames of one are)", "6 frames"),
    ]
    (mine / "one/groundtruth_rect.txt").write_text("1,2,3,4\n" * 7)
    assert check_dataset("mine", mine)[1:] == [
        Discrepancy("one", "annotation", f"{mine}/one/groundtruth_rect.txt: 7 annotations", "6 (frames 1-6)")
    ]
    (mine / "one/groundtruth_rect.txt").write_text("1,2,3,4\n1,2,x,4\n" * 3)
    fault = check_dataset("mine", mine)[1]
    assert (fault.what, fault.found) == (
        "annotation",
        f"{mine}/one/groundtruth_rect.txt: line 2: 'x' is not a number",
    )
    (mine / "one/groundtruth_rect.txt").write_text("1,2,0,4\n" * 6)
    assert [fault.what for fault in check_dataset("mine", mine)[1:]] == ["first box", "frames"]


def test_deep_decodes_every_image(mine: Path) -> None:
    (mine / "one/img/0002.jpg").write_bytes(b"no image")
    (mine / "two/img/0005.jpg").write_bytes(b"")
    assert check_dataset("mine", mine) == []
    faults = check_dataset("mine", mine, deep=True)
    assert [(fault.sequence, fault.what) for fault in faults] == [("one", "image"), ("two", "image")]
    assert faults[0].found == f"{mine}/one/img/0002.jpg: is not a readable image (8 bytes)"


def test_deep_finds_damage_that_decoders_pass_over(mine: Path) -> None:
    for name, end in (("0002", None), ("0003", -9)):
        path = mine / f"one/img/{name}.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
        data = bytes(cv2.imencode(".jpg", noise)[1])
        path.write_bytes(data[:end] if end else data[:-100] + b"\x55" * 80 + data[-20:])
    found = [fault.found for fault in check_dataset("mine", mine, deep=True)]
    assert [text.partition(".jpg: ")[2].partition(",")[0][:10] for text in found] == ["is damaged", "is cut off"]


def test_counts_without_names(workplace: Path) -> None:
    """Where the release is known by its counts only, these are compared."""
    (workplace / "datasets").mkdir()
    definition = workplace / "datasets/mine.toml"
    definition.write_text('title = "Mine"\nlayout = "folder"\ncount = 4\nframes = 22\n')
    assert open_dataset("mine", workplace / "data").of == 4
    assert check_dataset("mine", workplace / "data") == [Discrepancy(None, "sequences", "3", "4")]
    definition.write_text('title = "Mine"\nlayout = "folder"\ncount = 3\nframes = 22\n')
    assert check_dataset("mine", workplace / "data") == [Discrepancy(None, "frames", "21 in all sequences", "22")]
    definition.write_text('title = "Mine"\nlayout = "folder"\ncount = 3\nframes = 21\n')
    assert check_dataset("mine", workplace / "data") == []


def test_official_lengths(workplace: Path) -> None:
    """A table may have the number of frames instead of a window."""
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text('title = "Mine"\nlayout = "folder"\ntable = "mine.csv"\n')
    (workplace / "datasets/mine.csv").write_text("name,frames\ns1,6\ns2,9\n")
    assert check_dataset("mine", workplace / "data") == [Discrepancy("s2", "annotation", "7 annotations", "9")]


def test_what_is_nowhere(workplace: Path) -> None:
    (workplace / "empty").mkdir()
    faults = check_dataset("otb100", workplace / "empty")
    assert [(fault.what, fault.expected) for fault in faults] == [("data set", "100 sequences")]
    assert faults[0].found.startswith(f"nothing (looked in {workplace}/empty")
    with pytest.raises(UsageError, match="unknown data set 'otb10'"):
        check_dataset("otb10", workplace)
    with pytest.raises(UsageError, match="there is no such folder"):
        check_dataset("otb100", workplace / "nowhere")


def test_annotations_alone(reference: Path, tmp_path: Path) -> None:
    """The real sequence has 120 frames as released; the other 99 are missing."""
    faults = check_dataset("otb100", reference / "sequences", deep=True)
    assert {fault.what for fault in faults} == {"sequence"}
    assert len(faults) == 99


def test_command(mine: Path) -> None:
    (mine / "one/img/0003.jpg").unlink()
    result = CliRunner().invoke(app, ["check", "mine", "data", "--root", str(mine)])
    assert result.exit_code == 1
    assert "Faults of mine: 1" in result.stdout
    assert "is missing (1 of 6 frames of one are)" in " ".join(result.stdout.split())
    assert "Official source of mine: My page" in result.stdout
    assert "mine/\n  one/img" in result.stdout
    assert "data: nothing is missing (sequences: 3" in result.stdout
    result = CliRunner().invoke(app, ["check", "mine", "data", "--root", str(mine), "--json"])
    rows = json.loads(result.stdout)["datasets"]
    assert (result.exit_code, [row["ok"] for row in rows]) == (1, [False, True])
    assert rows[0]["faults"] == [
        {
            "sequence": "one",
            "what": "frames",
            "found": f"{mine}/one/img/0003.jpg: is missing (1 of 6 frames of one are)",
            "expected": "6 frames",
        }
    ]
    assert (rows[0]["sequences"], rows[0]["of"], rows[0]["root"], rows[0]["home"]) == (2, 2, str(mine), "My page")
    result = CliRunner().invoke(app, ["check", "data", "--deep", "--quiet"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert CliRunner().invoke(app, ["check", "nothing-like-it"]).exit_code == 2


def test_many_faults_are_counted(workplace: Path) -> None:
    (workplace / "otb/Basketball").mkdir(parents=True)
    (workplace / "otb/Basketball/groundtruth_rect.txt").write_text("1,2,3,4\n" * 725)
    result = CliRunner().invoke(app, ["check", "otb100", "--root", "otb"])
    assert result.exit_code == 1
    assert "79 more of this kind (--json lists all)" in result.stdout
    assert "the frames of Basketball are missing" in " ".join(result.stdout.split())


def placed(root: Path, change: Callable[[Boxes], Boxes], separator: str = ",", end: str = "", head: str = "") -> Path:
    """Make a folder of two sequences of 8 frames of 100 x 80 pixels, with ``change``d boxes of a moving target."""
    t = np.arange(8)[:, None]
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        rows = change(np.hstack([20 + 3.0 * t, 10 + 2.0 * t, 30 + 0.5 * t, 20 - 0.5 * t]))
        text = head + "".join(separator.join(f"{v:.4f}" for v in row) + end + "\n" for row in rows)
        (root / name / "groundtruth.txt").write_text(text)
        for number in range(1, 9):
            cv2.imwrite(str(root / name / f"{number:04d}.png"), np.zeros((80, 100, 3), np.uint8))
    return root


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda boxes: boxes / [100, 80, 100, 80], "fractions of the image?"),
        (lambda boxes: boxes + np.array([200, 0, 0, 0]), "8 of 8 boxes are outside of the image"),
        (
            lambda boxes: np.vstack([boxes[:7], [[1, 1, 1e9, 9]]]),
            "1 of 8 boxes are outside of the image or are far",
        ),
        (lambda boxes: boxes * [1, 1, 1e6, 1], "8 of 8 boxes are outside of the image or are far larger"),
        (lambda boxes: as_corners(boxes), "corners x1, y1, x2, y2?"),
    ],
)
def test_boxes_of_another_meaning_are_named(tmp_path: Path, change: Callable[[Boxes], Boxes], said: str) -> None:
    faults = check_dataset(str(placed(tmp_path / "data", change)))
    assert faults
    assert all(said in fault.found for fault in faults)


def test_a_gap_in_the_numbers_of_images_is_named(tmp_path: Path) -> None:
    root = placed(tmp_path / "data", lambda boxes: boxes)
    (root / "one/0005.png").rename(root / "one/0050.png")
    for number in range(1, 9):  # every fifth image has no gap
        (root / f"two/{number:04d}.png").rename(root / f"two/{5 * number:05d}.png")
    found = [(fault.sequence, fault.found, fault.expected) for fault in check_dataset(str(root))]
    assert found == [("one", "0006.png after 0004.png", "numbers 1 apart")]


def test_no_tracker_is_started_on_fractions(tmp_path: Path) -> None:
    dataset = open_dataset(str(placed(tmp_path / "data", lambda boxes: boxes / 100)))
    with pytest.raises(DataError, match=r"between 0 and 1 .fractions of the image"):
        dataset.sequences[0].initial_region()


@pytest.mark.parametrize(
    ("separator", "end", "head"),
    [(";", ";", ""), ("\t", "\t", ""), (",", ",,", ""), (",", "", "x,y,w,h\n"), (" ", "", "# x y w h\n")],
)
def test_annotations_may_have_headers_and_separators_at_the_end(
    tmp_path: Path, separator: str, end: str, head: str
) -> None:
    assert check_dataset(str(placed(tmp_path / "data", lambda boxes: boxes, separator, end, head))) == []


def test_decimal_commas_and_other_names_are_named(tmp_path: Path) -> None:
    root = placed(tmp_path / "data", lambda boxes: boxes, ";")
    for path in root.glob("*/groundtruth.txt"):
        path.write_text(path.read_text().replace(".", ","))
    assert [fault.found.partition("line 1: ")[2] for fault in check_dataset(str(root))] == [
        "'20,0000' has a comma within"
    ] * 2
    for path in root.glob("*/groundtruth.txt"):
        path.rename(path.with_suffix(".csv"))
    with pytest.raises(UsageError, match=r"there is (one|two)/groundtruth.csv: a file of another name"):
        check_dataset(str(root))


def as_corners(boxes: Boxes) -> Boxes:
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


@pytest.mark.parametrize("sequences", [1, 2])
def test_whoever_runs_imports_or_scores_on_corners_is_warned(workplace: Path, sequences: int) -> None:
    for kind, change in (("sizes", lambda boxes: boxes), ("corners", as_corners)):
        root = placed(workplace / kind, change)
        for name in ("one", "two")[sequences:]:
            shutil.rmtree(root / name)
        for command in (
            f"run static -d ./{kind} --device cpu",
            f"report -d ./{kind} --no-plots",
            f"import runs/static/{kind}/one-pass --as T -d ./{kind} --runs others",
        ):
            said = CliRunner().invoke(app, command.split()).stderr
            assert said.count("(corners x1, y1, x2, y2?)") == (kind == "corners"), (command, said)
            assert said.count(f"throughout {sequences} of {sequences} sequences") == (kind == "corners")

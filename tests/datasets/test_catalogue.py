import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from samples import write_sequence

from trackbench.datasets.catalogue import open_dataset, read_table, readiness, select
from trackbench.datasets.roots import configuration_file, remember, remembered
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError
from trackbench.regions import Box, Polygon


def test_generic_folder(workplace: Path) -> None:
    dataset = open_dataset("data/")
    assert [s.name for s in dataset.sequences] == ["s1", "s2", "s3"]
    assert (dataset.name, dataset.of, dataset.protocol) == ("data", 3, "one-pass")
    assert len(dataset["s2"].frames) == len(dataset["s2"]) == 7
    assert dataset["s1"].initial_region() == Box(10, 12, 8, 6)


def test_a_name_that_is_a_folder(workplace: Path) -> None:
    assert len(open_dataset("data").sequences) == 3


def test_one_sequence_is_a_data_set(workplace: Path) -> None:
    assert [s.name for s in open_dataset("data/s1").sequences] == ["s1"]


def test_natural_order_and_any_image_format(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "seq", frames=11)
    for path in (folder / "img").iterdir():
        path.rename(path.with_name(f"{int(path.stem)}.JPEG"))
    (folder / "img" / "notes.txt").write_text("not an image")
    frames = open_dataset(str(tmp_path))["seq"].frames
    assert [path.stem for path in frames] == [str(n) for n in range(1, 12)]


@pytest.mark.parametrize(
    "text",
    [
        "0,0,4,0,4,2,0,2\n1,1,5,1,5,3,1,3\n",
        "0 0 4 0 4 2 0 2\n1 1 5 1 5 3 1 3\n",
        "0\t0\t4\t0\t4\t2\t0\t2\n1,1,5,1,5,3,1,3,\n",
        "0; 0; 4; 0; 4; 2; 0; 2\n1;1;4;2\n",
    ],
)
def test_polygons_give_regions_and_boxes(tmp_path: Path, text: str) -> None:
    folder = write_sequence(tmp_path / "seq", frames=2)
    (folder / "groundtruth.txt").write_text(text)
    sequence = open_dataset(str(tmp_path))["seq"]
    assert isinstance(sequence.initial_region(), Polygon)
    np.testing.assert_array_equal(sequence.ground_truth.boxes, [[0, 0, 4, 2], [1, 1, 4, 2]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,2,3,4\n1,2,abc,4\n", r"seq/groundtruth.txt: line 2: 'abc' is not a number"),
        ("1,2,3,4\n1,2,3,4\n1,2,3,4\n", r"seq: 2 frames but 3 annotations; expected as many"),
    ],
)
def test_faulty_truth(tmp_path: Path, lines: str, message: str) -> None:
    folder = write_sequence(tmp_path / "seq", frames=2)
    (folder / "groundtruth.txt").write_text(lines)
    with pytest.raises(DataError, match=message):
        _ = open_dataset(str(tmp_path))["seq"].frames


@pytest.mark.parametrize("line", ["nan,2,3,4", "1,2,0,4", "1,2,3,-4", "inf,2,3,4"])
def test_unusable_initial_box(tmp_path: Path, line: str) -> None:
    folder = write_sequence(tmp_path / "seq", frames=2)
    (folder / "groundtruth.txt").write_text(f"{line}\n1,2,3,4\n")
    with pytest.raises(DataError, match=r"seq: the ground truth of frame 1 is .*finite numbers and a positive area"):
        open_dataset(str(tmp_path))["seq"].initial_region()


def test_unknown_names(workplace: Path) -> None:
    with pytest.raises(UsageError, match="unknown data set 'otb10'; did you mean 'otb100'"):
        open_dataset("otb10")
    with pytest.raises(UsageError, match=r"data set 'no/where': there is no such folder"):
        open_dataset("no/where")
    with pytest.raises(UsageError, match=r"--root nowhere: there is no such folder"):
        open_dataset("otb100", Path("nowhere"))
    with pytest.raises(UsageError, match=r"'otb100' was not found \(no root is known\)"):
        open_dataset("otb100")
    (workplace / "empty").mkdir()
    with pytest.raises(UsageError, match=r"data set 'empty': no sequences; expected <sequence>/groundtruth.txt"):
        open_dataset("empty")


def test_select(workplace: Path) -> None:
    dataset = open_dataset("data")
    assert [s.name for s in select(dataset, ["s[12]"]).sequences] == ["s1", "s2"]
    assert [s.name for s in select(dataset, ["S3", "s1"]).sequences] == ["s1", "s3"]
    assert [s.name for s in select(dataset, None, 2).sequences] == ["s1", "s2"]
    with pytest.raises(UsageError, match="data has no such sequence"):
        select(dataset, ["zebra"])


def test_otb_lists() -> None:
    """The counts of sequences and attributes are those that the benchmark's plots print."""
    for name, count in (("otb2013", 51), ("otb50", 50), ("otb100", 100)):
        assert len(read_table(DATASETS.get(name))) == count
    rows = read_table(DATASETS.get("OTB-100"))
    counts = {a: sum(a in row["attributes"].split() for row in rows) for a in DATASETS.get("otb100").value.attributes}
    assert counts == {
        "IV": 38,
        "OPR": 63,
        "SV": 64,
        "OCC": 49,
        "DEF": 44,
        "MB": 29,
        "FM": 39,
        "IPR": 51,
        "OV": 14,
        "BC": 31,
        "LR": 9,
    }
    assert sum(int(r["last"]) - int(r["first"]) - int(r["omit"]) + 1 for r in rows) == 59035


def test_otb_truth_as_downloaded(reference: Path, tmp_path: Path) -> None:
    """All 100 annotations are read, whatever their separators, with as many lines as the table has frames."""
    with ZipFile(reference / "evaluation/ope/otb_gt.zip") as archive:
        archive.extractall(tmp_path)
    dataset = open_dataset("otb100", tmp_path)
    assert (len(dataset.sequences), dataset.of, dataset.missing) == (100, 100, ())
    assert sum(len(sequence) for sequence in dataset.sequences) == 59035
    assert len(dataset["Tiger1"]) == 349
    assert len(dataset["BlurCar1"]) == 742
    with pytest.raises(DataError, match=r"the frames of Basketball are missing; expected in .*OTB/Basketball/img"):
        _ = dataset["Basketball"].frames
    # The download's Tiger1 has five lines more, which the toolkit omits.
    ground_truth = tmp_path / "OTB/Tiger1/groundtruth_rect.txt"
    expected = dataset["Tiger1"].ground_truth.boxes
    ground_truth.write_text("9,9,9,9\n" * 5 + ground_truth.read_text())
    np.testing.assert_array_equal(open_dataset("otb100", tmp_path)["Tiger1"].ground_truth.boxes, expected)


def test_otb_windows(tmp_path: Path) -> None:
    """David starts at frame 300 of 770; a folder of OTB's sequences is recognised without its name."""
    david = write_sequence(tmp_path / "David", frames=1)
    (david / "groundtruth.txt").unlink()
    (david / "groundtruth_rect.txt").write_text("129,80,64,78\n" * 471)
    for number in range(1, 771):
        shutil.copy(david / "img/0001.jpg", david / f"img/{number:04d}.jpg") if number > 1 else None
    write_sequence(tmp_path / "mine", frames=3)
    dataset = open_dataset(str(tmp_path))
    assert [s.name for s in dataset.sequences] == ["David", "mine"]
    assert [dataset["David"].frames[i].name for i in (0, -1)] == ["0300.jpg", "0770.jpg"]
    (david / "img/0555.jpg").unlink()
    with pytest.raises(DataError, match=r"0555.jpg: is missing \(1 of 471 frames of David are\)"):
        _ = open_dataset("otb100", tmp_path)["David"].frames


def test_roots(workplace: Path, crossing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not readiness("otb100").ready
    monkeypatch.setenv("TRACKBENCH_DATA", str(crossing))
    state = readiness("otb100")
    assert (state.ready, state.sequences, state.of) == (True, 1, 100)
    assert state.why_not is not None
    assert state.why_not.startswith("1 of 100 sequences in")
    monkeypatch.delenv("TRACKBENCH_DATA")
    remember("otb100", crossing)
    assert remembered() == {"otb100": crossing.resolve()}
    assert open_dataset("otb100").root == crossing.resolve()
    remember("otb50", workplace)
    assert set(remembered()) == {"otb100", "otb50"}
    configuration_file().write_text("not [ toml")
    with pytest.raises(UsageError, match=r"config.toml: cannot be read"):
        remembered()


def test_user_definition_wins(workplace: Path) -> None:
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text('title = "Mine"\nlayout = "folder"\nprotocol = "one-pass"\n')
    assert len(open_dataset("mine", workplace / "data").sequences) == 3
    (workplace / "datasets/otb100.toml").write_text('title = "Mine"\nlayuot = "folder"\n')
    with pytest.raises(UsageError, match=r"otb100.toml: key 'layout' is missing; unknown key 'layuot'; did you mean"):
        open_dataset("otb100", workplace / "data")
    (workplace / "datasets/otb50.toml").write_text("title = [")
    with pytest.raises(UsageError, match=r"otb50.toml: not valid TOML"):
        open_dataset("otb50")


def test_a_definition_whose_layout_or_table_is_wrong_costs_its_own_row(workplace: Path) -> None:
    (workplace / "datasets").mkdir(exist_ok=True)
    (workplace / "datasets/odd.toml").write_text('title = "Odd"\nlayout = "nowhere"\n')
    (workplace / "datasets/lost.toml").write_text('title = "Lost"\nlayout = "otb"\ntable = "lost.csv"\n')
    assert "there is no layout 'nowhere'" in str(readiness("odd").why_not)
    (workplace / "datasets/ruled.toml").write_text('title = "R"\nlayout = "folder"\nprotocol = "one-pas"\n')
    assert "there is no protocol 'one-pas'; did you mean 'one-pass'" in str(readiness("ruled").why_not)
    assert "lost.csv" in str(readiness("lost").why_not)

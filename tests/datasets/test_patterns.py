"""Benchmarks that are declared by patterns, on small trees; a definition needs no Python line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.catalogue import find_record, open_dataset, read_table
from trackbench.datasets.check import check_dataset
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError
from trackbench.regions import Polygon

BOXES = "1,2,3,4\n2,2,3,4\n0,0,0,0\n"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def images(folder: Path, form: str, count: int = 3, first: int = 1) -> None:
    touch(*(folder / form.format(number) for number in range(first, first + count)))


#: Benchmark -> a sequence of it, then ground truth, first image and other files as downloaded.
TREES = {
    "vasttrack": (
        "Air Hockey-1",
        "Air Hockey/Air Hockey-1/Groundtruth.txt",
        "Air Hockey/Air Hockey-1/imgs/{:05}.jpg",
        {"Air Hockey/Air Hockey-1/nlp.txt": "the  black\npuck\n"},
    ),
    "avist": (
        "air_show",
        "anno/air_show.txt",
        "sequences/air_show/img_{:05}.jpg",
        {
            "full_occlusion/air_show_full_occlusion.txt": "0,0,0",
            "out_of_view/air_show_out_of_view.txt": "0,0,1",
        },
    ),
    "uavtrack112": ("bike1", "anno/bike1.txt", "data_seq/bike1/{:04}.jpg", {}),
    "uavdt": ("S0101", "anno/S0101_gt.txt", "UAV-benchmark-S/S0101/img{:06}.jpg", {}),
    "nat2021": ("N01001", "anno/N01001.txt", "data_seq/N01001/{:06}.jpg", {}),
    "uavdark135": ("car1", "anno/car1.txt", "Sequences/car1/{:05}.jpg", {}),
    "totb": (
        "Beaker_1",
        "Beaker_1/groundtruth.txt",
        "Beaker_1/img/img{:05}.jpg",
        {"Beaker_1/full_occlusion.txt": "0,0,1", "Beaker_1/out_of_view.txt": "0,0,0"},
    ),
    "webuav3m": (
        "Video1",
        "Test/Video1/groundtruth_rect.txt",
        "Test/Video1/img/{:06}.jpg",
        {"Test/Video1/absent.txt": "0\n0\n1\n", "Test/Video1/language.txt": "A car.\n"},
    ),
}
FLAGGED = {"vasttrack", "avist", "totb", "webuav3m"}
SENTENCES = {"vasttrack": "the black puck", "webuav3m": "A car."}
COUNTS = {
    "vasttrack": 3500,
    "avist": 120,
    "uavtrack112": 112,
    "uavdt": 50,
    "nat2021": 180,
    "uavdark135": 135,
    "totb": 225,
    "webuav3m": 780,
}


def plant(root: Path, name: str) -> str:
    sequence, truth, frame, others = TREES[name]
    write(root / truth, BOXES.replace(",", " ") if name == "avist" else BOXES)
    images(root / frame.rpartition("/")[0], frame.rpartition("/")[2])
    for path, text in others.items():
        write(root / path, text)
    return sequence


@pytest.mark.parametrize("name", TREES)
def test_as_downloaded(tmp_path: Path, name: str) -> None:
    sequence = plant(tmp_path, name)
    dataset = open_dataset(name, tmp_path)
    assert dataset.of == COUNTS[name]
    assert [found.name for found in dataset.sequences] == [sequence]
    found = dataset[sequence]
    assert [path.name for path in found.frames] == [TREES[name][2].rpartition("/")[2].format(n) for n in (1, 2, 3)]
    np.testing.assert_array_equal(found.ground_truth.boxes[1], [2, 2, 3, 4])
    absent = found.ground_truth.absent
    assert (None if absent is None else absent.tolist()) == ([False, False, True] if name in FLAGGED else None)
    assert found.sentence == SENTENCES.get(name)
    assert found.channels == {}
    faults = check_dataset(name, tmp_path)
    assert {fault.what for fault in faults} <= {"sequence", "sequences", "annotation"}
    assert len(faults) >= 1


def test_tables_are_the_official_lists() -> None:
    for name, count in COUNTS.items():
        found = DATASETS.get(name)
        assert found.value.count == count
        rows = read_table(found)
        assert len({row["name"] for row in rows}) == len(rows) == (count if found.value.table else 0)
        known = set(found.value.attributes)
        assert all(set(row.get("attributes", "").split()) <= known for row in rows)
    rows = read_table(DATASETS.get("vasttrack"))
    assert sum(int(row["frames"]) for row in rows) == 372_133
    assert sum(" " in row["name"] for row in rows) == 2120
    counts = {a: sum(a in row["attributes"].split() for row in rows) for a in ("SV", "LR", "MB")}
    assert counts == {"SV": 2956, "LR": 1705, "MB": 2165}
    assert sum("OE" in row["attributes"].split() for row in read_table(DATASETS.get("avist"))) > 0


@pytest.mark.parametrize("name", ["vasttrack", "avist", "nat2021", "totb", "webuav3m"])
def test_a_folder_is_recognised(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    record = find_record(str(tmp_path))
    assert (record.name, record.family) == (name, DATASETS.get(name).value.family)


def test_forms_of_vasttrack(tmp_path: Path) -> None:
    """The toolkit's copy of the annotation, a file's name in other letters, and no folders of classes."""
    write(tmp_path / "annos/Air Hockey-1.txt", BOXES)
    write(tmp_path / "annos/absent/Air Hockey-1.txt", "0\n1\n1\n")
    write(tmp_path / "Zebra/Zebra-4/groundtruth.txt", BOXES)
    images(tmp_path / "Zebra/Zebra-4/img", "{:08}.jpg")
    write(tmp_path / "Zither-16/Groundtruth.txt", BOXES)
    images(tmp_path / "Zither-16/Imgs", "{:05}.jpg")
    dataset = open_dataset("vasttrack", tmp_path)
    assert [sequence.name for sequence in dataset.sequences] == ["Air Hockey-1", "Zebra-4", "Zither-16"]
    assert dataset["Zebra-4"].attributes == ("FM", "INV", "DEF", "ROT", "BC")
    assert dataset["Zebra-4"].category == "Zebra"
    flags = dataset["Air Hockey-1"].ground_truth.absent
    assert flags is not None
    assert flags.tolist() == [False, True, True]
    with pytest.raises(DataError, match=r"the frames of Air Hockey-1 are missing; expected in .*imgs or .*imgs"):
        _ = dataset["Air Hockey-1"].frames
    assert len(dataset["Zither-16"].frames) == 3
    assert len(dataset["Zebra-4"].frames) == 3


def define(workplace: Path, files: str, more: str = "") -> None:
    write(workplace / "datasets/mine.toml", f'title = "Mine"\n{more}\n{files}')


def test_what_a_definition_can_say(workplace: Path) -> None:
    """A list, corners, a delimiter, flags that are read as attributes, images of any name, a second sensor."""
    define(
        workplace,
        "[files]\n"
        'frames = "{sequence}/visible/*"\ntruth = "{sequence}/init.txt"\nsequences = "list.txt"\nboxes = "xyxy"\n'
        'delimiter = "|"\nattributes = "{sequence}/tags.txt"\nlanguage = ["{sequence}/a.txt", "{sequence}/b.txt"]\n'
        'channels = { infrared = "{sequence}/infrared/{n:04}.png" }\n'
        '[attributes]\nA = "a"\nB = "b"\n',
        "origin = 1",
    )
    root = workplace / "root"
    for name in ("one", "two", "unlisted"):
        write(root / name / "init.txt", "1|2|11|22\n2|2|12|22\n")
        write(root / name / "tags.txt", "0,1")
        write(root / name / "b.txt", "a boat\n")
        touch(*(root / name / "visible" / image for image in ("v10.jpg", "v2.jpg")))
        images(root / name / "infrared", "{:04}.png", 2, 7)
    write(root / "list.txt", "two\none\nlost\n")
    dataset = open_dataset("mine", root)
    assert [sequence.name for sequence in dataset.sequences] == ["two", "one"]
    assert dataset.missing == ("lost",)
    one = dataset["one"]
    np.testing.assert_array_equal(one.ground_truth.boxes, [[1, 2, 10, 20], [2, 2, 10, 20]])
    assert [path.name for path in one.frames] == ["v2.jpg", "v10.jpg"]
    assert one.attributes == ("B",)
    assert one.sentence == "a boat"
    assert [path.name for path in one.channels["infrared"]] == ["0007.png", "0008.png"]
    (root / "one/infrared/0008.png").unlink()
    with pytest.raises(DataError, match="one: 1 images of channel 'infrared' but 2 frames; expected as many"):
        _ = open_dataset("mine", root)["one"].channels


def test_regions_and_the_first_frame(workplace: Path) -> None:
    define(
        workplace,
        '[files]\nframes = "{sequence}/f{n}_rgb.png"\ntruth = "{sequence}.poly"\nfirst = 0\nboxes = "regions"\n',
        'truth = "initial"',
    )
    root = workplace / "root"
    write(root / "a.poly", "0,0,4,0,4,2,0,2\n")
    images(root / "a", "f{}_rgb.png", 3, 0)
    sequence = open_dataset("mine", root)["a"]
    assert isinstance(sequence.initial_region(), Polygon)
    assert sequence.only_first_annotated
    assert len(sequence) == 3
    (root / "a/f0_rgb.png").unlink()
    with pytest.raises(DataError, match=r"a/f0_rgb.png: is missing \(1 of 3 frames of a are\)"):
        _ = open_dataset("mine", root)["a"].frames


def test_split_and_absent_boxes(workplace: Path) -> None:
    define(
        workplace,
        '[files]\nframes = "{split}/{sequence}/*"\ntruth = "{split}/gt/{sequence}.txt"\nabsent_boxes = "nan"\n',
        'split = "val"',
    )
    write(workplace / "root/val/gt/s.txt", "1,2,3,4\nnan,nan,nan,nan\n")
    write(workplace / "root/test/gt/t.txt", "1,2,3,4\n")
    dataset = open_dataset("mine", workplace / "root")
    assert [sequence.name for sequence in dataset.sequences] == ["s"]
    absent = dataset["s"].ground_truth.absent
    assert absent is not None
    assert absent.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[files]\nframes = "{sequence}/*"\n', r"key 'files.0.truth' is missing"),
        (
            'layout = "otb"\n[files]\nframes = "a"\ntruth = "{sequence}.txt"\n',
            "'layout' and 'files': expected one of them",
        ),
        ("", "key 'layout' is missing"),
        ('[files]\nframes = "a"\ntruth = "{sequence}.txt"\nboxes = "yxhw"\n', "key 'files.0.boxes' is 'yxhw'"),
        (
            '[files]\nframes = "a"\ntruth = "{seq}.txt"\n',
            r"key 'files.0.truth' is '\{seq\}.txt': ",
        ),
        ('[files]\nframes = "../{sequence}/*"\ntruth = "{sequence}.txt"\n', "leaves the data set's folder"),
        ('[files]\nframes = "{sequence}/{m}.jpg"\ntruth = "{sequence}.txt"\n', r"unknown placeholder '\{m\}'"),
        (
            'layout = "folder"\nprotocol = "supervized"\n',
            "key 'protocol': there is no protocol 'supervized'; did you mean 'su",
        ),
        ('layout = "folder"\nconvention = "matlba"\n', "'one-pass' has no convention 'matlba'; did you mean 'matlab'"),
        (
            'layout = "folder"\nprotocol = "supervised"\nconvention = "stark"\n',
            r"has no convention 'stark'.*\(known: official, pysot, matlab, vot\)",
        ),
        (
            'layout = "folder"\nprotocol = "realtime"\n',
            "is 'realtime': expected what is to run in real time",
        ),
        (
            'layout = "vot"\neao_lengths = [60, 15]\n',
            r"'eao_lengths' is \[60, 15\]: .*expected the first length and the last",
        ),
        ('layout = "vot"\neao_lengths = [0, 5]\n', "'eao_lengths.0' is 0: input should be greater than or equal to 1"),
        ('layout = "vot"\neao_lengths = [1, 1000000000000]\n', "input should be less than or equal to 100000"),
        ('layout = "trackingnett"\n', "key 'layout': there is no layout 'trackingnett'; did you mean 'trackingnet'"),
    ],
)
def test_what_a_definition_must_not_say(workplace: Path, text: str, message: str) -> None:
    define(workplace, text)
    with pytest.raises(UsageError, match=message):
        open_dataset("mine", workplace)


def test_a_layout_of_ones_own_beside_the_definition(workplace: Path) -> None:
    """`layout = "vast"` and vast.py beside it."""
    write(workplace / "datasets/mine.toml", 'title = "Mine"\nlayout = "vast"\n')
    write(
        workplace / "datasets/vast.py",
        "from trackbench.datasets.layouts import folder\n"
        "from trackbench.datasets.layouts.base import Listing\n"
        'COLUMNS = ("name",)\n'
        "def recognise(path): return None\n"
        "def read(path, definition, table):\n"
        "    found = folder.read(path, definition, table).sequences\n"
        "    return Listing(found[:2], [])\n",
    )
    assert [sequence.name for sequence in open_dataset("mine", workplace / "data").sequences] == ["s1", "s2"]
    write(workplace / "datasets/broken.toml", 'title = "B"\nlayout = "half"\n')
    write(workplace / "datasets/half.py", "COLUMNS = ()\n")
    with pytest.raises(UsageError, match=r"half.py: expected a module, or an object, with COLUMNS, read and recognise"):
        open_dataset("broken", workplace / "data")
    write(workplace / "datasets/half.py", "1 / 0\n")
    write(workplace / "datasets/worse.toml", 'title = "B"\nlayout = "worse"\n')
    write(workplace / "datasets/worse.py", "1 / 0\n")
    with pytest.raises(UsageError, match=r"worse.py: cannot be imported: ZeroDivisionError"):
        open_dataset("worse", workplace / "data")

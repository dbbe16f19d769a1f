"""Every one-pass benchmark in the layouts of its download and of its authors' toolkit.

What the reference material has is read from there; the layouts of the other benchmarks are written by hand.
"""

import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from samples import box_of

from trackbench.datasets.catalogue import open_dataset, read_table, readiness
from trackbench.datasets.check import check_dataset
from trackbench.datasets.sequence import Dataset, GroundTruth
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError

ARCHIVES = "otb_gt uav_gt lasot_gt tnl2k_gt tc128_gt dtb70_gt trackingnet_dummy_GT got10k_like"
LASOT_FLAGS = ("full_occlusion.txt", "out_of_view.txt")
GOT10K_LABELS = ("absence.label", "cover.label", "cut_by_image.label")


@pytest.fixture(scope="session")
def ope(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ground truths of the reference material, each archive unpacked into a folder of its name."""
    folder = tmp_path_factory.mktemp("ope")
    for name in ARCHIVES.split():
        with ZipFile(reference / f"evaluation/ope/{name}.zip") as archive:
            archive.extractall(folder / name)
    return folder


def touch_frames(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def absent(ground_truth: GroundTruth) -> int:
    assert ground_truth.absent is not None
    assert len(ground_truth.absent) == len(ground_truth)
    return int(ground_truth.absent.sum())


def attribute_counts(dataset: Dataset) -> str:
    return " ".join(str(sum(a in s.attributes for s in dataset.sequences)) for a in dataset.attributes)


@pytest.mark.parametrize(
    ("name", "roots", "sequences", "frames", "nan", "missing", "attributes"),
    [
        ("otb100", "otb_gt otb_gt/OTB", 100, 59_035, 0, None, "38 63 64 49 44 29 39 51 14 31 9"),
        ("otb50", "otb_gt", 50, 26_972, 0, None, None),
        ("otb2013", "otb_gt", 51, 29_486, 0, None, None),
        ("uav123", "uav_gt uav_gt/UAV123", 123, 112_578, 2_683, None, "109 68 48 28 33 73 30 21 31 60 70 39"),
        ("uav20l", "uav_gt uav_gt/UAV123", 20, 58_670, 2_409, None, "19 16 11 7 9 18 13 5 8 13 19 12"),
        (
            "lasot",
            "lasot_gt lasot_gt/LaSOT",
            280,
            685_360,
            0,
            18_346,
            "47 187 142 89 86 175 100 33 273 118 53 104 141 249",
        ),
        (
            "tnl2k",
            "tnl2k_gt tnl2k_gt/TNL2K_test_subset",
            700,
            516_038,
            0,
            65_253,
            "228 310 174 97 82 234 376 310 406 420 49 241 74 168 100 24 21",
        ),
        ("tc128", "tc128_gt tc128_gt/Temple-color-128", 129, 55_346, 0, None, "37 73 65 62 36 37 57 57 14 45 18"),
        ("dtb70", "dtb70_gt dtb70_gt/DTB70", 70, 15_777, 0, None, "22 25 17 18 41 47 6 7 13 27 27"),
    ],
)
def test_counts_of_the_official_releases(
    ope: Path, name: str, roots: str, sequences: int, frames: int, nan: int, missing: int | None, attributes: str | None
) -> None:
    datasets = [open_dataset(name, ope / root) for root in roots.split()]
    assert len({dataset.root for dataset in datasets}) == 1
    dataset = datasets[-1]
    assert (len(dataset.sequences), dataset.of, dataset.missing) == (sequences, sequences, ())
    assert sum(map(len, dataset.sequences)) == frames
    assert sum(np.isnan(s.ground_truth.boxes).any(axis=1).sum() for s in dataset.sequences) == nan
    if missing is None:
        assert all(s.ground_truth.absent is None for s in dataset.sequences)
    else:
        assert sum(absent(s.ground_truth) for s in dataset.sequences) == missing
    if attributes:
        assert attribute_counts(dataset) == attributes
    # The annotations alone are a data set to score; running it says what is missing.
    with pytest.raises(DataError, match=rf"the frames of {dataset.sequences[0].name} are missing; expected in {ope}"):
        _ = dataset.sequences[0].frames


@pytest.mark.parametrize(("name", "root"), [("tnl2k", "tnl2k_gt"), ("lasot", "lasot_gt")])
def test_listing_reads_no_annotation(ope: Path, name: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tnl2k", "patterns"):
        for function in ("read_boxes", "read_labels"):
            monkeypatch.delattr(f"trackbench.datasets.layouts.{module}.{function}")
    dataset = open_dataset(name, ope / root)
    assert len(dataset.sequences) == dataset.of


def test_uav_windows(ope: Path, tmp_path: Path) -> None:
    """bird1_2 is a window of the video bird1, which UAV20L has whole; a frame without a target stays."""
    shutil.copytree(ope / "uav_gt/UAV123/anno", tmp_path / "anno")
    video = tmp_path / "data_seq/UAV123/bird1"
    touch_frames(video, [f"{number:06d}.jpg" for number in range(1, 2438)])
    part, whole = open_dataset("uav123", tmp_path)["bird1_2"], open_dataset("uav20l", tmp_path)["bird1"]
    assert [part.frames[i].name for i in (0, -1)] == ["000775.jpg", "001477.jpg"]
    assert len(whole.frames) == 2437
    assert np.isnan(whole.ground_truth.boxes).any()
    ground_truth = tmp_path / "anno/UAV123/bird1_2.txt"
    ground_truth.write_text(ground_truth.read_text() + "1,1,1,1\n")
    with pytest.raises(DataError, match=r"bird1_2.txt: 704 annotations; expected 703 \(frames 775-1477\)"):
        _ = open_dataset("uav123", tmp_path)["bird1_2"].ground_truth


def test_frames_may_have_any_number_of_digits(ope: Path, tmp_path: Path) -> None:
    """Board's frames have five digits in OTB, and Busstation_ce2 starts at frame 6 in Temple Color 128."""
    folder = tmp_path / "Busstation_ce2"
    shutil.copytree(ope / "tc128_gt/Temple-color-128/Busstation_ce2", folder)
    touch_frames(folder / "img", [f"{number:04d}.jpg" for number in range(1, 401)])
    frames = open_dataset("tc128", tmp_path)["Busstation_ce2"].frames
    assert (len(frames), frames[0].name) == (395, "0006.jpg")
    shutil.rmtree(folder / "img")
    touch_frames(folder / "img", [f"{number:05d}.png" for number in range(1, 401)])
    assert open_dataset("tc128", tmp_path)["Busstation_ce2"].frames[0].name == "00006.png"
    (folder / "img/0007.png").touch()
    with pytest.raises(DataError, match="several images have the same number"):
        _ = open_dataset("tc128", tmp_path)["Busstation_ce2"].frames


def test_yo_yos(ope: Path) -> None:
    """The folders of these three are spelt otherwise than their files."""
    dataset = open_dataset("tc128", ope / "tc128_gt")
    assert [len(dataset[f"Yo-yos_ce{k}"]) for k in (1, 2, 3)] == [235, 454, 201]


def test_lasot_in_the_form_of_its_toolkit(ope: Path, tmp_path: Path) -> None:
    source = ope / "lasot_gt"
    for name in ("airplane-1", "yoyo-7"):
        boxes = source / "LaSOT" / name.rpartition("-")[0] / name / "groundtruth.txt"
        for target, path in (("annos", boxes), ("annos/absent", source / f"toolkit/absent/{name}.txt")):
            (tmp_path / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / target / f"{name}.txt")
    dataset, download = open_dataset("lasot", tmp_path), open_dataset("lasot", source)
    assert [s.name for s in dataset.sequences] == ["airplane-1", "yoyo-7"]
    assert (dataset.of, len(dataset.missing)) == (280, 278)
    for sequence in dataset.sequences:
        np.testing.assert_array_equal(sequence.ground_truth.boxes, download[sequence.name].ground_truth.boxes)
        np.testing.assert_array_equal(sequence.ground_truth.absent, download[sequence.name].ground_truth.absent)
    touch_frames(tmp_path / "yoyo/yoyo-7/img", [f"{n:08d}.jpg" for n in range(1, len(dataset["yoyo-7"]) + 1)])
    assert len(dataset["yoyo-7"].frames) == len(dataset["yoyo-7"])


def write_lasot(folder: Path, occluded: str = "0,0,1", out: str = "0,1,0") -> None:
    touch_frames(folder / "img", [f"{n:08d}.jpg" for n in (1, 2, 3)])
    (folder / "groundtruth.txt").write_text("1,2,3,4\n1,2,3,4\n0,0,0,0\n")
    for name, flags in zip(LASOT_FLAGS, (occluded, out), strict=True):
        (folder / name).write_text(flags)


def test_lasot_beyond_its_table(tmp_path: Path) -> None:
    """The test split, all of LaSOT and the extension may lie in one folder; each has its own of it."""
    write_lasot(tmp_path / "airplane/airplane-1")
    write_lasot(tmp_path / "airplane/airplane-2")
    write_lasot(tmp_path / "atv/atv-10")
    write_lasot(tmp_path / "atv-2")
    (tmp_path / "annos/att").mkdir(parents=True)
    (tmp_path / "annos/att/atv-10.txt").write_text("1,0,0,0,0,1,0,0,0,0,0,0,0,1\n")
    names = {name: [s.name for s in open_dataset(name, tmp_path).sequences] for name in ("lasot", "lasot-all")}
    assert names == {"lasot": ["airplane-1"], "lasot-all": ["airplane-1", "airplane-2"]}
    extension = open_dataset("lasot-ext", tmp_path)
    assert [s.name for s in extension.sequences] == ["atv-2", "atv-10"]
    assert (extension.of, len(extension.missing)) == (150, 148)
    assert open_dataset("lasot-all", tmp_path).of == 1400
    sequence = extension["atv-10"]
    assert sequence.attributes == ("IV", "ROT", "ARC")
    assert (sequence.category, sequence.size, len(sequence.frames)) == ("atv", None, 3)
    assert sequence.ground_truth.absent is not None
    assert sequence.ground_truth.absent.tolist() == [False, True, True]
    # A folder of them needs no name.
    assert [s.name for s in open_dataset(str(tmp_path)).sequences] == ["airplane-1", "airplane-2", "atv-2", "atv-10"]


def test_the_toolkits_annotation_of_the_extension_counts(tmp_path: Path) -> None:
    """paddle-1 goes on after the last frame that the toolkit evaluates; HengLan/LaSOT_Evaluation_Toolkit, issue 18."""
    write_lasot(tmp_path / "paddle/paddle-1")
    (tmp_path / "annos/absent").mkdir(parents=True)
    (tmp_path / "annos/paddle-1.txt").write_text("1,2,3,4\n1,2,3,4\n")
    (tmp_path / "annos/absent/paddle-1.txt").write_text("0\n1\n")
    sequence = open_dataset("lasot-ext", tmp_path)["paddle-1"]
    assert (len(sequence), len(sequence.frames)) == (2, 2)
    fault = next(fault for fault in check_dataset("lasot-ext", tmp_path) if fault.sequence == "paddle-1")
    assert fault.found == f"3 annotations in {tmp_path}/paddle/paddle-1/groundtruth.txt"
    assert fault.expected == f"2 annotations, as in {tmp_path}/annos/paddle-1.txt, which counts"
    (tmp_path / "annos/paddle-1.txt").write_text("1,2,3,4\n1,2,3,4\n0,0,0,1\n")
    (tmp_path / "annos/absent/paddle-1.txt").write_text("0\n1\n1\n")
    fault = next(fault for fault in check_dataset("lasot-ext", tmp_path) if fault.sequence == "paddle-1")
    assert fault.found == f"other boxes in {tmp_path}/paddle/paddle-1/groundtruth.txt"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("0,1", r"full_occlusion.txt: 2 labels; expected 3, one for each frame"),
        ("0,2,1", r"full_occlusion.txt: line 1: '2'; expected whole numbers from 0 to 1"),
        ("0,1,-1", r"full_occlusion.txt: line 1: '-1'; expected"),
    ],
)
def test_faulty_flags(tmp_path: Path, flags: str, message: str) -> None:
    write_lasot(tmp_path / "atv-1", flags)
    with pytest.raises(DataError, match=message):
        _ = open_dataset("lasot-ext", tmp_path)["atv-1"].ground_truth


def test_missing_flags_are_no_quiet_zeros(tmp_path: Path) -> None:
    write_lasot(tmp_path / "airplane/airplane-1")
    (tmp_path / "airplane/airplane-1/out_of_view.txt").unlink()
    with pytest.raises(DataError, match=r"out_of_view.txt: cannot be read"):
        _ = open_dataset("lasot", tmp_path)["airplane-1"].ground_truth


def test_tnl2k_layouts(ope: Path, tmp_path: Path) -> None:
    """The toolkit's form, and the download without flags, in which an absent target has the box 0,0,0,0."""
    source = ope / "tnl2k_gt"
    whole = open_dataset("tnl2k", source)
    cut = "advSamp_monitor_bikeyellow"
    assert len((source / f"toolkit/absent/{cut}.txt").read_text().split()) == 930
    assert len(whole[cut]) == 929
    plain = open_dataset("tnl2k", shutil.copytree(source / "TNL2K_test_subset", tmp_path / "download"))
    for sequence in plain.sequences:
        np.testing.assert_array_equal(sequence.ground_truth.absent, whole[sequence.name].ground_truth.absent)
    for name in ("INF_bike", cut):
        for target, path in (
            ("gt_rect", source / "TNL2K_test_subset" / name / "groundtruth.txt"),
            ("absent", source / f"toolkit/absent/{name}.txt"),
        ):
            (tmp_path / "toolkit/annos" / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "toolkit/annos" / target / f"{name}.txt")
    dataset = open_dataset("tnl2k", tmp_path / "toolkit")
    assert [s.name for s in dataset.sequences] == ["INF_bike", cut]
    for sequence in dataset.sequences:
        np.testing.assert_array_equal(sequence.ground_truth.boxes, whole[sequence.name].ground_truth.boxes)
        np.testing.assert_array_equal(sequence.ground_truth.absent, whole[sequence.name].ground_truth.absent)


def test_tnl2k_frames_have_any_names(ope: Path, tmp_path: Path) -> None:
    folder = tmp_path / "INF_bike"
    folder.mkdir()
    (folder / "groundtruth.txt").write_text("1,2,3,4\n" * 4)
    touch_frames(folder / "imgs", ["b10.png", "b2.jpg", "a.JPG", "b1.bmp", "Thumbs.db", "._a.jpg"])
    assert [p.name for p in open_dataset("tnl2k", tmp_path)["INF_bike"].frames] == [
        "a.JPG",
        "b1.bmp",
        "b10.png",
        "b2.jpg",
    ]


def test_tnl2k_revised_annotations(ope: Path, tmp_path: Path) -> None:
    """Twelve training videos have a second annotation, which is a data set of another name."""
    revised = open_dataset("tnl2k-train-revised", ope / "tnl2k_gt")
    assert (len(revised.sequences), revised.of, len(revised["monitor_bikeyellow"])) == (12, 1300, 929)
    (tmp_path / "monitor_bikeyellow").mkdir()
    (tmp_path / "monitor_bikeyellow/groundtruth.txt").write_text("1,2,3,4\n")
    shutil.copytree(ope / "tnl2k_gt/revised_annotations_train", tmp_path / "revised_annotations_train")
    lengths = {
        name: len(open_dataset(name, tmp_path)["monitor_bikeyellow"]) for name in ("tnl2k-train", "tnl2k-train-revised")
    }
    assert lengths == {"tnl2k-train": 1, "tnl2k-train-revised": 929}


def test_got10k_like(ope: Path) -> None:
    for root in ("got10k_like", "got10k_like/data", "got10k_like/data/val"):
        dataset = open_dataset("got10k-val", ope / root)
        assert (len(dataset.sequences), dataset.of, len(dataset.missing)) == (56, 180, 124)
    assert dataset.missing[-1] == "GOT-10k_Val_000180"
    first = dataset["GOT-10k_Val_000001"]
    assert (first.size, first.category, first.only_first_annotated) == ((640, 360), "airplane", False)
    for sequence in dataset.sequences:
        cover = sequence.ground_truth.values["cover"]
        assert cover.shape == sequence.ground_truth.tags["cut_by_image"].shape == (200,)
        np.testing.assert_array_equal(sequence.ground_truth.absent, cover == 0)
    # The same folder without its name: what its list names.
    assert len(open_dataset(str(ope / "got10k_like/data/val")).sequences) == 56


def write_got10k(folder: Path, name: str, lines: int, frames: int, labels: tuple[str, ...] = ()) -> Path:
    path = folder / name
    touch_frames(path, [f"{n:08d}.jpg" for n in range(1, frames + 1)])
    (path / "groundtruth.txt").write_text("10.0000,20.0000,30.0000,40.0000\n" * lines)
    (path / "meta_info.ini").write_text("[METAINFO]\nurl: a:b\nobject_class: sea lion\nresolution: (1280, 720)\n")
    for file, text in zip(GOT10K_LABELS, labels, strict=False):
        (path / file).write_text(text)
    return path


def test_got10k_labels(tmp_path: Path) -> None:
    path = write_got10k(tmp_path / "GOT-10k/val", "GOT-10k_Val_000002", 2, 2, ("0\n1\n", "8\n0\n", "0\n1\n"))
    dataset = open_dataset("got10k-val", tmp_path)
    assert dataset.root == tmp_path / "GOT-10k"
    sequence = dataset["GOT-10k_Val_000002"]
    assert sequence.details == ((1280, 720), "sea lion", None)
    assert (sequence.ground_truth.values["cover"].tolist(), absent(sequence.ground_truth)) == ([8, 0], 1)
    (path / "cover.label").write_text("8\n9\n")
    with pytest.raises(DataError, match=r"cover.label: line 2: '9'; expected whole numbers from 0 to 8"):
        _ = open_dataset("got10k-val", tmp_path)["GOT-10k_Val_000002"].ground_truth
    (path / "cover.label").unlink()
    (path / "cut_by_image.label").unlink()
    truth = open_dataset("got10k-val", tmp_path)["GOT-10k_Val_000002"].ground_truth
    assert (len(truth), truth.values, truth.tags) == (2, {}, {})  # enough for a run; the score names what it needs
    (path / "meta_info.ini").write_text("[METAINFO]\nresolution: 1280x720\n")
    with pytest.raises(DataError, match=r"meta_info.ini: resolution is '1280x720'; expected \(width, height\)"):
        _ = open_dataset("got10k-val", tmp_path)["GOT-10k_Val_000002"].size


def test_withheld_truth(tmp_path: Path) -> None:
    """A test split has one box; how long a sequence is, its frames say."""
    path = write_got10k(tmp_path, "GOT-10k_Test_000001", 1, 5)
    dataset = open_dataset("got10k-test", tmp_path)
    assert (len(dataset.sequences), dataset.of) == (1, 180)
    sequence = dataset.sequences[0]
    assert sequence.only_first_annotated
    assert len(sequence) == len(sequence.frames) == 5
    assert box_of(sequence.initial_region()).numbers() == (10, 20, 30, 40)
    assert sequence.ground_truth.absent is None
    with pytest.raises(DataError, match=r"GOT-10k_Test_000001: frame 3 has no ground truth"):
        sequence.region(2)
    # Who has the annotation can use it.
    (path / "groundtruth.txt").write_text("1,2,3,4\n" * 5)
    sequence = open_dataset("got10k-test", tmp_path).sequences[0]
    assert (sequence.only_first_annotated, len(sequence), box_of(sequence.region(2)).numbers()) == (
        False,
        5,
        (1, 2, 3, 4),
    )
    for image in path.glob("*.jpg"):
        image.unlink()
    (path / "groundtruth.txt").write_text("1,2,3,4\n")
    with pytest.raises(DataError, match=r"the frames of GOT-10k_Test_000001 are missing"):
        len(open_dataset("got10k-test", tmp_path).sequences[0])


def write_trackingnet(chunk: Path, name: str, lines: int, frames: int) -> None:
    (chunk / "anno").mkdir(parents=True, exist_ok=True)
    (chunk / f"anno/{name}.txt").write_bytes(b" 1.00, 2.00, 30.00, 40.00\r\n" * lines)
    touch_frames(chunk / "frames" / name, [f"{n}.jpg" for n in range(frames)])


def test_trackingnet(tmp_path: Path) -> None:
    write_trackingnet(tmp_path / "TEST", "-3TIfnTSM6c_2", 1, 12)
    for chunk, name in ((0, "a1qoB1eERn0_0"), (10, "_a-lZhKXx9E_0"), (2, "a3In51YCqMg_0")):
        write_trackingnet(tmp_path / f"TRAIN_{chunk}", name, 11, 11)
    dataset = open_dataset("trackingnet", tmp_path)
    assert (dataset.of, dataset.missing) == (511, ())
    sequence = dataset["-3TIfnTSM6c_2"]
    assert [p.stem for p in sequence.frames] == [str(n) for n in range(12)]
    assert (len(sequence), sequence.only_first_annotated) == (12, True)
    train = open_dataset("trackingnet-train", tmp_path)
    assert [s.name for s in train.sequences] == ["a1qoB1eERn0_0", "a3In51YCqMg_0", "_a-lZhKXx9E_0"]
    assert (train.of, [len(s.frames) for s in train.sequences]) == (30_132, [11, 11, 11])
    # A chunk's own folder is a data set too, but not of the other split.
    assert [s.name for s in open_dataset("trackingnet-train", tmp_path / "TRAIN_2").sequences] == ["a3In51YCqMg_0"]
    with pytest.raises(UsageError, match="'trackingnet' was not found"):
        open_dataset("trackingnet", tmp_path / "TRAIN_2")
    (tmp_path / "TEST/frames/-3TIfnTSM6c_2/5.jpg").unlink()
    with pytest.raises(DataError, match=r"-3TIfnTSM6c_2/5.jpg: is missing \(1 of 12 frames of -3TIfnTSM6c_2 are\)"):
        _ = open_dataset("trackingnet", tmp_path)["-3TIfnTSM6c_2"].frames


def test_trackingnet_annotations_alone(ope: Path) -> None:
    """The devkit's sample is a bare folder of whole annotations."""
    dataset = open_dataset("trackingnet", ope / "trackingnet_dummy_GT")
    assert [len(s) for s in dataset.sequences] == [480, 540, 480, 540, 450, 540, 540, 480, 450]
    assert not any(s.only_first_annotated for s in dataset.sequences)


def write_nfs(folder: Path, name: str, fps: int, lines: int, frames: int) -> None:
    path = folder / name / str(fps)
    touch_frames(path / name, [f"{n:05d}.jpg" for n in range(1, frames + 1)])
    text = "".join(f'0 {i} 20 {i + 30} 60 {i} 0 0 0 "sea lion"\n' for i in range(lines))
    (path / f"{name}.txt").write_text(text)


def test_nfs(tmp_path: Path) -> None:
    """The 30-fps file of ``slow`` has the lines of 240 fps, as those of many sequences have."""
    write_nfs(tmp_path, "slow", 30, 81, 10)
    write_nfs(tmp_path, "slow", 240, 81, 80)
    write_nfs(tmp_path, "even", 30, 10, 10)
    write_nfs(tmp_path, "more", 30, 10, 11)
    dataset = open_dataset("nfs30", tmp_path)
    assert [s.name for s in dataset.sequences] == ["even", "more", "slow"]
    assert (dataset.of, dataset.missing) == (100, ())
    slow = dataset["slow"]
    # Every eighth of 81 lines are 11; frames and annotations are cut to the shorter.
    assert slow.ground_truth.boxes.tolist() == [[8 * i, 20, 30, 40] for i in range(10)]
    assert len(slow.frames) == 10
    assert len(dataset["even"].frames) == len(dataset["more"].frames) == len(dataset["more"]) == 10
    fast = open_dataset("nfs240", tmp_path)
    assert [s.name for s in fast.sequences] == ["slow"]
    assert (len(fast["slow"]), len(fast["slow"].frames)) == (80, 80)
    shutil.rmtree(tmp_path / "slow/30/slow")
    # Without frames, the 240-fps file tells that both have its lines.
    alone = open_dataset("nfs30", tmp_path)["slow"]
    assert alone.ground_truth.boxes[:, 0].tolist() == [8 * i for i in range(11)]
    with pytest.raises(DataError, match=r"the frames of slow are missing; expected in .*/slow/30/slow"):
        _ = alone.frames


def test_nfs_faults(tmp_path: Path) -> None:
    write_nfs(tmp_path, "seq", 30, 3, 3)
    ground_truth = tmp_path / "seq/30/seq.txt"
    ground_truth.write_text(ground_truth.read_text().replace("0 1 20", "0 one 20"))
    with pytest.raises(DataError, match=r"seq.txt: line 2: expected numbers: track x1 y1 x2 y2"):
        _ = open_dataset("nfs30", tmp_path)["seq"].ground_truth
    ground_truth.write_text("\n")
    with pytest.raises(DataError, match=r"seq.txt: the file is empty"):
        _ = open_dataset("nfs30", tmp_path)["seq"].ground_truth


def test_nfs_as_pytracking_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "anno").mkdir()
    (tmp_path / "anno/nfs_Gymnastics.txt").write_text("1\t2\t3\t4\n5\t6\t7\t8\n")
    touch_frames(tmp_path / "sequences/Gymnastics", ["00001.jpg", "00002.jpg"])
    sequence = open_dataset("nfs30", tmp_path)["Gymnastics"]
    assert sequence.ground_truth.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert len(sequence.frames) == 2
    with pytest.raises(UsageError, match="'nfs240' was not found"):
        open_dataset("nfs240", tmp_path)


def test_every_definition_can_be_read(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    """All names of the command line exist, know how many sequences they have, and say where to get them."""
    names = "uav123 uav20l nfs30 nfs240 lasot lasot-all lasot-ext tnl2k tnl2k-train got10k-train got10k-val got10k-test"
    for name in f"{names} trackingnet trackingnet-train tc128 dtb70 otb2013 otb50 otb100".split():
        state = readiness(name)
        assert (state.ready, state.sequences) == (False, 0)
        assert state.of >= 20
        assert state.home
        assert state.tree
        definition = DATASETS.get(name).value
        known = set(definition.attributes)
        assert all(set(row.get("attributes", "").split()) <= known for row in read_table(DATASETS.get(name)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,folder,truth,first,last\nx,x,t.txt,1,2\n", "has no column 'attributes', which layout 'otb' needs"),
        ("name,folder,truth,first,last,attributes\nx,x,t.txt,one,2,\n", "line 2: column 'first' is 'one'; expected"),
        ("name,folder,truth,first,last,attributes\nx,x,t.txt,,2,\n", "line 2: column 'first' is ''; expected"),
    ],
)
def test_faulty_table(workplace: Path, table: str, message: str) -> None:
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text('title = "Mine"\nlayout = "otb"\ntable = "mine.csv"\n')
    (workplace / "datasets/mine.csv").write_text(table)
    with pytest.raises(UsageError, match=rf"mine.csv: {message}"):
        open_dataset("mine", workplace)

"""A benchmark is one record: what rules and settings count never hangs on what a folder is called."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import write_sequence

import trackbench
from trackbench.datasets.catalogue import find_record, open_dataset
from trackbench.datasets.layouts.tables import known_names
from trackbench.definitions import DATASETS, FAMILIES, TRACKERS
from trackbench.errors import UsageError
from trackbench.regions import Box
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring.scoring import score_runs
from trackbench.trackers.settings import resolve_settings

FRAMES = 20
BOXES = [Box(10 + i, 20, 30, 40) for i in range(FRAMES)]


def write_lasot(root: Path, name: str = "airplane-1") -> Path:
    """One sequence as downloaded, the last five of its 20 frames flagged absent."""
    folder = root / name.rpartition("-")[0] / name
    (folder / "img").mkdir(parents=True)
    for number in range(1, FRAMES + 1):
        (folder / "img" / f"{number:08d}.jpg").touch()
    (folder / "groundtruth.txt").write_text("".join(f"{10 + i},20,30,40\n" for i in range(FRAMES)))
    (folder / "full_occlusion.txt").write_text(",".join("1" if i >= 15 else "0" for i in range(FRAMES)))
    (folder / "out_of_view.txt").write_text(",".join("0" * FRAMES))
    return root


def perfect(name: str, root: Path | None, runs: Path) -> dict[str, float | None]:
    dataset = open_dataset(name, root)
    folder = RunFolder(runs, RunKey("perfect", dataset.name, "one-pass"))
    for sequence in dataset.sequences:
        folder.write(sequence.name, list(BOXES), [0.01] * FRAMES, [None] * FRAMES)
    folder.write_manifest({"tracker": "perfect", "dataset": dataset.name, "protocol": "one-pass"})
    (score,) = score_runs(dataset, runs)
    assert score.sequences == len(dataset.sequences)
    return {key: score.metrics[key] for key in ("success_auc", "precision", "norm_precision")}


def test_the_same_bytes_score_the_same_whatever_the_folder_is_called(tmp_path: Path) -> None:
    found = {}
    for name in ("LaSOT", "LaSOTTesting", "mine", "OTB100", "TNL2K"):
        found[name] = perfect(str(write_lasot(tmp_path / name)), None, tmp_path / "runs")
    for name in ("lasot", "lasot-all"):
        found[name] = perfect(name, tmp_path / "LaSOT", tmp_path / "runs")
    assert found["LaSOT"]["precision"] == 0.75
    assert all(scores == found["LaSOT"] for scores in found.values())


def test_all_parts_of_a_benchmark_have_its_family() -> None:
    families = {found.name: found.value.family for found in DATASETS.readable()}
    without_rules_of_its_own = {name for name, family in families.items() if family == "generic"}
    assert without_rules_of_its_own == {"nat2021", "uavdark135", "uavdt", "uavtrack112", "webuav3m"}
    for part, whole in {"lasot-all": "lasot", "tnl2k-train": "tnl2k", "tnl2k-train-revised": "tnl2k"}.items():
        assert families[part] == families[whole]
    assert set(families.values()) <= FAMILIES.keys()


def test_a_folder_has_the_record_of_its_layout(tmp_path: Path) -> None:
    record = find_record(str(write_lasot(tmp_path / "any", "atv-1")))
    assert (record.name, record.family, record.title) == ("lasot-ext", "lasot-ext", "any")
    write_lasot(tmp_path / "own", "widget-1")
    assert find_record(str(tmp_path / "own")).name == "lasot"  # by its flags

    drone = write_sequence(tmp_path / "drones/Animal1", frames=2)
    (drone / "groundtruth.txt").rename(drone / "groundtruth_rect.txt")
    shutil.copytree(drone, drone.parent / "Basketball")  # a name that OTB has as well
    assert find_record(str(tmp_path / "drones")).family == "dtb70"
    (drone / "groundtruth_rect.txt").rename(drone / "groundtruth.txt")

    talk = write_sequence(tmp_path / "talk/Arrow_Video_ZZ04_done", frames=2)
    (talk / "img").rename(talk / "imgs")
    write_sequence(tmp_path / "talk/own", frames=2)
    dataset = open_dataset(str(tmp_path / "talk"))
    assert (dataset.definition.name, dataset.definition.family) == ("tnl2k-train", "tnl2k")
    assert [sequence.name for sequence in dataset.sequences] == ["Arrow_Video_ZZ04_done", "own"]

    (tmp_path / "uav/anno/UAV123").mkdir(parents=True)
    (tmp_path / "uav/anno/UAV123/bike1.txt").touch()
    assert find_record(str(tmp_path / "uav")).name == "uav123"
    (tmp_path / "fast/dog/240").mkdir(parents=True)
    (tmp_path / "fast/dog/240/dog.txt").touch()
    assert find_record(str(tmp_path / "fast")).name == "nfs240"
    (tmp_path / "net/TEST/anno").mkdir(parents=True)
    (tmp_path / "net/TEST/anno/-3TIfnTSM6c_2.txt").touch()
    assert find_record(str(tmp_path / "net")).name == "trackingnet"

    write_sequence(tmp_path / "LaSOT/plain", frames=2)
    own = find_record(str(tmp_path / "LaSOT"))
    assert (own.name, own.family, own.layout) == ("", "generic", "folder")


@pytest.mark.parametrize(
    ("year", "region"),
    [
        ("vot2016", "1,1,9,1,9,9,1,9"),
        ("vot2020", "m1,1,2,2,0,4"),
        ("vot2021", "m1,1,2,2,0,4"),
        ("vot2022-mask", "m1,1,2,2,0,4"),
        ("vot2022-box", "1,1,8,8"),
    ],
)
def test_a_folder_with_the_names_of_a_challenge_is_that_challenge(tmp_path: Path, year: str, region: str) -> None:
    for name in known_names(DATASETS.get(year)):
        folder = tmp_path / "any" / name
        folder.mkdir(parents=True)
        (folder / "groundtruth.txt").write_text(f"{region}\n")
        (folder / "sequence").touch()
    record = find_record(str(tmp_path / "any"))
    official = DATASETS.get(year).value
    assert (record.name, record.protocol, record.eao_lengths) == (year, official.protocol, official.eao_lengths)
    (tmp_path / "any" / "one-more").mkdir()
    (tmp_path / "any" / "one-more" / "groundtruth.txt").write_text(f"{region}\n")
    assert find_record(str(tmp_path / "any")).eao_lengths is None


@pytest.mark.parametrize("year", ["vot2018", "vot2019"])
def test_a_folder_with_a_challenges_sequences_is_that_challenge(reference: Path, tmp_path: Path, year: str) -> None:
    shutil.unpack_archive(reference / f"evaluation/vot/groundtruth/{year.upper()}.zip", tmp_path / "any")
    root = next(path.parents[1] for path in (tmp_path / "any").rglob("groundtruth.txt"))
    record = find_record(str(root))
    assert (record.name, record.protocol) == (year, "supervised")
    assert record.eao_lengths == DATASETS.get(year).value.eao_lengths


def test_trackers_have_the_same_settings_by_name_and_by_folder(tmp_path: Path) -> None:
    otb = write_sequence(tmp_path / "anything/Basketball", frames=2)
    (otb / "groundtruth.txt").rename(otb / "groundtruth_rect.txt")
    lasot = write_lasot(tmp_path / "other")
    pairs = [(find_record(str(otb.parent)), "otb100"), (find_record(str(lasot)), "lasot")]
    for tracker in TRACKERS.names():
        if TRACKERS.get(tracker).value.argument is None:
            for record, name in pairs:
                assert resolve_settings(tracker, record).options == resolve_settings(tracker, name).options, tracker


#: Tracker, option -> its value on every data set, then on families and benchmarks where it differs.
OFFICIAL: dict[tuple[str, str], tuple[Any, dict[str, Any], dict[str, Any]]] = {
    ("siamattn", "penalty_k"): (0.2, {"vot": 0.1}, {}),
    ("siamattn", "lr"): (0.5, {"vot": 0.45}, {}),
    ("siamattn", "box_origin"): ("edge", {"vot": "pixel"}, {}),
    ("siamattn-box", "window_influence"): (0.35, {"vot": 0.25}, {}),
    ("aiatrack", "ensemble"): (3, {"lasot": 4, "lasot-ext": 6}, {"trackingnet": 6}),
    ("aiatrack", "threshold"): (0.7, {"lasot": 0.8, "lasot-ext": 0.8}, {"nfs30": 0.6}),
    ("aiatrack", "cache_size"): (100, {}, {"nfs30": 80}),
    ("aiatrack-got10k", "ensemble"): (3, {}, {"got10k-test": 4}),
    ("sparsett", "penalty_k"): (0.04, {"otb": 0.053}, {"uav123": 0.0734}),
    ("sparsett-got10k", "penalty_k"): (0.04, {}, {}),
}


@pytest.mark.parametrize(("tracker", "option"), OFFICIAL)
def test_official_settings(tracker: str, option: str) -> None:
    usual, families, benchmarks = OFFICIAL[tracker, option]
    for found in DATASETS.readable():
        wanted = benchmarks.get(found.name, families.get(found.value.family, usual))
        assert getattr(resolve_settings(tracker, found.value).options, option) == wanted, found.name


def test_the_records_pixel_origin_reaches_the_tracker() -> None:
    assert resolve_settings("dcfnet").options.origin == 0  # type: ignore[attr-defined]
    for name, origin in (("otb100", 1), ("lasot", 1), ("nfs30", 0), ("vot2018", 0)):
        assert resolve_settings("dcfnet", name).options.origin == origin  # type: ignore[attr-defined]
    assert resolve_settings("dcfnet", "otb100", {"origin": 0}).options.origin == 0  # type: ignore[attr-defined]


def test_layers_of_settings(workplace: Path) -> None:
    (workplace / "trackers/layered.toml").write_text(
        'title = "T"\nclass = "sample_trackers:Drift"\noptions = { dx = 1.0 }\n'
        "protocols = { supervised = { dx = 2.0 }, realtime = { dx = 6.0 } }\n"
        "families = { otb = { dx = 3.0 } }\ndatasets = { otb50 = { dx = 4.0 } }\n"
    )

    def dx(*args: str, **options: str) -> float:
        return float(resolve_settings("layered", *args, **options).options.dx)  # type: ignore[arg-type, attr-defined]

    assert [dx(), dx("lasot"), dx("vot2018"), dx("otb100"), dx("otb50")] == [1, 1, 2, 3, 4]
    assert dx("lasot", protocol="supervised") == 2
    assert dx("otb100", protocol="supervised") == 3
    assert dx("vot2018", protocol="unsupervised") == 1
    assert dx("vot2018", protocol="realtime") == 6
    path = workplace / "trackers/layered.toml"
    path.write_text(path.read_text().replace(", realtime = { dx = 6.0 }", ""))
    assert dx("vot2018", protocol="realtime") == 2  # the baseline's, in real time
    path.write_text(path.read_text().replace("otb =", "otbs ="))
    with pytest.raises(UsageError, match="unknown family; did you mean 'otb'"):
        dx()


def test_an_unknown_family_is_refused(workplace: Path) -> None:
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text('title = "M"\nlayout = "folder"\nfamily = "lasto"\n')
    with pytest.raises(UsageError, match=r"mine.toml: key 'family' is 'lasto': .*did you mean 'lasot'"):
        find_record("mine")


PACKAGE = Path(trackbench.__file__).parent
#: What else a string that equals a data set's name can mean: a family, a tool's format, a server or a convention.
OTHER_MEANINGS = {*FAMILIES, "got10k", "trackingnet", "lasot"}


def comparisons(tree: ast.AST) -> Iterator[ast.expr]:
    """Every comparison with, or test of the beginning of, something that is called a data set."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(is_name, sides)) and any(map(is_literal, sides)):
                yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            start = node.func.attr in ("startswith", "endswith") and is_name(node.func.value)
            if start or (node.func.attr in ("match", "fullmatch", "search") and any(map(is_name, node.args))):
                yield node


def is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(is_literal, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_name(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text.endswith(("dataset", "dataset.name", "dataset_name", "record.name", "definition.name")) or (
        "dataset.name" in text
    )


def test_the_name_of_a_data_set_decides_nothing() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path.name}:{node.lineno}: {ast.unparse(node)}" for node in comparisons(tree)]
    assert found == []
    assert [*comparisons(ast.parse("run.key.dataset.startswith('nfs')\ndataset.name in ('a',)\ndataset == 'b'"))][2:]


def test_only_layouts_name_benchmarks() -> None:
    names = {found.name for found in DATASETS.readable()} - OTHER_MEANINGS
    allowed = {"Server"}  # the data set that `pack` takes where none is named
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "layouts":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exempt = {
            id(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in allowed
            for argument in node.args
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in exempt:
                assert node.value not in names, f"{path}:{node.lineno}: '{node.value}'"


def test_origin_says_where_pixels_start() -> None:
    origins = {found.name: found.value.origin for found in DATASETS.readable()}
    assert [origins[name] for name in ("otb100", "lasot", "uav123", "tc128", "dtb70")] == [1] * 5
    assert [origins[name] for name in ("vot2018", "got10k-val", "tnl2k")] == [0] * 3


def test_intervals_of_the_years() -> None:
    lengths = {found.name: found.value.eao_lengths for found in DATASETS.readable() if found.value.family == "vot"}
    assert lengths["vot2016"] == (108, 371)
    assert lengths["vot2017"] == lengths["vot2018"] == (100, 356)
    assert lengths["vot2019"] == (46, 291)
    assert {lengths[name] for name in ("vot2020", "vot2021", "vot2022-mask", "vot2022-box")} == {(115, 755)}


def test_absent_frames_count_as_the_flags_say(tmp_path: Path) -> None:
    dataset = open_dataset(str(write_lasot(tmp_path / "x")))
    absent = dataset["airplane-1"].ground_truth.absent
    assert absent is not None
    assert np.flatnonzero(absent).tolist() == [15, 16, 17, 18, 19]

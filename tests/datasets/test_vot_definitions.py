"""The VOT benchmarks as defined: lists, protocols, both forms of download."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.definitions import DATASETS

TAGS = ("camera_motion", "illum_change", "motion_change", "occlusion", "size_change")


@pytest.mark.parametrize(
    ("name", "protocol", "convention", "regions"),
    [
        *((f"vot{year}", "supervised", "pysot", "polygon") for year in (2016, 2017, 2018, 2019)),
        *((f"vot{year}", "multistart", "vot", "mask") for year in (2020, 2021)),
        ("vot2022-mask", "multistart", "vot", "mask"),
        ("vot2022-box", "multistart", "vot", "box"),
    ],
)
def test_definitions(name: str, protocol: str, convention: str, regions: str) -> None:
    definition = DATASETS.get(name).value
    assert (definition.protocol, definition.convention, definition.regions) == (protocol, convention, regions)
    assert tuple(definition.attributes) == TAGS


@pytest.mark.parametrize(
    ("name", "archive", "frames"), [("vot2017", 2018, 21356), ("vot2018", 2018, 21356), ("vot2019", 2019, 19935)]
)
def test_lists_are_those_of_the_real_sets(
    reference: Path, tmp_path: Path, name: str, archive: int, frames: int
) -> None:
    with ZipFile(reference / "evaluation" / "vot" / "groundtruth" / f"VOT{archive}.zip") as file:
        file.extractall(tmp_path / f"VOT{archive}")
    # The table alone decides.
    (tmp_path / f"VOT{archive}" / "list.txt").unlink()
    dataset = open_dataset(name, tmp_path / f"VOT{archive}")
    assert (len(dataset.sequences), dataset.of, dataset.missing) == (60, 60, ())
    assert sum(len(sequence) for sequence in dataset.sequences) == frames
    assert dataset.sequences[0].details.fps == 30
    assert all(sequence.can_start(index) for sequence in dataset.sequences for index in range(len(sequence)))


@pytest.mark.parametrize("flat", [False, True])
def test_official_and_flat_layout(tmp_path: Path, flat: bool) -> None:
    root = tmp_path / "VOT2016"
    for name in ("bag", "ball1"):
        images = root / name if flat else root / name / "color"
        images.mkdir(parents=True)
        for number in (1, 2):
            (images / f"{number:08d}.jpg").touch()
        (root / name / "groundtruth.txt").write_text("0,0,9,0,9,9,0,9\n1,0,10,0,10,9,1,9\n")
        (root / name / "occlusion.tag").write_text("0\n1\n")
        if not flat:
            (root / name / "sequence").write_text("channels.color=color/%08d.jpg\nfps=25\nlength=2\n")
    if not flat:
        (root / "list.txt").write_text("ball1\nbag\n")
    dataset = open_dataset("vot2016", tmp_path)
    assert (dataset.root, dataset.of) == (root, 60)
    assert [sequence.name for sequence in dataset.sequences] == (["bag", "ball1"] if flat else ["ball1", "bag"])
    for sequence in dataset.sequences:
        assert [path.name for path in sequence.frames] == ["00000001.jpg", "00000002.jpg"]
        assert sequence.ground_truth.tags["occlusion"].tolist() == [False, True]
        assert sequence.details.fps == (None if flat else 25)

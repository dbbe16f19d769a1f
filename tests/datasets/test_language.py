"""Sentences that describe the target, where data sets have them."""

from pathlib import Path

from samples import write_sequence
from test_records import write_lasot

from trackbench.datasets.catalogue import open_dataset


def test_lasot(tmp_path: Path) -> None:
    root = write_lasot(tmp_path / "LaSOT")
    (root / "airplane/airplane-1/nlp.txt").write_bytes(b"\xef\xbb\xbfwhite airplane\r\nlanding\xff\n")
    assert open_dataset("lasot", root)["airplane-1"].sentence == "white airplane landing\N{REPLACEMENT CHARACTER}"


def test_tnl2k_and_plain_folders(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "mine", frames=2)
    assert open_dataset(str(tmp_path))["mine"].sentence is None
    (folder / "language.txt").write_text("the man in red\n")
    assert open_dataset(str(tmp_path))["mine"].sentence == "the man in red"
    folder.rename(tmp_path / "Arrow_Video_ZZ04_done")
    dataset = open_dataset(str(tmp_path))
    assert dataset.definition.family == "tnl2k"
    assert dataset["Arrow_Video_ZZ04_done"].sentence == "the man in red"


def test_otb99(tmp_path: Path) -> None:
    for name in ("Basketball", "Jogging"):
        folder = write_sequence(tmp_path / "OTB_sentences/OTB_videos" / name, frames=2)
        truth = "groundtruth_rect.txt" if name == "Basketball" else "groundtruth_rect.1.txt"
        (folder / "groundtruth.txt").rename(folder / truth)
    queries = tmp_path / "OTB_sentences/OTB_query_test"
    queries.mkdir()
    (queries / "Basketball.txt").write_text("a player in green")
    (queries / "Jogging-1.txt").write_text("the woman")
    dataset = open_dataset("otb100", tmp_path)
    assert dataset["Basketball"].sentence == "a player in green"
    assert dataset["Jogging_1"].sentence == "the woman"

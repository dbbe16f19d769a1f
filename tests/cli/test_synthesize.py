import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trackbench.cli import app
from trackbench.datasets.catalogue import open_dataset

SMALL = ["--sequences", "2", "--frames", "4", "--size", "80x64"]


def test_json_is_the_only_thing_on_standard_output(tmp_path: Path) -> None:
    folder = tmp_path / "synth"
    result = CliRunner().invoke(app, ["synthesize", str(folder), *SMALL, "--seed", "2", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["schema"], document["folder"], document["layout"]) == (1, str(folder), "vot")
    names = ["synth001_translation_deformation", "synth002_scale_illumination"]
    assert [(entry["name"], entry["frames"]) for entry in document["sequences"]] == [(name, 4) for name in names]
    assert document["sequences"][0]["attributes"] == ["motion_change", "deformation"]
    dataset = open_dataset(str(folder))
    assert [sequence.name for sequence in dataset.sequences] == names
    assert dataset.sequences[0].size == (80, 64)


def test_otb_layout(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synthesize", str(tmp_path), *SMALL, "--layout", "otb"])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"{tmp_path}: 2 sequences of 4 frames" in result.stderr
    assert (tmp_path / "synth001_translation_deformation" / "groundtruth_rect.txt").is_file()
    assert open_dataset(str(tmp_path)).sequences[0].attributes == ("FM", "DEF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "big"], "--size 'big': expected WIDTHxHEIGHT, such as 320x240"),
        (["--frames", "0"], "frames is 0; expected 2 to 100000"),
        (["--layout", "otb", "--truth", "mask"], "the OTB layout holds boxes"),
        (["--layout", "coco"], "'coco' is not one of"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["synthesize", str(tmp_path / "set"), *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "set").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    result = CliRunner().invoke(app, ["synthesize", str(tmp_path), *SMALL])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"{tmp_path}: is not empty and not a synthetic set" in result.stderr


def test_an_interruption_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trackbench.datasets.synthetic.render import Scene

    def interrupt(self: Scene, index: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scene, "image", interrupt)
    result = CliRunner().invoke(app, ["synthesize", str(tmp_path / "set"), *SMALL])
    assert result.exit_code == 130
    assert "interrupted; no new sequences" in result.stderr
    assert list((tmp_path / "set").iterdir()) == []


def test_help_shows_an_example() -> None:
    result = CliRunner().invoke(app, ["synthesize", "--help"])
    assert result.exit_code == 0
    assert "trackbench synthesize synth --sequences 12 --frames 120 --seed 0" in result.stdout

"""What belongs to a run's identity: the source of a user's tracker, the data; and when a run has none."""

import json
import os
from pathlib import Path

import pytest
from samples import write_dataset

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.fingerprint import changed_sequences
from trackbench.engine.claims import Claims, machine, process_started
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.errors import DataError, UsageError
from trackbench.trackers.registry import find_tracker
from trackbench.trackers.source import source_sha256


def plan(workplace: Path, tracker: str = "drift", **options: object) -> Plan:
    return make_plan(find_tracker(tracker, options=options), open_dataset("data"), workplace / "runs")


def test_results_of_an_edited_tracker_never_mix_with_those_of_before(workplace: Path, edit: None) -> None:
    execute([plan(workplace)], device="cpu")
    assert plan(workplace).missing == []
    source = workplace / "sample_trackers.py"
    source.write_text(source.read_text().replace("box.x + self.options.dx", "box.x - self.options.dx"))
    with pytest.raises(UsageError, match=r"source_sha256.sample_trackers: stored .*, now "):
        plan(workplace)


@pytest.fixture
def edit(workplace: Path) -> None:
    """The tracker imports a neighbour, within a function, and there is a script that it does not import."""
    source = workplace / "sample_trackers.py"
    source.write_text(source.read_text() + "\n\ndef later():\n    import helper.inner\n")
    (workplace / "helper").mkdir()
    (workplace / "helper/__init__.py").write_text("")
    (workplace / "helper/inner.py").write_text("from . import deep\n")
    (workplace / "helper/deep.py").write_text("RATE = 1\n")
    (workplace / "unrelated.py").write_text("this is no Python")


def test_modules_that_a_tracker_imports_from_its_folder_belong_to_it(workplace: Path, edit: None) -> None:
    execute([plan(workplace)], device="cpu")
    (workplace / "unrelated.py").write_text("x = 1")
    assert plan(workplace).missing == []
    (workplace / "helper/deep.py").write_text("RATE = 2\n")
    with pytest.raises(UsageError, match=r"source_sha256.helper.deep: stored "):
        plan(workplace)


def test_a_package_is_followed_from_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "mine/__init__.py": "",
        "mine/trackers/__init__.py": "from ..core import thing",
        "mine/trackers/one.py": "import numpy\nfrom mine import *\n\n\nclass One:\n    pass\n",
        "mine/core.py": "thing = 1",
        "mine/other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import mine.trackers.one  # type: ignore[import-not-found]

    assert list(source_sha256(mine.trackers.one.One)) == ["mine", "mine.core", "mine.trackers", "mine.trackers.one"]


def test_trackers_of_trackbench_have_versions_instead() -> None:
    assert "source_sha256" not in find_tracker("dcf").identity()


def test_runs_from_before_sources_counted_stay_usable(workplace: Path) -> None:
    first = plan(workplace)
    execute([first], device="cpu")
    path = first.folder.path / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["identity"]["source_sha256"]
    path.write_text(json.dumps(manifest))
    assert plan(workplace).missing == []


def test_a_data_set_of_the_same_name_elsewhere_is_refused(workplace: Path) -> None:
    execute([plan(workplace)], device="cpu")
    (workplace / "data").rename(workplace / "first")
    write_dataset(workplace / "data")
    assert plan(workplace).missing == []  # the same files in another place are the same data
    image = workplace / "data/s1/img/0001.jpg"
    image.write_bytes((workplace / "data/s2/img/0001.jpg").read_bytes())
    with pytest.raises(DataError, match=r"made on other data than .*data \(s1: the frames are others\); --restart"):
        plan(workplace)


def test_an_edited_annotation_is_noticed_though_its_first_line_and_length_stay(workplace: Path) -> None:
    first = plan(workplace)
    execute([first], device="cpu")
    path = workplace / "data/s2/groundtruth.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "1,1,2,2", *lines[4:]]))
    assert changed_sequences(first.folder.fingerprints(), open_dataset("data")) == ["s2: the annotation is another"]
    with pytest.raises(DataError, match="s2: the annotation is another"):
        plan(workplace)


def test_runs_from_before_fingerprints_stay_usable(workplace: Path) -> None:
    first = plan(workplace)
    execute([first], device="cpu")
    for path in (first.folder.path / "sessions").iterdir():
        path.unlink()
    (workplace / "data/s1/img/0001.jpg").write_bytes((workplace / "data/s2/img/0001.jpg").read_bytes())
    assert plan(workplace).missing == []


def test_a_run_in_which_nothing_was_stored_binds_nothing(workplace: Path) -> None:
    failing = plan(workplace, fail_on="start")
    execute([failing], device="cpu")
    assert sorted(failing.failed) == ["s1", "s2", "s3"]
    definition = workplace / "trackers/drift.toml"
    definition.write_text(definition.read_text() + "version = 2\n")
    mended = plan(workplace, fail_on="start")
    assert len(mended.missing) == 3
    execute([mended], device="cpu")
    assert (mended.folder.identity() or {})["version"] == 2
    assert len((mended.folder.manifest() or {})["sessions"]) == 1


def test_a_run_replaced_by_another_command_takes_no_more_results(workplace: Path) -> None:
    mine = plan(workplace)
    for path in mine.folder.path.glob("*.txt"):
        path.unlink()
    other = plan(workplace)
    other.manifest["identity"] = {**other.manifest["identity"], "version": "2"}

    class Replaced(type(mine.folder)):  # type: ignore[misc]
        def write(self, *arguments: object, **more: object) -> None:
            super().write(*arguments, **more)
            self.write_manifest(other.manifest)

    mine.folder = Replaced(mine.folder.runs, mine.folder.key)
    with pytest.raises(UsageError, match="another command has replaced this run"):
        execute([mine], device="cpu")
    assert mine.folder.sequences() == set()


def test_two_commands_with_other_settings_at_once_are_refused(workplace: Path) -> None:
    """Nothing is stored yet, but the first has claimed a sequence under the same label."""
    first, second = plan(workplace), plan(workplace)
    first.folder.write_manifest(first.manifest)
    owner = {"worker": "one", "host": "here", "machine": machine(), "process": os.getpid()}
    claims = Claims(first.folder, {**owner, "process_started": process_started()})
    assert claims.take("s1")
    second.manifest["identity"] = {**second.manifest["identity"], "version": "2"}
    with pytest.raises(UsageError, match="another process works on this run with other settings"):
        execute([second], device="cpu")
    assert second.folder.identity() == first.manifest["identity"]
    claims.release("s1")
    claims.tidy()
    execute([second], device="cpu")
    assert second.folder.identity() == second.manifest["identity"]

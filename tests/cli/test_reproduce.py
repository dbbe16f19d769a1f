from pathlib import Path

from command import document, trackbench


def test_a_run_is_reproduced_byte_for_byte(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "./data", "--set", "dx=2.5", "-q")
    found = document("reproduce", "drift@dx=2.5", "-d", "./data")
    assert found["reproduced"] is True
    assert [row["identical"] for row in found["results"]] == [True] * 3
    assert (workplace / "reproduced" / "drift@dx=2.5" / "data" / "one-pass" / "s1.txt").is_file()


def test_repetitions_of_a_random_tracker_have_their_seeds(workplace: Path) -> None:
    trackbench("run", "dice", "-d", "./data", "--seed", "7", "--repetitions", "2", "-q")
    found = document("reproduce", "runs/dice/data/one-pass", "-d", "./data")
    assert [(row["repetition"], row["identical"]) for row in found["results"]] == [(1, True)] * 3 + [(2, True)] * 3


def test_answers_that_differ_are_named_by_frame(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "./data", "-q")
    (file,) = workplace.glob("runs/drift/data/one-pass/s2.txt")
    lines = file.read_text().splitlines()
    lines[3] = "13.01,12,8,6"
    lines[5] = "40,12,8,6"
    file.write_text("\n".join(lines) + "\n")
    found = document("reproduce", "drift", "-d", "./data", code=1)
    rows = {row["name"]: row for row in found["results"]}
    assert (rows["s2"]["differs"], rows["s2"]["lowest"]) == (4, 0)
    assert rows["s1"]["identical"]
    found = document("reproduce", "drift", "-d", "./data", "-s", "s1", "--out", "elsewhere")
    assert found["reproduced"] is True


def test_what_is_not_as_it_was_is_said_before_anything_runs(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "./data", "-q")
    definition = workplace / "trackers" / "drift.toml"
    definition.write_text(definition.read_text() + "version = 2\n")
    result = trackbench("reproduce", "drift", "-d", "./data", code=1)
    assert "version: stored 1, now 2" in result.stderr
    assert "--anyway" in result.stderr
    assert not (workplace / "reproduced").exists()
    assert document("reproduce", "drift", "-d", "./data", "--anyway")["reproduced"] is True
    assert "no run 'drifd' in runs; did you mean" in trackbench("reproduce", "drifd", code=2).stderr


def test_imported_results_cannot_be_run_again(ran: Path) -> None:
    trackbench("import", str(next(ran.glob("static/*/one-pass"))), "--as", "T", "-d", "data")
    assert "holds imported results; only runs" in trackbench("reproduce", "T", "-d", "data", code=2).stderr

"""Definitions with a second name."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.definitions import TRACKERS
from trackbench.errors import UsageError


def define(folder: Path, name: str, text: str) -> None:
    (folder / "trackers").mkdir(exist_ok=True)
    (folder / "trackers" / f"{name}.toml").write_text(text)


def test_a_second_name_shares_content_and_weights(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    define(workplace, "mine", 'title = "Mine"\nsame_as = "dcfnet"\n')
    found, other = TRACKERS.get("mine"), TRACKERS.get("dcfnet")
    assert (found.name, found.same_as, found.value.title) == ("mine", "dcfnet", "Mine")
    assert found.value == other.value.model_copy(update={"title": "Mine"})
    kept = workplace / "cache" / "weights" / "dcfnet.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"not yet")
    why_not = {row["name"]: row["why_not"] for row in document("list", "trackers")["trackers"]}
    assert str(kept) in why_not["mine"]  # both look at the same file, which is damaged
    assert str(kept) in why_not["dcfnet"]
    kept.unlink()
    assert "mine has no weights" in trackbench("run", "mine", "-d", "data", code=1).stderr
    (row,) = document("run", "mine", "-d", "data", "--random-weights", "--limit", "1")["runs"]
    assert row["tracker"] == "mine@random-weights"


def test_a_variant_says_what_is_different(workplace: Path) -> None:
    define(workplace, "mine", 'same_as = "dcfnet"\n[options]\nscales = 5\n[card]\npaper = "Mine"\n')
    mine, other = TRACKERS.get("mine"), TRACKERS.get("dcfnet")
    assert mine.same_as == "mine"  # another network may want another checkpoint
    assert mine.value.options == {**other.value.options, "scales": 5}
    assert mine.value.card == other.value.card.model_copy(update={"paper": "Mine"})
    assert mine.value.datasets == other.value.datasets
    define(workplace, "mine", 'same_as = "dcfnet"\n[datasets.otb100]\nscales = 5\n')
    assert TRACKERS.get("mine").value.datasets == {"otb100": {"scales": 5}}
    assert TRACKERS.get("mine").same_as == "dcfnet"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('same_as = "dcfnet"\nversion = "two"', "mine.toml: key 'version' is 'two'"),
        ('same_as = "mine"', "key 'same_as' is 'mine': expected a definition that stands by itself"),
        ('same_as = "sbt"', "key 'same_as' is 'sbt': expected a definition that stands by itself"),
        ('same_as = "dcfnt"', "unknown tracker 'dcfnt'; did you mean 'dcfnet'?"),
    ],
)
def test_faulty_second_names(workplace: Path, text: str, message: str) -> None:
    define(workplace, "mine", text)
    with pytest.raises(UsageError) as caught:
        TRACKERS.get("mine")
    assert message in str(caught.value)

"""Registries find trackbench's own things, those of installed packages, and those of the working folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trackbench.errors import UsageError
from trackbench.registry import Registry, load_object


@pytest.fixture
def fruit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[str]:
    """A registry with an apple; an installed package adds a pear and things that are none."""
    site = tmp_path / "site"
    (site / "orchard-1.0.dist-info").mkdir(parents=True)
    (site / "orchard-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: orchard\nVersion: 1.0\n")
    (site / "orchard-1.0.dist-info/entry_points.txt").write_text(
        "[test.fruit]\nwilliams-pear = orchard:PEAR\nstone = orchard:STONE\nlost = nowhere:THING\n"
    )
    (site / "orchard.py").write_text("PEAR = 'a pear'\nSTONE = 3\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "garden.py").write_text("class Bed:\n    plum = 'a plum'\n")
    (folder / "weeds.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    for name in ("orchard", "garden", "weeds"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Registry("fruit", "test.fruit", str, "a text", {"red-apple": "an apple"})


def test_names_are_found_however_they_are_spelled(fruit: Registry[str]) -> None:
    assert fruit.get("Red_Apple") == "an apple"
    assert fruit.get("WilliamsPear") == "a pear"
    assert fruit.get("garden:Bed.plum") == "a plum"
    assert fruit.names() == ["red-apple", "lost", "stone", "williams-pear"]
    assert fruit.foreign_names() == ["lost", "stone", "williams-pear"]
    assert "williams pear" in fruit
    assert "garden:Bed.plum" not in fruit


def test_nothing_is_imported_unless_it_is_asked_for(fruit: Registry[str]) -> None:
    fruit.names()
    fruit.get("red-apple")
    assert not {"orchard", "garden"} & set(sys.modules)
    fruit.get("williams-pear")
    assert "orchard" in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("red-appel", r"unknown fruit 'red-appel'; did you mean 'red-apple'\? \(known: red-apple, lost, stone, will"),
        ("stone", r"fruit 'stone' of package orchard is int '3'; expected a text"),
        ("lost", r"fruit 'lost' of package orchard cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("garden:Bed.plumm", r"module 'garden' has no 'Bed.plumm'; did you mean 'plum'\?"),
        ("gardn:Bed", r"there is no module 'gardn'"),
        ("weeds:x", r"module 'weeds' imports 'not_installed_anywhere', which is not there"),
        ("garden:", r"expected module:name"),
    ],
)
def test_what_cannot_be_had_is_one_line(fruit: Registry[str], name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fruit.get(name)


def test_a_name_is_registered_once(fruit: Registry[str]) -> None:
    fruit.register("plum", "a plum")
    assert fruit.get("plum") == "a plum"
    with pytest.raises(ValueError, match="fruit 'Red Apple' is registered already"):
        fruit.register("Red Apple", "another")


def test_an_object_is_named_by_module_and_name() -> None:
    assert load_object("pathlib:Path", "key 'class'") is Path
    with pytest.raises(UsageError, match="key 'class' is 'pathlib': expected module:name"):
        load_object("pathlib", "key 'class'")

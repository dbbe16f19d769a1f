"""Fixtures that many tests share."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from command import trackbench
from hypothesis import HealthCheck, settings
from samples import write_dataset, write_trackers

# Examples are judged by what they give, not by how busy the machine is; a change is judged by the examples that the one
# before it passed. ``pytest --hypothesis-profile explore`` looks for others.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False, max_examples=1000)
settings.load_profile("steady")

# Typer's runner makes all commands anew for each call, which takes longer than many a command.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]

_STARTED = time.monotonic()

FIRST = re.compile(r"parity|golden|conformance|official|toolkit|published|referee")
LAST = re.compile(r"hostile|fuzz|limits|notebooks|latex")
"""Parts of the path of a file whose tests are worth most, and least, where time does not allow all."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Give each file to one worker of pytest-xdist: what the tests of a file share is then made once."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadfile"
        if config.getoption("--time-limit") is not None:
            config.option.loadscopereorder = False  # in the order of the collection


def pytest_addoption(parser: pytest.Parser) -> None:
    """Bound the time of a run: CI runs the heavy tests that time allows."""
    parser.addoption(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="comparisons with official code first; skip what would start later",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    limit = item.config.getoption("--time-limit")
    if limit is not None and time.monotonic() - _STARTED > limit:
        pytest.skip(f"no time left: {limit:.0f} s have passed (--time-limit)")


def worth(item: pytest.Item) -> int:
    """Return the place of a test's file where time does not allow all: comparisons with other code first."""
    path = item.nodeid.partition("::")[0]
    return 0 if FIRST.search(path) else 2 if LAST.search(path) else 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none; torch is imported only if some test needs it.

    Under ``--time-limit`` whole files are put in the order of their worth. Files are not mixed: the tests of one share
    networks and references that take longer to make than a test takes.
    """
    if config.getoption("--time-limit") is not None:
        items.sort(key=worth)
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference material; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("TRACKBENCH_REFERENCE", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference material at {folder} (set TRACKBENCH_REFERENCE)")
    return folder


@pytest.fixture(scope="session")
def crossing(reference: Path) -> Path:
    """A data root that holds one real OTB sequence, Crossing (120 frames, 360x240)."""
    return reference / "sequences"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with trackers of its own and a small data set ``data``, without the user's configuration."""
    write_trackers(tmp_path)
    write_dataset(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRACKBENCH_DATA", "TRACKBENCH_RUNS"):
        monkeypatch.delenv(name, raising=False)
    # Each test has its own module of this name.
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "sample_trackers", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def _run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    write_trackers(folder)
    write_dataset(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "sample_trackers", raising=False)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        trackbench("run", "drift", "static", "-d", "data", "--runs", "runs")
    return folder / "runs"


@pytest.fixture
def ran(_run_once: Path, workplace: Path) -> Path:
    """The folder ``runs`` in a working folder, with results of ``drift`` and ``static`` on its data set."""
    shutil.copytree(_run_once, workplace / "runs")
    return workplace / "runs"

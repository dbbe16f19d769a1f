"""The wheel holds what is needed, and works away from the source tree."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel in it; torch and the other dependencies are borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "demo", "dist")
    shutil.copytree(PROJECT, source, ignore=ignored)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)
    (site,) = venv.rglob("site-packages")
    # A folder named in a .pth file is searched, but its own .pth files (our editable install) are not followed.
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def call(python: Path, *arguments: str) -> str:
    done = subprocess.run([str(python), *arguments], cwd=python.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_what_runs(installed: Path) -> None:
    place = call(installed, "-c", "import trackbench; print(trackbench.__file__)")
    assert str(installed.parents[1]) in place


def test_content_travels_in_the_wheel(installed: Path) -> None:
    script = installed.with_name("trackbench")
    for kind in ("trackers", "datasets"):
        listed = json.loads(call(installed, str(script), "list", kind, "--json"))[kind]
        expected = {path.stem for path in (PROJECT / kind).glob("*.toml")}
        assert {row["name"].partition(":")[0] for row in listed} == expected
        assert expected
    rows = {
        row["name"]: row for row in json.loads(call(installed, str(script), "list", "datasets", "--json"))["datasets"]
    }
    assert rows["otb100"]["of"] == 100


def test_typed_and_licensed(installed: Path) -> None:
    (package,) = installed.parents[1].rglob("site-packages/trackbench")
    assert (package / "py.typed").is_file()
    assert list(package.parent.glob("trackbench-*.dist-info/licenses/LICENSE"))

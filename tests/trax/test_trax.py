"""TraX programs run as trackers: our own server, and programs written for the protocol."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Mask, Polygon, Region
from trackbench.trackers.base import Target, Tracker
from trackbench.trackers.registry import find_tracker, load_model
from trackbench.trax.client import TraxOptions, variants

FRAME = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)
TARGET = Box(5, 6, 7, 8)

PROGRAM = """
import os, sys, time
import numpy as np
import trax
from trax.server import Server

what, formats = sys.argv[1], sys.argv[2:] or ["path"]
print("words on standard output", flush=True)
if what == "exit":
    sys.exit("no licence")
if what == "sleep":
    time.sleep(60)
server = Server([trax.Region.RECTANGLE], formats)
while True:
    request = server.wait()
    if request.type != "initialize" and request.type != "frame":
        break
    image = request.image["color"]
    if what == "die":
        os._exit(3)
    if what == "think":
        time.sleep(60)
    if request.type == "initialize":
        region, start = request.objects[0][0], request.properties.dict()
        server.status([(region, {})])
        continue
    if what == "raise":
        raise KeyError("no such layer")
    if what == "hang":
        time.sleep(60)
    if image.type() == "path":
        import cv2
        pixels = cv2.imread(image.path())[:, :, ::-1]
    else:
        pixels = image.array()
    # The sum of the pixels shows that they arrive; the box moves by what it was told at the start.
    x, y, w, h = region.bounds()
    step = float(start.get("step", os.environ.get("STEP", "1")))
    region = trax.Rectangle.create(x + step, y, w, h)
    server.status([(region, {"confidence": int(pixels.astype(int).sum())})])
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The command line of the program, without arguments, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    return shlex.join([sys.executable, str(tmp_path / "program.py")])


def start(command: str, region: Region = TARGET, **options: object) -> Tracker:
    tracker = Tracker(load_model("trax:mine", options={"command": command, **options}, device="cpu"))
    tracker.init(FRAME, region)
    return tracker


@pytest.mark.parametrize("image", ["path", "memory"])
def test_a_program_tracks(program: str, image: str) -> None:
    tracker = start(f"{program} track {image}")
    for step in (1, 2, 3):
        prediction = tracker.track(FRAME)
        assert prediction.region == Box(5 + step, 6, 7, 8)
        assert prediction.score == float(FRAME.astype(int).sum())


def test_each_target_has_a_process(program: str) -> None:
    model = load_model("trax:mine", options={"command": f"{program} track"}, device="cpu")
    states = model.start([FRAME, FRAME], [Target(Box(5, 6, 7, 8)), Target(Box(1.125, 2, 3, 4))])
    for step in (1, 2):
        regions = [prediction.region for prediction in model.step([FRAME, FRAME], states)]
        assert regions == [Box(5 + step, 6, 7, 8), Box(1.125 + step, 2, 3, 4)]
    processes = [state._program._process for state in states]
    folders = [state._program._folder for state in states]
    assert all(len(list(folder.glob("*.png"))) <= 2 for folder in folders)
    del states
    assert [process.poll() for process in processes] == [0, 0]
    assert not any(folder.exists() for folder in folders)


def test_regions_become_what_the_program_takes(program: str) -> None:
    tracker = start(f"{program} track", Polygon([[10, 10], [20, 12], [18, 30], [8, 28]]))
    assert tracker.track(FRAME).region == Box(9, 10, 12, 20)
    assert isinstance(start(f"{program} track", Mask(np.ones((4, 5), bool), 3, 2)).track(FRAME).region, Box)


@pytest.mark.parametrize(
    "region",
    [
        Box(61.665, 28.654, 21.023, 23.364),
        Polygon([[137.21, 458.36], [156.83, 460.78], [148.35, 529.41], [128.72, 526.99]]),
        Mask(np.eye(7, dtype=bool), 11, 13),
        Mask(np.ones((1, 1), bool), 0, 0),
    ],
)
def test_our_server_keeps_every_digit(program: str, region: Region) -> None:
    command = shlex.join([sys.executable, "-m", "trackbench", "vot", "serve", "static", "--device", "cpu"])
    assert start(command, region).track(FRAME).region == region


def test_our_server_paints_a_box_in_a_challenge_of_masks(program: str) -> None:
    words = ["-m", "trackbench", "vot", "serve", "static", "--device", "cpu", "--region", "mask"]
    command = shlex.join([sys.executable, *words])
    assert start(command, Box(45, 35, 10, 10)).track(FRAME).region == Mask(np.ones((5, 5), bool), 45, 35)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("exit", "trax:mine: its greeting: the program ended with exit code 1 .*; it said: no licence"),
        ("raise", "trax:mine: frame 1: the program ended with exit code 1 .*KeyError: 'no such layer'"),
        ("die", "trax:mine: start: the program ended with exit code 3"),
        ("think", "trax:mine: start: no answer within 2 seconds"),
        ("hang", "trax:mine: frame 1: no answer within 2 seconds"),
        ("sleep", "trax:mine: its greeting: no answer within 2 seconds"),
    ],
)
def test_failures_are_told(program: str, what: str, message: str) -> None:
    timeout = 2.0 if what in ("hang", "sleep", "think") else 30.0
    with pytest.raises(TrackerError, match=message) as caught:
        start(f"{program} {what}", timeout=timeout).track(FRAME)
    assert "\n" not in str(caught.value)


def test_a_command_that_is_none(program: str) -> None:
    with pytest.raises(TrackerError, match=r"trax:mine cannot be started: .*nothing-of-the-kind"):
        start("nothing-of-the-kind --fast")


def test_sections_of_a_registry(program: str, tmp_path: Path) -> None:
    (tmp_path / "deep" / "code").mkdir(parents=True)
    (tmp_path / "deep" / "code" / "stepper.py").write_text(PROGRAM.replace("sys.argv[1]", '"track"'))
    registry = f"""
[line]
label = A 100%% line
command = {program} track
env_STEP = 2
[argued]
command = {program} track
arg_step = 3
[module]
protocol = traxpython
command = stepper
paths = code
timeout = 20
"""
    (tmp_path / "deep" / "trackers.ini").write_text(registry)
    for name, step in (("line", 2), ("argued", 3), ("module", 1)):
        tracker = Tracker(load_model(f"trax:{name}", options={"ini": "deep/trackers.ini"}, device="cpu"))
        tracker.init(FRAME, Box(5, 6, 7, 8))
        assert tracker.track(FRAME).region == Box(5 + step, 6, 7, 8)
    spec = find_tracker("trax:module", options={"ini": "deep/trackers.ini"})
    assert isinstance(spec.options, TraxOptions)
    assert (spec.options.timeout, spec.options.paths) == (20.0, ("code",))
    assert "ini" not in spec.identity()["options"]  # a program is known by its section, not by where that lies
    assert variants()[0][1] is not None
    (tmp_path / "deep" / "trackers.ini").rename(tmp_path / "trackers.ini")
    assert variants() == [("line", None), ("argued", None), ("module", None)]
    assert find_tracker("trax:line").name == "trax:line"


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [
        (None, "mine", r"needs a section of ./trackers.ini, --set ini=FILE, or --set command"),
        ("[csrdcf]\ncommand = x", "csr", r"has no section \[csr\]; did you mean 'csrdcf'"),
        ("[mine]\nlabel = x", "mine", r"section \[mine\]: key 'command' is missing"),
        ("[mine]\ncommand = 100%", "mine", r"section \[mine\]: '%' must be followed"),
        ("[mine]\ncommand = x\nsocket = true", "mine", "key 'socket' is set"),
        ("[mine]\ncommand = x\nprotocol = traxmatlab", "mine", "protocol"),
        ("command = x", "mine", "no section headers"),
    ],
)
def test_wrong_registries(program: str, tmp_path: Path, section: str | None, name: str, message: str) -> None:
    if section is not None:
        (tmp_path / "trackers.ini").write_text(section)
    with pytest.raises(UsageError, match=message):
        find_tracker(f"trax:{name}")

"""Classes of every declared shape, and trackers that see the whole video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import document, trackbench
from foreign_samples import target

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Mask, Polygon
from trackbench.trackers.base import Prediction, Target, Video
from trackbench.trackers.registry import find_tracker

MODULE = '''
import numpy as np
import torch
from PIL import Image


def ones(n: int):
    return torch.ones(n)


def zeros(n: int):
    return torch.nn.functional.relu(torch.zeros(n))


SCRIPT = torch.jit.script(ones)


class Shape:
    """Checks what it is given, and answers as it is told."""

    def __init__(self, answer=None, image="rgb", weights=None):
        self.answer, self.kind = answer, image

    def start(self, image, *given, **named):
        self.given, self.named = given, named
        self.check(image)

    init = initialize = start

    def check(self, image):
        if self.kind == "pil":
            assert isinstance(image, Image.Image) and image.getpixel((0, 0))[1:] == (100, 200)
        elif self.kind == "bgr":
            assert image[0, 0, 0] == 200 and image.flags.c_contiguous
        elif self.kind == "path":
            assert Image.open(image).size == (60, 40)
        else:
            assert image[0, 0, 2] == 200

    def track(self, image):
        self.check(image)
        mask = np.zeros((40, 60), np.uint8)
        mask[4:8, 2:5] = 1
        return {
            "given": lambda: [float(value) for value in np.ravel(self.given[0])],
            "named": lambda: self.named["bbox"] if self.given == (None,) else None,
            "pysot": lambda: {"bbox": np.array([1, 2, 3, 4.0]), "best_score": 0.5, "polygon": [0, 0, 9, 0, 9, 9, 0, 9]},
            "dam4sam": lambda: {"pred_mask": mask},
            "d4sm": lambda: {"masks": [mask] if self.given == ([{"bbox": [5, 6, 20, 10], "obj_id": 1}],) else []},
            "computing": lambda: [torch.is_inference_mode_enabled(), 0, 1, 1],
            "cuda": lambda: [*torch.jit.script(zeros)(2), *torch.ones(2, device="cuda:0").cuda()],
            "corners": lambda: {"out": [{"box": [1, 2, 4, 6], "p": 0.75}]},
            "sum": lambda: [float(self.given[0].sum()), 0, 1, 1],
        }[self.answer]()

    update = track


class Whole:
    def __init__(self, extra=0, seen=True):
        self.extra = extra

    def track(self, img_files, box, visualize=False):
        first = Image.open(img_files[0]).getpixel((0, 0))[0]
        boxes = np.array([[box[0] + i, box[1] + first, *box[2:]] for i in range(len(img_files) + self.extra)])
        return boxes, np.ones(len(img_files))
'''


@pytest.fixture
def ask(write: Callable[[str, str], Path], frames: list[np.ndarray]) -> Callable[..., Prediction]:
    write("shape.py", MODULE)

    def asker(told: str, kind: str = "rgb", **options: Any) -> Prediction:
        settings = {"args.answer": told, "args.image": kind, "isolated": False, **options}
        model = find_tracker("python:shape:Shape", options=settings).build("cpu")
        return model.step(frames[1:2], model.start(frames[:1], [target(Box(5, 6, 20, 10))]))[0]

    return asker


@pytest.mark.parametrize(
    ("answer", "image", "options", "expected"),
    [
        ("given", "rgb", {}, Prediction(Box(5, 6, 20, 10))),
        ("given", "pil", {"preset": "got10k"}, Prediction(Box(5, 6, 20, 10))),
        ("pysot", "bgr", {"preset": "pysot"}, Prediction(Box(1, 2, 3, 4), 0.5)),
        ("given", "bgr", {"preset": "video_analyst"}, Prediction(Box(5, 6, 20, 10))),
        ("given", "path", {"image": "path", "region": "xyxy", "form": "xyxy"}, Prediction(Box(5, 6, 20, 10))),
        ("given", "rgb", {"region": "xyxy"}, Prediction(Box(5, 6, 25, 16))),
        (
            "corners",
            "rgb",
            {"answer": "out.0.box", "form": "xyxy", "score": "out.0.p"},
            Prediction(Box(1, 2, 3, 4), 0.75),
        ),
        ("sum", "rgb", {"region": "mask", "init": "start"}, Prediction(Box(200, 0, 1, 1))),
        ("named", "rgb", {"init_arguments": ["image", "mask_or_none", "bbox=box"]}, Prediction(Box(5, 6, 20, 10))),
    ],
)
def test_each_shape_is_spoken(ask, answer: str, image: str, options: dict[str, Any], expected: Prediction) -> None:
    assert ask(answer, image, **options) == expected


def test_masks_come_with_their_box(ask) -> None:
    answer = ask("dam4sam", "pil", preset="dam4sam")
    assert answer.region == Box(2, 4, 3, 4)
    assert answer.mask == Mask(np.ones((4, 3), bool), 2, 4)


def test_the_mask_of_the_first_of_several_objects_is_taken(ask) -> None:
    assert ask("d4sm", "pil", preset="d4sm").mask == Mask(np.ones((4, 3), bool), 2, 4)


@pytest.mark.parametrize(("precision", "inference"), [({}, 0), ({"precision": "float16"}, 1)])
def test_precision_is_that_of_scripts_without_gradients(ask, precision: dict[str, str], inference: int) -> None:
    assert ask("computing", **precision).region == Box(inference, 0, 1, 1)


@pytest.mark.slow
def test_a_class_that_names_its_cuda_device_runs_on_the_cpu(ask) -> None:
    """DAM4SAM's does, and it scripts its transforms after torchvision has scripted its own."""
    assert ask("cuda", isolated=True).region == Box(0, 0, 1, 1)


def test_a_polygon_is_a_polygon(ask) -> None:
    assert ask("pysot", "bgr", preset="pysot", answer="polygon", form="polygon").region == Polygon(
        [0, 0, 9, 0, 9, 9, 0, 9]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answer": "lost"}, "answered .*, without 'lost'"),
        ({"init": "begin"}, r"has no method begin\(\); --set init=NAME of one that it has: check, init"),
        ({"args.speed": 3}, "takes no such argument"),
        (
            {"init_arguments": ["image", "sentence"]},
            "the sequence has no sentence; 'sentence_or_none' in init_arguments",
        ),
        ({"answer": "best_score", "form": "polygon"}, "answered 0.5; expected the x, y of three corners or more"),
        ({"preset": "dam4sam", "answer": "bbox"}, r"answered a mask of shape \(4,\); the frame's is \(40, 60\)"),
    ],
)
def test_a_wrong_shape_is_told(ask, options: dict[str, Any], message: str) -> None:
    image = "pil" if "preset" in options else "rgb"
    with pytest.raises(TrackerError, match=message):
        ask("pysot", image, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("python:shape", {}, r"'shape' is no name for this tracker; expected MODULE:CLASS, such as"),
        ("trackit:LoRAT", {"repo": "."}, r"'LoRAT' is no name .*; expected METHOD:CONFIG, such as LoRAT:B-224"),
        ("trackit:LoRAT:B-224", {}, r"needs its option 'repo': --set repo=VALUE$"),
        ("pytracking:a:b", {"repo": "nowhere"}, r"--set repo=.*/nowhere: there is no such folder$"),
        ("pytracking:a:b", {"repo": ".", "weights": "none.pth"}, r"--weights none.pth: there is no such file$"),
        ("sam2:a.yaml", {}, r"sam2 needs its checkpoint: --weights"),
    ],
)
def test_a_command_that_lacks_something_says_what(here: Path, name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_tracker(name, options=options)


def test_vot_objects_are_spoken(write, frames) -> None:
    pytest.importorskip("vot")
    write(
        "runtime.py",
        """
from vot.region import Rectangle
from vot.tracker import ObjectStatus

class Runtime:
    def initialize(self, frame, new=None, properties=None):
        self.region = new[0].region
        return new, 0.1

    def update(self, frame, new=None, properties=None):
        assert frame.image().shape == (40, 60, 3) and frame.size == (60, 40)
        return [ObjectStatus(Rectangle(self.region.x + 1, self.region.y, 20, 10), {})], 0.1
""",
    )
    options = {"preset": "vot-python", "isolated": False}
    model = find_tracker("python:runtime:Runtime", options=options).build("cpu")
    assert model.step(frames[1:2], model.start(frames[:1], [target(Box(5, 6, 20, 10))]))[0].region == Box(6, 6, 20, 10)


def test_a_tracker_of_whole_videos_answers_frame_by_frame_and_says_so(write, dataset: Path, here: Path) -> None:
    write("shape.py", MODULE)
    spec = find_tracker("whole-video:shape:Whole")
    assert spec.title == "whole video shape:Whole (offline)"
    common = ("run", "whole-video:shape:Whole", "-d", str(dataset), "--set", "isolated=false")
    [run] = document(*common)["runs"]
    assert run["sequences"] == 2
    [stored] = (here / run["folder"]).rglob("a.txt")
    assert np.loadtxt(stored, delimiter=",")[:2].tolist() == [[5, 6, 20, 10], [6, 6, 20, 10]]
    table = trackbench("report", "-d", str(dataset), "--no-plots").output
    assert "(offline)" in " ".join(table.split())


#: A predictor whose mask of frame i is the region moved right by i, decided at the end.
PREDICTOR = """
import numpy as np, torch
from PIL import Image

class Predictor:
    image_size, device = 8, "cpu"

    def init_state(self, path):
        frames, height, width = load_video_frames(path)
        assert frames[0].shape == (3, 8, 8) and (height, width) == (40, 60)
        return {"frames": frames, "size": (height, width)}

    def add_new_points_or_box(self, state, frame_idx, obj_id, box):
        mask = np.zeros(state["size"], bool)
        x, y, right, bottom = box.astype(int)
        mask[y:bottom, x:right] = True
        self.add_new_mask(state, frame_idx, obj_id, mask)

    def add_new_mask(self, state, frame_idx, obj_id, mask):
        state["mask"] = torch.from_numpy(mask).float() - 0.5

    def propagate_in_video(self, state):
        assert torch.is_inference_mode_enabled()
        moved = [state["mask"].roll(i * state["num_pathway"], 1)[None, None] for i in range(len(state["frames"]))]
        return ([0], moved) if state["at_once"] else ((i, [0], mask) for i, mask in enumerate(moved))

def build(config_file, ckpt_path=None, device="cuda"):
    assert (config_file, device) == ("tiny.yaml", "cpu") and ckpt_path.endswith("tiny.pt")
    return Predictor()
"""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("region", [Box(5, 6, 20, 10), Mask(np.ones((10, 20), bool), 5, 6)])
def test_a_predictor_that_decides_at_the_end_of_the_video_is_asked_once(
    write, dataset: Path, frames: list[np.ndarray], region: Box | Mask, at_once: bool
) -> None:
    """SAM2Long's returns all its masks; those of sam2 come one by one."""
    write("predictor.py", PREDICTOR)
    write("tiny.pt", "")
    options = {"preset": "sam2", "args.config_file": "tiny.yaml", "isolated": False, "trust_checkpoint": True}
    options |= {"state.num_pathway": 3, "state.at_once": at_once}
    model = find_tracker("whole-video:predictor:build", options=options, weights=Path("tiny.pt")).build("cpu")
    video = Video("a", sorted((dataset / "a/img").glob("*.png")))
    state = model.start(frames[:1], [Target(region, video=video)])
    answers = [model.step([frame], state)[0] for frame in frames[1:3]]
    assert [answer.mask for answer in answers] == [Mask(np.ones((10, 20), bool), x, 6) for x in (8, 11)]


@pytest.mark.parametrize("protocol", ["supervised", "multistart", "realtime"])
def test_protocols_that_ask_frame_by_frame_refuse_it(write, dataset: Path, protocol: str) -> None:
    write("shape.py", MODULE)
    found = trackbench("run", "whole-video:shape:Whole", "-d", str(dataset), "--protocol", protocol, code=2)
    assert "is offline, it sees the whole video before it answers" in " ".join(found.output.split())


def test_another_number_of_answers_than_frames_costs_the_sequence(write, dataset: Path) -> None:
    write("shape.py", MODULE)
    common = ("run", "whole-video:shape:Whole", "-d", str(dataset), "--set", "isolated=false", "--set", "args.extra=1")
    assert "answered 9 regions for 8 frames" in document(*common, code=1)["runs"][0]["failed"][0]["reason"]


@pytest.mark.parametrize(
    ("name", "door"),
    [("ostrack", "pytracking:ostrack:"), ("SUTrack", "pytracking:sutrack:"), ("samurai", "sam2:"), ("edge-tam", "hf:")],
)
def test_names_of_the_field_point_to_their_door(name: str, door: str) -> None:
    with pytest.raises(
        UsageError, match=f"'{name}' is not built in, but its repository runs as it is: trackbench run {door}"
    ):
        find_tracker(name)


def test_the_list_names_what_each_door_runs() -> None:
    rows = {row["name"]: row for row in document("list", "trackers")["trackers"]}
    assert "ostrack, odtrack" in rows["pytracking"]["why_not"]
    assert {"pytracking", "python", "sam2", "hf", "whole-video"} <= set(rows)

"""Repositories of the pytracking line run as they are: settings, parameters, weights, calls, answers, traps."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.model_zoo
from foreign_samples import target

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Mask
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.foreign.repository import fingerprint
from trackbench.trackers.foreign.worker.process import DoorError
from trackbench.trackers.foreign.worker.pytracking import SCORES, _path_in
from trackbench.trackers.foreign.worker.shared import filled, four, numbers, one, overlay, setting_of
from trackbench.trackers.foreign.worker.stand_ins import StandIns
from trackbench.trackers.foreign.worker.torch_patches import Pretraining
from trackbench.trackers.registry import find_tracker

ENVIRONMENT = """
import importlib, os

def env_settings():
    try:
        return importlib.import_module("lib.test.evaluation.local").local_env_settings()
    except Exception:
        open(os.path.join(os.path.dirname(__file__), "local.py"), "w").write("overwritten")
        raise RuntimeError("YOU HAVE NOT SETUP YOUR local.py!!!")
"""

PARAMETERS = """
import os
from lib.test.evaluation.environment import env_settings


class TrackerParams:
    pass


def parameters(yaml_name, run_id=None):
    params = TrackerParams()
    settings = env_settings()
    params.yaml = open(os.path.join(settings.prj_dir, "experiments/tiny/%s.yaml" % yaml_name)).read()
    name = "checkpoints/train/tiny/%s/TINY_ep%04d.pth.tar" % (yaml_name, run_id)
    params.checkpoint = os.path.join(settings.save_dir, name)
    params.run_id, params.otb = run_id, settings.otb_path
    return params
"""

TRACKER = """
import json
import lmdb
import numpy as np
import torch
import wandb
from tensorboardX import SummaryWriter
from torch._six import string_classes
from visdom import Visdom
import pycocotools.mask as mask_utils
{imports}


class Writer(SummaryWriter):
    pass


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dx = torch.nn.Parameter(torch.zeros(1))
        {build}


class Tiny:
    def __init__(self, params, dataset_name):
        self.params = params
        print("dataset", dataset_name)
        wandb.init(project="tiny")
        network = Net()
        network.load_state_dict(torch.load(params.checkpoint, map_location="cpu")["net"], strict=True)
        self.network = network.cuda()
        self.window = torch.ones(1, device="cuda").to("cuda:0")
        self.dataset_name = dataset_name

    def initialize(self, {signature}):
        {begin}
        assert set(info) == {{"init_bbox", "seq_name", "init_nlp", "init_mask", "class"}}
        self.state, self.first = list(info["init_bbox"]), info
        self.kind = np.int(3), str(torch.tensor(info["init_bbox"]).dtype)

    def track(self, image, info=None):
        assert "gt_bbox" not in info and not torch.is_grad_enabled()
        self.state[0] = float(self.state[0]) + float(self.network.dx * self.window)
        told = [self.dataset_name, self.params.run_id, self.params.yaml, self.first["init_nlp"], info["frame_num"]]
        print(json.dumps(told))
        {track}
        return {answer}


def get_tracker_class():
    return Tiny
"""

FRAME = np.full((30, 40, 3), 50, np.uint8)


class Statistics:
    """What training programs leave in checkpoints."""


@pytest.fixture
def repo(write: Callable[[str, str], Path], here: Path) -> Callable[..., Path]:
    def make(answer: str = '{"target_bbox": self.state}', **code: str) -> Path:
        write("repo/lib/test/evaluation/environment.py", ENVIRONMENT)
        write("repo/lib/test/parameter/tiny.py", code.pop("parameters", PARAMETERS))
        write("repo/experiments/tiny/base.yaml", "size: 1")
        write("repo/ops/scan/setup.py", "setup(name='scan', ext_modules=[CUDAExtension('scan_cuda', ['scan.cu'])])")
        code = {"imports": "", "build": "pass", "track": "pass", "signature": "image, info", "begin": "pass"} | code
        write("repo/lib/test/tracker/tiny.py", TRACKER.format(answer=answer, **code))
        torch.save({"net": {"dx": torch.tensor([1.5])}, "stats": Statistics()}, here / "TINY_ep0120.pth.tar")
        return here / "repo"

    return make


def build(name: str = "pytracking:tiny:base", dataset: str | None = "otb100", **options: Any) -> ForeignModel:
    weights = options.pop("weights", Path("TINY_ep0120.pth.tar"))
    trust = options.pop("trust", False)
    settings = {"repo": "repo", "timeout": 120, **options}
    spec = find_tracker(name, dataset, settings, weights=weights, trust_checkpoint=trust)
    model = spec.build("cpu")
    assert isinstance(model, ForeignModel)
    return model


def track_once() -> None:
    model = build()
    model.step([FRAME], model.start([FRAME], [target(Box(3, 4, 5, 6))]))


def test_a_repository_runs_without_an_edit(repo, here: Path) -> None:
    """Settings, parameters by name, data set's name, stand-ins, a checkpoint with objects, CUDA on a CPU."""
    repo('{"target_bbox": self.state, "best_score": torch.tensor([[0.25]]), "conf_score": 9}')
    log = here / "log"
    model = build(log=log)
    state = model.start([FRAME], [target(Box(3, 4, 5, 6), sentence="the white car")])
    answers = [model.step([FRAME], state)[0] for _ in range(2)]
    assert [answer.region for answer in answers] == [Box(4.5, 4, 5, 6), Box(6, 4, 5, 6)]
    assert answers[0].score == 0.25
    assert '["otb", 120, "size: 1", "the white car", 2]' in log.read_text()
    record = model.record()
    assert record["dataset_name"] == "otb"
    absent = {name for name in ("lmdb", "wandb", "visdom", "tensorboardX", "pycocotools") if find_spec(name) is None}
    assert {"torch._six", "numpy.int"} | absent <= set(record["stand_ins"])
    assert "torch" in record["versions"]
    assert not list(here.rglob("local.py"))
    assert not list(here.rglob("lib/train"))


def test_the_name_of_the_video_is_passed_where_initialize_asks_for_it(repo) -> None:
    """HIPTrack's does."""
    repo(signature="image, info, videoName", begin='assert videoName == info["seq_name"]')
    track_once()


def test_the_class_of_the_object_is_passed_where_the_data_set_has_it(repo) -> None:
    """DUTrack describes the target by it; its own scripts pass it with each frame."""
    repo(begin='assert info["class"] == "horse"', track='assert info["class"] == "horse"')
    model = build()
    model.step([FRAME], model.start([FRAME], [target(Box(3, 4, 5, 6), category="horse")]))


def test_what_torchvision_removed_is_there_again(repo, write: Callable[[str, str], Path]) -> None:
    """STARK and its line import it, under conditions that new version numbers fulfil by mistake."""
    for name in ("__init__", "ops/__init__", "ops/misc", "models/__init__"):
        write(f"repo/torchvision/{name}.py", "")
    removed = """
from torchvision.models.utils import load_state_dict_from_url
from torchvision.ops import _new_empty_tensor
from torchvision.ops.misc import _output_size
"""
    repo(imports=removed, build="assert callable(load_state_dict_from_url)")
    track_once()


@pytest.mark.slow
def test_the_checkpoint_goes_where_the_parameters_have_a_place_for_it(repo) -> None:
    """CSWinTT's call it ``checkpoint_cls``."""
    repo(parameters=PARAMETERS.replace("params.checkpoint", "params.checkpoint_cls"))
    tracker = Path("repo/lib/test/tracker/tiny.py")
    tracker.write_text(tracker.read_text().replace("params.checkpoint", "params.checkpoint_cls"))
    track_once()


def test_targets_of_one_tracker_do_not_mix(repo) -> None:
    repo()
    model = build()
    states = model.start([FRAME] * 2, [target(Box(3, 4, 5, 6)), target(Box(30, 4, 5, 6))])
    answers = [model.step([FRAME] * 2, states) for _ in range(2)][-1]
    assert [answer.region for answer in answers] == [Box(6, 4, 5, 6), Box(33, 4, 5, 6)]


def test_the_identity_names_code_and_weights_and_not_where_they_lie(repo) -> None:
    repo()
    spec = find_tracker("pytracking:tiny:base", "lasot-ext", {"repo": "repo"}, weights=Path("TINY_ep0120.pth.tar"))
    identity = spec.identity()
    assert len(identity["files_sha256"]["weights"]) == 64
    assert spec.label == "pytracking:tiny:base@TINY_ep0120"
    assert identity["options"]["dataset_name"] == "lasot_extension_subset"
    assert list(identity["options"]["repository"]) == ["sources_sha256"]
    assert str(Path.cwd()) not in str(identity)
    Path("repo/lib/more.py").write_text("x = 1")
    assert (
        find_tracker("pytracking:tiny:base", "lasot", {"repo": "repo"}).identity()["options"]["repository"]
        != identity["options"]["repository"]
    )


@pytest.mark.parametrize("git", [False, True])
def test_runs_that_are_stored_in_a_repository_are_no_change_of_it(repo, git: bool) -> None:
    folder = repo()
    if git:
        for command in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c"],
        ):
            subprocess.run(["git", "-C", str(folder), *command], check=True)
    before = fingerprint(folder)
    run = folder / "runs/tiny/otb100/one-pass"
    (run / "sessions").mkdir(parents=True)
    for name in ("manifest.json", "sessions/first.json"):
        (run / name).write_text("{}")
    assert fingerprint(folder) == before
    (folder / "runs/more.py").touch()
    assert fingerprint(folder) != before


@pytest.mark.slow  # a process with torch for each
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            {"imports": "import clip"},
            r"needs the package 'clip': .*pip install git\+https://github.com/openai/CLIP.git",
        ),
        (
            {"imports": "from CLIP import clip"},
            r"imports 'CLIP': git clone https://github.com/openai/CLIP .*/repo/CLIP$",
        ),
        (
            {"imports": "import scan_cuda"},
            r"needs the package 'scan_cuda', which it holds: .*pip install .*/repo/ops/scan ",
        ),
        ({"imports": "import lib.models.lost"}, "imports 'lib.models.*', which it does not contain"),
        ({"track": 'open("/home/author/data.txt")'}, "looks for /home/author/data.txt, a path of its author"),
        ({"track": "Visdom().image(image)"}, "visdom.Visdom is called while tracking.*pip install visdom"),
        (
            {"begin": 'info["init_nlp"].split()'},
            r"asks for a sentence \('init_nlp'\), which this sequence lacks, and fails: AttributeError: .*tiny.py, ",
        ),
        ({"track": "return (1, 2)"}, "answered 1; expected a dict with 'target_bbox'"),
        (
            {"build": 'self.load_state_dict(torch.load("mae.pth")); self.more = torch.nn.Parameter(torch.ones(1))'},
            r"pre-training mae.pth is not there; the checkpoint does not fit its Net: 1 weights are missing \('more'\)",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(repo, code: dict[str, str], message: str) -> None:
    repo(**code)
    with pytest.raises(TrackerError, match=message) as caught:
        track_once()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_path_of_the_configuration_is_named_and_can_be_set(repo, here: Path) -> None:
    """DUTrack's configuration holds the folders of BERT and BLIP on its author's machine."""
    configured = PARAMETERS.replace("return", "params.cfg = dict(MODEL=dict(BERT='/home/author/bert'))\n    return")
    repo(parameters=configured, build="pass", begin="open(self.params.cfg['MODEL']['BERT'])")
    with pytest.raises(TrackerError, match=r"/home/author/bert, .*, or --set params\.cfg\.MODEL\.BERT=PATH$"):
        track_once()
    (here / "bert").touch()
    model = build(**{"params.cfg.MODEL.BERT": str(here / "bert")})
    model.start([FRAME], [target(Box(3, 4, 5, 6))])


def test_a_file_of_pretraining_is_not_needed_where_the_checkpoint_has_every_weight(repo) -> None:
    repo(build='self.load_state_dict(torch.load("pretrained/mae.pth")["model"], strict=False)')
    assert build().record()["pretraining_skipped"] == ["pretrained/mae.pth"]


def test_without_weights_it_says_where_the_repository_would_look(repo) -> None:
    repo()
    with pytest.raises(
        TrackerError, match=r"needs --weights FILE; .*repo/output/checkpoints/train/tiny/base/TINY_ep0007.pth.tar"
    ):
        build(weights=None, epoch=7)


def test_masks_pass_both_ways_and_tuples_give_their_first(repo) -> None:
    answer = (
        '({"target_bbox": torch.tensor([[1., 2, 3, 4]]), "segmentation": self.first["init_mask"] * 1.0}, None, None)'
    )
    repo(answer)
    model = build()
    model.takes = (Box, Mask)  # type: ignore[misc]
    mask = Mask(np.ones((4, 5), bool), 10, 20)
    [answer_] = model.step([FRAME], model.start([FRAME], [target(mask)]))
    assert answer_.region == Box(1, 2, 3, 4)
    assert answer_.mask == mask


def test_a_checkpoint_that_runs_commands_needs_trust(repo) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.system, ("touch executed",)

    repo()
    torch.save({"net": {"dx": torch.tensor([2.0])}, "x": Hostile()}, "bad_ep3.pth")
    with pytest.raises(TrackerError, match=r"asks to call posix.system .*--trust-checkpoint"):
        build(weights=Path("bad_ep3.pth"))
    assert not list(Path.cwd().rglob("executed"))
    model = build(weights=Path("bad_ep3.pth"), trust=True)
    assert model.record()["trust_checkpoint"] is True
    assert list(Path.cwd().rglob("executed"))


def test_the_original_dialect_runs_too(write, here: Path) -> None:
    write("repo/pytracking/__init__.py", "")
    write("repo/pytracking/evaluation/environment.py", ENVIRONMENT.replace("lib.test.", "pytracking."))
    write(
        "repo/pytracking/parameter/dimp/dimp50.py",
        "from types import SimpleNamespace as S\n\n\ndef parameters():\n    return S(net=S(net_path='dimp50.pth'))\n",
    )
    write(
        "repo/pytracking/tracker/dimp/__init__.py",
        "from .dimp import DiMP\n\n\ndef get_tracker_class():\n    return DiMP\n",
    )
    write(
        "repo/pytracking/tracker/dimp/dimp.py",
        """
import torch
from pytracking.evaluation.environment import env_settings

class DiMP:
    def __init__(self, params):
        self.params = params

    def initialize_features(self):
        self.dx = torch.load(self.params.net.net_path)["net"]["dx"].requires_grad_()

    def initialize(self, image, info):
        self.box = info["init_bbox"]
        return {"time": 0.1}

    def track(self, image, info):
        (self.dx * 2).sum().backward()
        assert info["previous_output"] is not None
        return {"target_bbox": [self.box[0] + float(self.dx.grad), *self.box[1:]], "max_score": 1}
""",
    )
    torch.save({"net": {"dx": torch.tensor([1.5])}}, "dimp50.pth")
    model = build("pytracking:dimp:dimp50", weights=Path("dimp50.pth"))
    assert model.step([FRAME], model.start([FRAME], [target(Box(3, 4, 5, 6))]))[0].region == Box(5, 4, 5, 6)
    assert model.record()["dialect"] == "pytracking"


@pytest.mark.slow  # a process with torch for each
@pytest.mark.parametrize(
    ("name", "net", "message"),
    [
        (
            "TINY_ep0120.pth",
            {"model": {}},
            r"TINY_ep0120.pth has no entry 'net' \(there: model\); expected a checkpoint",
        ),
        (
            "TINY_ep0120.pth",
            {"net": {"dy": torch.ones(1)}},
            r"does not fit its Net: 1 weights are missing \('dx'\), 1 ",
        ),
        ("tiny.pth", {"net": {"dx": torch.ones(1)}}, r"its parameters want the epoch: --set epoch=NUMBER"),
    ],
)
def test_a_checkpoint_of_something_else_is_told(repo, name: str, net: dict[str, Any], message: str) -> None:
    repo()
    torch.save(net, name)
    with pytest.raises(TrackerError, match=message):
        build(weights=Path(name))


def test_a_segmentation_of_another_size_is_counted_and_is_no_answer(repo) -> None:
    repo('{"target_bbox": self.state, "segmentation": np.ones((4, 4))}')
    model = build()
    answers = model.step([FRAME], model.start([FRAME], [target(Box(3, 4, 5, 6))]))
    assert answers[0].mask is None
    model.start([FRAME], [target(Box(3, 4, 5, 6))])
    assert model.record()["masks_of_another_size"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pytracking:tiny:large", {}, r"no configuration 'large' of tiny \(there: base\)"),
        ("pytracking:tiny", {}, r"name a configuration: pytracking:tiny:CONFIG \(there: base\)"),
        ("pytracking:tinny:base", {}, r"has no tracker 'tinny' \(there: tiny\)"),
        ("pytracking:tiny:base", {"repo": "."}, "expected a repository of the pytracking line"),
        ("pytracking:tiny:base", {"args.nosuch": 1}, "takes no such argument"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_ones(repo, name: str, options: dict[str, Any], message: str) -> None:
    repo()
    with pytest.raises(TrackerError, match=message):
        build(name, **options)


def test_trust_is_for_trackers_that_load_checkpoints_themselves() -> None:
    with pytest.raises(UsageError, match="loads no checkpoint by itself"):
        find_tracker("dcf", trust_checkpoint=True)


KNOWN = {
    "model": "W",
    "weight_path": "W",
    "checkpoint_path": "W",
    "run_id": 7,
    "epoch": 7,
    "run_epoch": 7,
    "dataset_name": "otb",
}


@pytest.mark.parametrize(
    ("signature", "own", "expected"),
    [
        ("(yaml_name)", {}, {"yaml_name": "c"}),
        ("(yaml_name, run_id=None)", {}, {"yaml_name": "c", "run_id": 7}),
        ("(yaml_name, run_id)", {}, {"yaml_name": "c", "run_id": 7}),
        ("(yaml_name, epoch=None)", {}, {"yaml_name": "c", "epoch": 7}),
        ("(yaml_name, epoch=None, variants=None)", {"variants": 2}, {"yaml_name": "c", "epoch": 7, "variants": 2}),
        ("(yaml_name, run_epoch, pl_produce=False, save_dir_name='')", {}, {"run_epoch": 7, "pl_produce": False}),
        (
            "(yaml_name, model=None, search_area_scale=None)",
            {"search_area_scale": 4.5},
            {"model": "W", "search_area_scale": 4.5},
        ),
        ("(yaml_name, weight_path)", {}, {"weight_path": "W"}),
        ("()", {}, {}),
        ("(params)", {}, {"params": "c"}),
        ("(params, dataset_name)", {}, {"params": "c", "dataset_name": "otb"}),
        (
            "(params, dataset_name, checkpoint_path, save_sfr)",
            {"save_sfr": True},
            {"checkpoint_path": "W", "save_sfr": True},
        ),
        ("(params, *rest, **more)", {"any": 1}, {"params": "c", "more": {"any": 1}}),
    ],
)
def test_arguments_are_filled_by_name(signature: str, own: dict[str, Any], expected: dict[str, Any]) -> None:
    scope: dict[str, Any] = {}
    exec(f"def function{signature}: return dict(locals())", scope)
    found = filled(scope["function"], ["c"], KNOWN, own, "function")
    assert {key: found[key] for key in expected} == expected


def test_a_missing_argument_prints_the_signature() -> None:
    def parameters(yaml_name: str, save_sfr: bool) -> None:
        """Need what nobody knows."""

    with pytest.raises(
        DoorError, match=r"parameters\(yaml_name.*, save_sfr.*\) .*needs 'save_sfr': --set args.save_sfr=VALUE"
    ):
        filled(parameters, ["c"], KNOWN, {}, "parameters")


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2, 3, 4],
        (1.0, 2, 3, 4),
        np.array([1, 2, 3, 4]),
        torch.tensor([[1.0, 2, 3, 4]]),
        [torch.tensor(1), 2, np.float32(3), 4],
    ],
)
def test_boxes_come_in_all_sorts(answer: Any) -> None:
    assert four(answer, "track()") == [1, 2, 3, 4]


@pytest.mark.parametrize("answer", [None, [1, 2, 3], "box", [1, 2, 3, math.inf], {"x": 1}, [[1, 2], None]])
def test_what_is_no_box_is_quoted(answer: Any) -> None:
    with pytest.raises(DoorError, match="expected the 4 numbers x, y, w, h"):
        four(answer, "track()")


def test_scores_are_the_best_of_what_is_there() -> None:
    assert one(torch.tensor([[0.1, 0.7]])) == pytest.approx(0.7)
    assert one(None) is None
    assert one(float("nan")) is None
    assert numbers([[1], [2, [3]]]) == [1, 2, 3]
    assert SCORES == ("best_score", "conf_score", "object_presence_score", "pred_score")


def test_some_packages_are_never_made_up() -> None:
    finder = StandIns({"wandb": "wandb"})
    for name in ("clip", "fvcore", "mamba_ssm", "causal_conv1d", "skimage", "lib"):
        assert finder.find_spec(name, None) is None
    assert finder.find_spec("wandb.sdk.lib", None) is not None


def test_downloads_of_pretraining_are_skipped_under_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(url: str) -> None:
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    model_zoo: Any = torch.utils.model_zoo
    monkeypatch.setattr(model_zoo, "load_url", no_network)
    net = torch.nn.Linear(1, 1)
    with Pretraining("lib.") as pretraining:
        net.load_state_dict(model_zoo.load_url("https://example.org/resnet.pth"))
        net.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.ones(1)})
    assert pretraining.skipped == ["https://example.org/resnet.pth"]
    pretraining.check("it")
    with pytest.raises(OSError, match="no route"):
        model_zoo.load_url("https://example.org/resnet.pth")


def test_a_function_that_loads_its_file_of_pretraining_itself_is_left_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """SeqTrack's cuts the position embedding of the file before any module loads it."""

    def load_pretrained(path: str) -> None:
        try:
            torch.load(path)["pos_embed"][:, 1:].reshape(1, -1)
        except Exception as error:
            raise AssertionError("went on") from error

    module = ModuleType("lib.vit")
    monkeypatch.setitem(sys.modules, "lib.vit", module)
    module.load_pretrained = load_pretrained  # type: ignore[attr-defined]
    with Pretraining("lib.") as pretraining:
        module.load_pretrained("mae.pth")
    assert pretraining.skipped == ["mae.pth"]


def test_settings_within_settings_are_found_and_set() -> None:
    params = SimpleNamespace(size=1, cfg={"MODEL": SimpleNamespace(BERT="/home/author/bert", DIM=2)})
    assert setting_of(params, "/home/author/bert") == "cfg.MODEL.BERT"
    assert setting_of(params, "/elsewhere") is None
    overlay(params, {"new": 3, "cfg": {"MODEL": {"BERT": "here"}}}, "params")
    assert params == SimpleNamespace(size=1, new=3, cfg={"MODEL": SimpleNamespace(BERT="here", DIM=2)})
    with pytest.raises(DoorError, match=r"--set params\.cfg\.MODEL\.BURT: .* \(there: BERT, DIM\)"):
        overlay(params, {"cfg": {"MODEL": {"BURT": "here"}}}, "params")


def test_paths_of_authors_are_found_in_what_libraries_say(tmp_path: Path) -> None:
    assert _path_in(FileNotFoundError(2, "No such file", "/home/author/weights.pth")) == "/home/author/weights.pth"
    assert _path_in(OSError("Repo id must be in the form 'a/b': '/home/author/bert'.")) == "/home/author/bert"
    assert _path_in(OSError(f"cannot map '{tmp_path}'")) is None
    assert _path_in(OSError("disk full")) is None

"""Repositories of the pytracking line: ``lib/test/{parameter,tracker}`` (STARK and after), ``pytracking/`` (before).

Facts of 23 official repositories: what their functions take, what their trackers answer, where they look for files.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import re
import sys
import tempfile
import types
from collections import OrderedDict
from typing import Any, Iterator, NamedTuple

from .process import DoorError, describe_error
from .shared import LoopedDoor, enter, entries, filled, four, one, overlay, setting_of, shortened
from .stand_ins import INERT, stand_in
from .torch_patches import Pretraining, load_safely, pretend_cuda, without_entry

#: Where a tracker says how sure it is, in the order in which they are looked for.
SCORES = ("best_score", "conf_score", "object_presence_score", "pred_score")

#: What takes the checkpoint, and what the number of its epoch, where a signature names it.
WEIGHTS = ("model", "weight_path", "checkpoint_path")
EPOCHS = ("run_id", "epoch", "run_epoch")


class Dialect(NamedTuple):
    """How a repository's modules are called."""

    tracker: str
    parameter: str
    settings: tuple[str, ...]
    package: str
    name: str


STARK = Dialect(
    "lib.test.tracker", "lib.test.parameter", ("lib.test.evaluation.local", "lib.train.admin.local"), "lib.", "stark"
)
ORIGINAL = Dialect(
    "pytracking.tracker",
    "pytracking.parameter",
    ("pytracking.evaluation.local", "ltr.admin.local"),
    "ltr.",
    "pytracking",
)


class Settings:
    """What ``local_env_settings()`` returns: folders of this run; every other path is an empty folder."""

    def __init__(self, repo: str, save_dir: str, network_path: str, empty: str) -> None:
        self.prj_dir = self.workspace_dir = repo
        self.save_dir = save_dir
        self.network_path = network_path
        self._empty = empty

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._empty


#: What a data set may lack -> how a message says it.
LACKING = {
    "init_nlp": "a sentence ('init_nlp')",
    "init_mask": "a mask ('init_mask')",
    "class": "the class of the object ('class')",
}


class Told(dict):  # type: ignore[type-arg]
    """What a tracker is told of a frame; it knows what was looked up and is not there."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self._asked: list[str] = []

    def __getitem__(self, key: str) -> Any:
        return self._seen(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is told under ``key``."""
        return self._seen(key, super().get(key, default))

    def _seen(self, key: str, value: Any) -> Any:
        if value is None:
            self._asked.append(key)
        return value

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Say what the data set lacks where the tracker fails after it has asked for that."""
        try:
            yield
        except (TypeError, AttributeError, ValueError, AssertionError) as error:
            lacking = [LACKING[key] for key in self._asked if key in LACKING]
            if not lacking:
                raise
            message = "the tracker asks for {}, which this sequence lacks, and fails: {type}: {message}"
            raise DoorError(message.format(lacking[-1], **describe_error(error))) from error


class Door(LoopedDoor):
    """One object of the repository's tracker class for each target."""

    def __init__(self, options: dict[str, Any], device: str) -> None:
        super().__init__(options, device)
        self._repo: str = options["repo"]
        self._weights: str | None = options["weights"]
        self._dataset = options["dataset_name"] or ""
        self._dialect = self._told()
        self._stand_ins = stand_in(INERT)
        self._skipped: list[str] = []
        self._built_with: Any = None
        self._unusable_masks = 0
        enter(self._repo)
        self._settings()
        self._guarded(self._import)
        self.prepare()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        return dict(
            super().record(),
            dialect=self._dialect.name,
            dataset_name=self._dataset,
            stand_ins=self._stand_ins.used,
            pretraining_skipped=self._skipped,
            **({"masks_of_another_size": self._unusable_masks} if self._unusable_masks else {}),
        )

    def _told(self) -> Dialect:
        name = self.options["name"]
        for dialect, path in ((STARK, "lib/test/tracker/{}.py"), (ORIGINAL, "pytracking/tracker/{}")):
            if os.path.exists(os.path.join(self._repo, path.format(name))):
                return dialect
        for folder in ("lib/test/tracker", "pytracking/tracker"):
            known = os.path.join(self._repo, folder)
            if os.path.isdir(known):
                here = ", ".join(_trackers(known)) or "none"
                raise DoorError(f"{known} has no tracker '{name}' (there: {here})")
        message = (
            "{}: no lib/test/tracker/{}.py and no pytracking/tracker/{}: expected a repository of the pytracking line"
        )
        raise DoorError(message.format(self._repo, name, name))

    def _settings(self) -> None:
        """Put settings where ``env_settings()`` looks first, so that no ``local.py`` is read, or overwritten."""
        empty = tempfile.mkdtemp(prefix="trackbench-empty-")
        folder = os.path.dirname(self._weights) if self._weights else os.path.join(self._repo, "output")
        save = self.options["save_dir"] or os.path.join(self._repo, "output")
        settings = Settings(self._repo, save, folder, empty)
        for name in self._dialect.settings:
            module = types.ModuleType(name)
            module.local_env_settings = lambda: settings  # type: ignore[attr-defined]
            module.EnvironmentSettings = lambda: settings  # type: ignore[attr-defined]
            sys.modules[name] = module

    def _import(self) -> None:
        import torch

        load_safely(self.options["trust_checkpoint"])
        if not self.device.startswith("cuda"):
            pretend_cuda()
        self._stand_ins.aliases()
        self._stand_ins.torchvision()
        # Trackers of the original line optimise while they track.
        torch.set_grad_enabled(self._dialect is ORIGINAL)
        name = self.options["name"]
        self._parameters = importlib.import_module(self._parameter_module()).parameters
        module = importlib.import_module(f"{self._dialect.tracker}.{name}")
        self._class = module.get_tracker_class()

    def _parameter_module(self) -> str:
        name, config = self.options["name"], self.options["config"]
        if self._dialect is STARK:
            return f"{self._dialect.parameter}.{name}"
        return "{}.{}.{}".format(self._dialect.parameter, name, config or "default")

    def _known(self) -> dict[str, Any]:
        weights = self._weights
        epoch = self.options["epoch"]
        if epoch is None and weights is not None:
            number = re.search(r"ep(?:och)?[_-]?0*(\d+)", os.path.basename(weights)) or re.search(
                r"(\d+)\D*$", os.path.basename(weights).partition(".")[0]
            )
            epoch = int(number.group(1)) if number else None
        known: dict[str, Any] = dict.fromkeys(WEIGHTS, weights)
        known.update(dict.fromkeys(EPOCHS, epoch))
        known["dataset_name"] = self._dataset
        known["parameter_name"] = self.options["config"]
        return known

    def build(self) -> Any:
        """Return a tracker with its parameters, as the repository's own scripts build one for each sequence."""
        return self._guarded(self._build)

    def _build(self) -> Any:
        name, config = self.options["name"], self.options["config"]
        own = self.options["args"]
        in_class = set(inspect.signature(self._class).parameters)
        in_parameters = set(inspect.signature(self._parameters).parameters)
        for_parameters = {key: value for key, value in own.items() if key in in_parameters or key not in in_class}
        for_class = {key: value for key, value in own.items() if key in in_class}
        first = [config] if self._dialect is STARK else []
        here = _configurations(os.path.join(self._repo, "experiments", name))
        if self._dialect is STARK and config is None:
            raise DoorError("name a configuration: pytracking:{}:CONFIG (there: {})".format(name, ", ".join(here)))
        known = self._known()
        try:
            parameters = filled(self._parameters, first, known, for_parameters, "parameters")
        except FileNotFoundError as error:
            if (
                self._dialect is not STARK
                or config in here
                or os.path.basename(str(error.filename)) != config + ".yaml"
            ):
                raise
            message = "no configuration '{}' of {} (there: {})"
            raise DoorError(message.format(config, name, ", ".join(here) or "none")) from error
        except TypeError as error:
            asked = [key for key in EPOCHS if key in in_parameters and known[key] is None and key not in own]
            if not asked:
                raise
            message = (
                "its parameters want the epoch: --set epoch=NUMBER, or a checkpoint whose name ends in it ({}: {})"
            )
            raise DoorError(message.format(type(error).__name__, error)) from error
        looked_for = getattr(parameters, "checkpoint", None)
        if self._weights is not None:
            # CSWinTT's parameters call it checkpoint_cls.
            others = [key for key in entries(parameters) if key.startswith("checkpoint_")]
            for key in ["checkpoint"] if _has(parameters, "checkpoint") or not others else others:
                setattr(parameters, key, self._weights)
            net = getattr(parameters, "net", None)
            if net is not None and hasattr(net, "net_path"):
                net.net_path = self._weights
        elif isinstance(looked_for, str) and not os.path.exists(looked_for):
            raise DoorError(f"needs --weights FILE; the repository itself would look for {looked_for}")
        parameters.debug = 0
        parameters.tracker_name, parameters.param_name = name, config
        for key, value in (("save_all_boxes", False), ("visualization", False), ("vis_attn", 0)):
            if not _has(parameters, key):
                setattr(parameters, key, value)
        overlay(parameters, self.options["params"], "params")
        self._built_with = parameters
        with Pretraining(self._dialect.package) as pretraining:
            try:
                tracker = filled(self._class, [parameters], known, for_class, self._class.__name__)
            except KeyError as error:
                raise without_entry(error) or error from error
        pretraining.check(str(parameters.checkpoint) if _has(parameters, "checkpoint") else "the checkpoint")
        self._skipped = pretraining.skipped
        if hasattr(tracker, "initialize_features"):
            tracker.initialize_features()
        return tracker

    def initialize(self, tracker: Any, image: Any, target: dict[str, Any]) -> dict[str, Any]:
        """Call ``initialize(image, info)``."""
        import numpy as np

        self._stand_ins.tracking = False
        # The runners read boxes from arrays, so each number is a numpy scalar, which torch.tensor() makes float64.
        info = Told(init_bbox=list(np.array(target["box"], np.float64)), seq_name=target.get("sequence", ""))
        info["init_nlp"] = target["sentence"]
        # DUTrack describes the target by the class of the object.
        info["class"] = target["category"]
        info["init_mask"] = None if target.get("mask") is None else target["mask"].astype(np.uint8)
        # HIPTrack's initialize takes the name as a third argument.
        known = dict.fromkeys(("videoName", "video_name", "seq_name"), info["seq_name"])
        with info.explained():
            answer = self._guarded(filled, tracker.initialize, [image, info], known, {}, "initialize")
        return {
            "previous": OrderedDict(answer) if isinstance(answer, dict) else OrderedDict(),
            "frame": 0,
            "sequence": info["seq_name"],
            "takes": set(inspect.signature(tracker.track).parameters),
            "told": {"init_nlp": target["sentence"], "class": target["category"]},
        }

    def track(self, tracker: Any, image: Any, memory: dict[str, Any]) -> dict[str, Any]:
        """Call ``track(image, info)``; the ground truth is never passed."""
        memory["frame"] += 1
        info = Told(previous_output=memory["previous"], seq_name=memory["sequence"], frame_num=memory["frame"])
        info.update(memory["told"])
        self._stand_ins.tracking = True
        try:
            known = {"info": info, "dataset_name": self._dataset, "seq_name": memory["sequence"]}
            arguments = {name: value for name, value in known.items() if name in memory["takes"]}
            with info.explained():
                answer = self._guarded(tracker.track, image, **arguments)
        finally:
            self._stand_ins.tracking = False
        while isinstance(answer, tuple) and answer:
            answer = answer[0]
        if not isinstance(answer, dict) or "target_bbox" not in answer:
            raise DoorError(f"track() answered {shortened(answer)}; expected a dict with 'target_bbox'")
        memory["previous"] = OrderedDict(answer)
        return {
            "box": four(answer["target_bbox"], "track()"),
            "score": next((one(answer[key]) for key in SCORES if answer.get(key) is not None), None),
            "mask": self._mask(answer.get("segmentation"), image.shape[:2]),
        }

    def _mask(self, value: Any, size: tuple[int, int]) -> Any:
        """Return a segmentation as bool (H, W); of another size than the frame it is counted, and is no answer."""
        import numpy as np

        if value is None:
            return None
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        mask = np.asarray(value)
        if mask.ndim < 2 or mask.shape[-2:] != tuple(size) or mask.size != size[0] * size[1]:
            self._unusable_masks += 1
            return None
        return mask.reshape(size) > 0.5

    def _guarded(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call something of the repository; what the user can mend becomes one line that says how."""
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            raise self._missing(error) from error
        except OSError as error:
            path = _path_in(error)
            if path is None:
                raise
            setting = setting_of(self._built_with, path)
            instead = f"--set params.{setting}=PATH" if setting else "change the path in the repository"
            if path.startswith(self._repo) or not os.path.isabs(path):
                raise DoorError(f"{path} is not there; put it there, or {instead}") from error
            raise DoorError(
                f"the repository looks for {path}, a path of its author: put the file there, or {instead}"
            ) from error

    def _missing(self, error: ModuleNotFoundError) -> DoorError:
        name = error.name or str(error)
        top = name.partition(".")[0]
        if os.path.exists(os.path.join(self._repo, top)) or top in ("lib", "ltr", "pytracking"):
            return DoorError(f"the repository imports '{name}', which it does not contain")
        if top == "CLIP":
            message = "the repository imports 'CLIP': git clone https://github.com/openai/CLIP {}"
            return DoorError(message.format(os.path.join(self._repo, "CLIP")))
        source = _source_of(top, self._repo)
        if source:
            message = "the repository needs the package '{}', which it holds: {} -m pip install {} (or --set python=)"
            return DoorError(message.format(top, os.path.basename(sys.executable), source))
        known = {"clip": "git+https://github.com/openai/CLIP.git", "cv2": "opencv-python", "skimage": "scikit-image"}
        known.update(yaml="pyyaml", mamba_ssm="mamba-ssm", causal_conv1d="causal-conv1d", PIL="pillow")
        message = (
            "the repository needs the package '{}': {} -m pip install {} (or --set python= of an environment with it)"
        )
        return DoorError(message.format(top, os.path.basename(sys.executable), known.get(top, top)))


def _configurations(folder: str) -> list[str]:
    """Return the names of the configurations in a folder; none where it is not there."""
    return sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".yaml")) if os.path.isdir(folder) else []


def _trackers(folder: str) -> list[str]:
    """Return the modules and packages of a folder that hold a tracker, and not the helpers beside them."""
    trackers = []
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        path = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
        if os.path.isfile(path) and path.endswith(".py"):
            with open(path, errors="replace") as file:
                if "get_tracker_class" in file.read():
                    trackers.append(entry.replace(".py", ""))
    return trackers


def _source_of(package: str, repo: str) -> str | None:
    """Return the folder of the repository whose ``setup.py`` names a package, such as one of CUDA kernels."""
    for folder, _, files in os.walk(repo):
        if "setup.py" in files:
            with open(os.path.join(folder, "setup.py"), errors="replace") as file:
                if re.search(rf"['\"]{re.escape(package)}['\"]", file.read()):
                    return folder
    return None


def _path_in(error: OSError) -> str | None:
    """Return the file that an error misses: where it names one, or of transformers' text a path that is not there."""
    if isinstance(error, FileNotFoundError):
        return str(error.filename or error)
    quoted = re.search(r"'(/[^']+)'", str(error))
    return quoted.group(1) if quoted and not os.path.exists(quoted.group(1)) else None


def _has(parameters: Any, name: str) -> bool:
    """Whether parameters were given ``name``: pytracking's own object has an answer to any."""
    return name in vars(parameters) if hasattr(parameters, "__dict__") else hasattr(parameters, name)

"""Repositories of the trackit line (LoRAT, LoRATv2, SPMTrack, DTPTrack), asked through their own evaluator in batches.

Their evaluator starts a target together with its second frame, so a target is only remembered when it starts. It also
wants to be told when a target ends: a target that trackbench has forgotten is ended with the next call.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import types
import weakref
from typing import Any

from .process import DoorError
from .shared import enter, four, mask_box, one, random_state, restore_random, seed_all, versions
from .stand_ins import TRACKIT_INERT, stand_in
from .torch_patches import load_safely

EVALUATION = "trackit.runners.evaluation.distributed"


class Target:
    """One target: its number in the evaluator, and what it starts on."""

    def __init__(self, number: int, image: Any, told: dict[str, Any]) -> None:
        self.number, self.first, self.told = number, image, told
        self.index = 0


class Door:
    """One network for all targets, which are asked together."""

    def __init__(self, options: dict[str, Any], device: str) -> None:
        self.options, self._repo = options, options["repo"]
        if not os.path.isdir(os.path.join(self._repo, "trackit")):
            raise DoorError(f"{self._repo}: no folder 'trackit': expected a repository of the trackit line")
        if not os.path.isdir(os.path.join(self._repo, "trackit", "runners")):
            message = "{}: an older trackit, without 'trackit/runners', which this door does not know"
            current = "; the current LoRAT repository holds SPMTrack too" if options["method"] == "SPMTrack" else ""
            raise DoorError(message.format(self._repo) + current)
        self._check_name()
        self._stand_ins = stand_in(TRACKIT_INERT)
        enter(self._repo)
        load_safely(options["trust_checkpoint"])
        import torch

        self._torch, self._device = torch, torch.device(device)
        self._count, self._live = 0, 0
        self._ended: list[int] = []
        self._not_released = 0
        seed_all(0)
        try:
            self._constants()
            self._build(self._config())
        except ModuleNotFoundError as error:
            top = (error.name or str(error)).partition(".")[0]
            message = (
                "the repository needs the package '{}': pip install {} (or --set python= of an environment with it)"
            )
            raise DoorError(message.format(top, {"yaml": "pyyaml"}.get(top, top))) from error
        self._random = random_state()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        return {
            "versions": versions("timm"),
            "stand_ins": self._stand_ins.used,
            "precision": str(self._amp or self._dtype).replace("torch.", ""),
            "pretrained_backbone": self._pretrained,
            **({"targets_not_released": self._not_released} if self._not_released else {}),
        }

    def _constants(self) -> None:
        """Give the repository its constants in memory, those of its template, so that it writes no ``consts.yaml``."""
        own = os.path.join(self._repo, "consts.yaml")
        path = own if os.path.exists(own) else own + ".template"
        load = importlib.import_module("trackit.core.runtime.utils.custom_yaml_loader").load_yaml
        module = importlib.import_module("trackit.core.runtime.global_constant")
        constants = dict(load(path), **self.options["constants"])
        module._global_constants = types.MappingProxyType(constants)  # type: ignore[attr-defined]

    def _check_name(self) -> None:
        method, name = self.options["method"], self.options["config"]
        folder = os.path.join(self._repo, "config")
        if not os.path.exists(os.path.join(folder, method, name, "config.yaml")):
            raise DoorError(f"no configuration '{method}:{name}' (there: {', '.join(_configurations(folder, method))})")

    def _config(self) -> dict[str, Any]:
        """Return the configuration as the repository's own start reads it, mixins applied."""
        method, name = self.options["method"], self.options["config"]
        folder = os.path.join(self._repo, "config")
        load = importlib.import_module("trackit.core.boot.funcs.main.load_config").load_config
        mixins = list(self.options["mixin"]) or None
        asked = types.SimpleNamespace(config_path=folder, method_name=method, config_name=name, mixin_config=mixins)
        try:
            config: dict[str, Any] = load(asked)
        except AssertionError as error:
            raise DoorError(f"--set mixin: {error}") from error
        return config

    def _build(self, config: dict[str, Any]) -> None:
        """Build network, evaluator and transform as the repository's own runner does for its task of evaluation."""
        run = config["run"]
        task = run["task"].get(self.options["task"])
        if task is None or task.get("is_train"):
            here = [name for name, value in run["task"].items() if not value.get("is_train")]
            raise DoorError("no task '{}' of evaluation (there: {})".format(self.options["task"], ", ".join(here)))
        data, runner = run["data"][task["data"]], run["runner"][task["runner"]]
        parse = importlib.import_module("trackit.miscellanies.torch.config_parsing.dtype")
        # The type of the crops; theirs falls back to float32 on a CPU that cannot compute with half of it.
        wanted = "float32" if self.options["precision"] == "float32" else data.get("dtype", "float32")
        self._dtype = parse.get_torch_dtype_with_machine_compatibility_checking(wanted, self._device.type)
        engine_config = dict(runner["inference_engine"])
        if self.options["precision"] is not None:
            half = self.options["precision"] != "float32"
            engine_config["auto_mixed_precision"] = {
                "enabled": half,
                **({"dtype": self.options["precision"]} if half else {}),
            }
        engine = importlib.import_module("trackit.models.compiling.builder").build_inference_engine(
            engine_config, self._device
        )
        models = importlib.import_module("trackit.models")
        context = importlib.import_module("trackit.models.methods.builder").create_model_build_context(config)
        self._max = int(self.options["max_batch"])
        self._pretrained = False
        built = self._network(engine, models, context, pretrained=False)
        if self._missing:
            # A checkpoint of the trained weights alone: the others come from pre-training, as in the repository's runs.
            self._pretrained = True
            lacks = f"{self._missing[0]} ({len(self._missing)} weights)"
            try:
                built = self._network(engine, models, context, pretrained=True)
            except Exception as error:
                message = "the checkpoint lacks {}, and the weights of pre-training that hold them cannot be had: {}"
                raise DoorError(message.format(lacks, error)) from error
        self._model, self._raw, self._amp = built.model, built.raw_model, built.auto_mixed_precision_dtype
        if hasattr(self._raw, "allocate_cache"):
            self._raw.allocate_cache(self._max, self._max, self._max, self._dtype, self._amp)
        evaluators = importlib.import_module(EVALUATION + ".tracker_evaluator")
        default = EVALUATION + ".tracker_evaluator.default"
        pipeline = importlib.import_module(default + ".pipelines.builder").build_tracker_evaluator_pipeline(
            runner["evaluator"]["pipeline"], config, self._device, 1
        )
        self._evaluator = importlib.import_module(default + ".evaluator").DefaultTrackerEvaluator(pipeline)
        self._evaluator.start(evaluators.EvaluatorContext(0, self._max, 1, self._dtype, self._amp, self._raw))
        transform = importlib.import_module("trackit.data.methods.siamese_tracker_eval.transform.builder")
        self._transform = transform.build_data_transform(data["transform"], config, dtype=self._dtype)
        protocol = importlib.import_module("trackit.data.protocol.eval_input")
        worker = importlib.import_module("trackit.data.methods.siamese_tracker_eval")
        self._data, self._sequence = protocol.TrackerEvalData, protocol.SequenceInfo
        self._task = worker.SiameseTrackerEvalDataWorker_Task
        self._frame = worker.SiameseTrackerEvalDataWorker_FrameContext

    def _network(self, engine: Any, models: Any, context: Any, pretrained: bool) -> Any:
        """Return the network as the repository's engine wraps it, the checkpoint loaded."""
        self._missing: list[str] = []

        def create(advice: Any) -> Any:
            model = context.create_fn(dataclasses.replace(advice, load_pretrained=pretrained))
            model.register_load_state_dict_post_hook(lambda _, keys: self._missing.extend(keys.missing_keys))
            return model

        manager = models.ModelManager(dataclasses.replace(context, create_fn=create))
        if self.options["weights"] is None:
            raise DoorError("needs --weights FILE")
        manager.load_state_dict_from_file(self.options["weights"])
        self._manager = manager
        return engine(manager, self._device, self._dtype, self._max, 1)

    def start(self, images: list[Any], targets: list[dict[str, Any]], seed: int) -> list[Target]:
        """Remember each target; it starts with its second frame."""
        started = []
        for image, told in zip(images, targets):
            target = Target(self._count, image, told)
            self._count += 1
            self._live += 1
            weakref.finalize(target, self._ended.append, target.number)
            started.append(target)
        if self._live - len(self._ended) > self._max:
            raise DoorError(f"more than {self._max} targets at once: --set max_batch={2 * self._max}")
        return started

    def step(self, images: list[Any], states: list[Target]) -> list[dict[str, Any]]:
        """Track each target into its next frame, all in one call of the network."""
        restore_random(self._random)
        self._end()
        tasks = [self._transform(self._asked(image, target)) for image, target in zip(images, states)]
        frames = self._evaluator.run(self._data(tasks, {}), self._model, self._raw)["evaluated_frames"]
        self._random = random_state()
        return [self._read(frame, image) for frame, image in zip(frames, images)]

    def _asked(self, image: Any, target: Target) -> Any:
        """Return what the evaluator is told of a target: at its second frame also what it starts on."""
        import numpy as np

        target.index += 1
        track = self._frame(target.index, lambda: image, None, None)
        if target.index > 1:
            return self._task(target.number, None, None, track, False)
        told, first = target.told, target.first
        x, y, w, h = told["box"]
        mask = told.get("mask")
        if mask is not None:
            mask = importlib.import_module("trackit.miscellanies.image.pil_interop").to_pil_image(mask)
        start = self._frame(0, lambda: first, np.array([x, y, x + w, y + h], np.float64), mask)
        known = {"sequence_name": told.get("sequence", str(target.number)), "length": told.get("length")}
        info = self._sequence(**{name: known.get(name) for name in self._sequence._fields})
        target.first = target.told = None  # type: ignore[assignment]
        return self._task(target.number, info, start, track, False)

    def _end(self) -> None:
        """End the targets that are forgotten, of which the evaluator keeps what it knows otherwise."""
        ended, self._ended[:] = self._ended[:], []
        self._live -= len(ended)
        known = self._evaluator.all_tracking_sequence_context
        for number in ended:
            if number not in known:
                continue
            task = self._transform(self._task(number, None, None, None, True))
            try:
                self._evaluator.run(self._data([task], {}), self._model, self._raw)
            except KeyError:
                # SPMTrack's network looks for a target under another key than it keeps it: later ones must not pay.
                self._not_released += 1

    def _read(self, frame: Any, image: Any) -> dict[str, Any]:
        import numpy as np

        mask = None if frame.output_mask is None else np.asarray(frame.output_mask) > 0
        if frame.output_box is None:
            return {
                "box": None if mask is None else mask_box(mask),
                "score": one(frame.output_confidence),
                "mask": mask,
            }
        left, top, right, bottom = four(frame.output_box, "the evaluator")
        box = [left, top, right - left, bottom - top]
        return {"box": box, "score": one(frame.output_confidence), "mask": mask}


def _configurations(folder: str, method: str) -> list[str]:
    """Return the names that can follow ``trackit:``, of one method where it exists."""
    methods = [method] if os.path.isdir(os.path.join(folder, method)) else sorted(os.listdir(folder))
    return [
        f"{each}:{name}"
        for each in methods
        if not each.startswith("_") and os.path.isdir(os.path.join(folder, each))
        for name in sorted(os.listdir(os.path.join(folder, each)))
        if os.path.exists(os.path.join(folder, each, name, "config.yaml"))
    ]

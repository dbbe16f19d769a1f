"""Video models of transformers with the sessions of Sam2Video, asked frame by frame at constant memory."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from .process import DoorError
from .shared import mask_box, one, seed_all, versions

#: ``model_type`` of the configuration -> class of the model, class of the processor.
CLASSES = {
    "sam2_video": ("Sam2VideoModel", "Sam2VideoProcessor"),
    "edgetam_video": ("EdgeTamVideoModel", "Sam2VideoProcessor"),
    "sam3_tracker_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
    "sam3_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
}


class Target:
    """One target: its session, and where it is in its video."""

    def __init__(self, session: Any, size: tuple[int, int]) -> None:
        self.session, self.size, self.index = session, size, 0


class Door:
    """One model for all targets."""

    def __init__(self, options: dict[str, Any], device: str) -> None:
        try:
            self._library = importlib.import_module("transformers")
            import torch
        except ModuleNotFoundError as error:
            message = "the package '{}' is not there: pip install {} (or --set python= of an environment with it)"
            raise DoorError(message.format(error.name, error.name)) from error
        self._torch, self.options, self.device = torch, options, device
        name, offline = options["model"], {"local_files_only": not options["download"]}
        try:
            config = self._library.AutoConfig.from_pretrained(name, **offline)
        except (OSError, ValueError) as error:
            message = "no model at '{}': {}; expected a folder of save_pretrained, or --set download=true"
            raise DoorError(message.format(name, " ".join(str(error).split())[:160])) from error
        if config.model_type not in CLASSES:
            message = "'{}' is a model of type {}; expected one of {}"
            raise DoorError(message.format(name, config.model_type, ", ".join(CLASSES)))
        model_class, processor_class = (getattr(self._library, each, None) for each in CLASSES[config.model_type])
        if model_class is None or processor_class is None:
            raise DoorError(f"this transformers has no {CLASSES[config.model_type]}: pip install -U transformers")
        self._dtype = getattr(torch, options["precision"])
        self._model = model_class.from_pretrained(name, dtype=self._dtype, **offline).to(device).eval()
        self._processor = processor_class.from_pretrained(name, **offline)
        self._window = int(getattr(config, "max_object_pointers_in_encoder", 16))
        self._kind = config.model_type

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        return {"versions": versions("transformers"), "model_type": self._kind, "memory_frames": self._window}

    def start(self, images: list[Any], targets: list[dict[str, Any]], seed: int) -> list[Target]:
        """Start each target on its box or mask."""
        started = []
        live: dict[int, Any] = {}
        for image, told in zip(images, targets):
            seed_all(seed)
            height, width = image.shape[:2]
            session = self._processor.init_video_session(inference_device=self.device, dtype=self._dtype)
            x, y, w, h = told["box"]
            prompt: dict[str, Any] = {"input_boxes": [[[x, y, x + w, y + h]]]}
            if told.get("mask") is not None and self.options["init"] != "box":
                prompt = {"input_masks": told["mask"]}
            elif self.options["init"] == "mask":
                raise DoorError("--set init=mask: the data set has no mask to start on")
            self._processor.add_inputs_to_inference_session(
                session, frame_idx=0, obj_ids=1, original_size=(height, width), **prompt
            )
            target = Target(session, (height, width))
            self._ask(target, image, live)
            started.append(target)
        return started

    def step(self, images: list[Any], states: list[Target]) -> list[dict[str, Any]]:
        """Track each target into its next frame."""
        answers = []
        live: dict[int, Any] = {}
        for image, target in zip(images, states):
            target.index += 1
            answers.append(self._ask(target, image, live))
        return answers

    def _ask(self, target: Target, image: Any, live: dict[int, Any]) -> dict[str, Any]:
        torch, session, i = self._torch, target.session, target.index
        pixels, features = live.get(id(image), (None, None))
        if pixels is None:
            pixels = self._processor(images=image, return_tensors="pt").pixel_values[0].to(self.device, self._dtype)
        elif features is not None:
            session.cache.cache_vision_features(i, features)
        with torch.inference_mode():
            output = self._model(inference_session=session, frame=pixels, frame_idx=i)
            masks = self._processor.post_process_masks([output.pred_masks], [list(target.size)], binarize=False)[0]
        with contextlib.suppress(AttributeError):
            features = session.cache.get_vision_features(i)
        live[id(image)] = pixels, features
        self._forget(session, i)
        mask = (masks > 0).reshape(target.size).cpu().numpy()
        logit = getattr(output, "object_score_logits", None)
        score = None if logit is None else one(torch.sigmoid(logit.float()))
        return {"box": mask_box(mask), "score": score, "mask": mask}

    def _forget(self, session: Any, i: int) -> None:
        """Drop frames, full-size masks, and outputs that the model never looks at again."""
        if session.processed_frames is not None:
            session.processed_frames.pop(i, None)
        for outputs in session.output_dict_per_obj.values():
            for stored in outputs.values():
                for output in stored.values():
                    output.pop("high_res_masks", None)
            later = outputs["non_cond_frame_outputs"]
            for key in [key for key in later if key <= i - self._window]:
                del later[key]
        for tracked in getattr(session, "frames_tracked_per_obj", {}).values():
            for key in [key for key in tracked if 0 < key <= i - self._window]:
                del tracked[key]

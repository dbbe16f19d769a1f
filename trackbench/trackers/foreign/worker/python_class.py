"""Classes in Python whose shape is declared: names of methods, forms of image and region, place of the answer."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from typing import Any, Iterator

from .process import PACKAGE, DoorError
from .shared import LoopedDoor, enter, filled, four, mask_box, numbers, one, shortened
from .torch_patches import pretend_cuda

#: Shapes of the field -> their declaration. ``init_arguments``: what the first call is given, ``NAME=`` by keyword.
PRESETS: dict[str, dict[str, Any]] = {
    "got10k": {"init": "init", "track": "update", "image": "pil", "init_arguments": ["image", "box_array"]},
    "pysot": {"init": "init", "track": "track", "image": "bgr", "answer": "bbox", "score": "best_score"},
    "video_analyst": {"init": "init", "track": "update", "image": "bgr", "init_arguments": ["image", "box_array"]},
    "vot-python": {
        "init": "initialize",
        "track": "update",
        "image": "vot",
        "init_arguments": ["image", "objects", "properties"],
        "track_arguments": ["image"],
        "answer": "objects",
        "form": "vot",
    },
    "dam4sam": {
        "init": "initialize",
        "track": "track",
        "image": "pil",
        "init_arguments": ["image", "mask_or_none", "bbox=box"],
        "answer": "pred_mask",
        "form": "mask",
        "precision": "float16",
    },
    "d4sm": {
        "init": "initialize",
        "track": "track",
        "image": "pil",
        "init_arguments": ["image", "regions"],
        "answer": "masks.0",
        "form": "mask",
        "precision": "float16",
    },
    "cutie": {"init": "start", "track": "track", "init_arguments": ["image", "mask"], "form": "mask"},
}

_BASE: dict[str, Any] = {
    "init": "init",
    "track": "track",
    "image": "rgb",
    "init_arguments": ["image", "region"],
    "track_arguments": ["image"],
    "region": "xywh",
    "answer": "",
    "form": "xywh",
    "score": "",
    "all": "",
    "precision": None,
}


class Door(LoopedDoor):
    """One object of the class for each target."""

    def __init__(self, options: dict[str, Any], device: str) -> None:
        super().__init__(options, device)
        said = {key: options[key] for key in _BASE if options.get(key) is not None}
        self._shape = dict(_BASE, **dict(PRESETS.get(options.get("preset") or "", {}), **said))
        self._folder = tempfile.mkdtemp(prefix="trackbench-images-") if self._shape["image"] == "path" else ""
        self._count = 0
        enter(options["repo"])
        if options["repo"] is None and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        module_name, _, name = options["tracker"].partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
                raise DoorError(f"there is no module '{error.name}' here; --set repo=FOLDER says where") from None
            message = "{} needs the package '{}', which {} does not have; --set python= of an environment with it"
            raise DoorError(message.format(module_name, error.name, sys.executable)) from error
        if not hasattr(module, name):
            here = [key for key in vars(module) if not key.startswith("_")]
            raise DoorError("module '{}' has no '{}' (it has: {})".format(module_name, name, ", ".join(here[:12])))
        self._make = getattr(module, name)
        if device == "cpu" and "torch" in sys.modules and __name__.startswith(PACKAGE):
            pretend_cuda()  # in a process of its own alone: here are networks of others
        if options.get("preset") == "cutie":
            from .cutie import maker

            self._make = maker(self._make, options, device)
        if options.get("preset") == "sam2":
            from .sam2_whole import maker as maker_of_whole

            self._make = maker_of_whole(self._make, options)
        self.prepare()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        asked = self._shape["precision"]
        return super().record() if asked is None else dict(super().record(), precision=self._precision())

    def _precision(self) -> str:
        """Return the precision of autocast, which the scripts of the field ask for on CUDA alone."""
        return str(self._shape["precision"]) if self.device.startswith("cuda") else "float32"

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute as the repository's own script does: without gradients, in its precision."""
        if self._shape["precision"] is None:
            yield
            return
        import torch

        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self._precision() != "float32":
                stack.enter_context(torch.autocast("cuda", dtype=getattr(torch, self._precision())))
            yield

    def build(self) -> Any:
        """Call the class."""
        known = {"device": self.device, "weights": self.options["weights"], "checkpoint": self.options["weights"]}
        with self._computing():
            tracker = filled(self._make, [], known, self.options["args"], self.options["tracker"])
        for key in ("init", "track"):
            if key == "init" and "init" not in self.options:  # a tracker of whole videos has none
                continue
            if not callable(getattr(tracker, self._shape[key], None)):
                methods = [
                    name for name in dir(tracker) if not name.startswith("_") and callable(getattr(tracker, name))
                ]
                raise DoorError(
                    "'{}' has no method {}(); --set {}=NAME of one that it has: {}".format(
                        self.options["tracker"], self._shape[key], key, ", ".join(methods[:12])
                    )
                )
        return tracker

    def initialize(self, tracker: Any, image: Any, target: dict[str, Any]) -> Any:
        """Call the first method on the target's region in the declared form."""
        self._call(tracker, "init", image, target)

    def track(self, tracker: Any, image: Any, memory: Any) -> dict[str, Any]:
        """Call the second method and take its answer apart."""
        answer = self._call(tracker, "track", image, {})
        height, width = image.shape[:2]
        return self._read(answer, (height, width))

    def _call(self, tracker: Any, which: str, image: Any, target: dict[str, Any]) -> Any:
        positional, named = [], {}
        for argument in self._shape[which + "_arguments"]:
            name, equals, token = argument.rpartition("=")
            value = self._image(image) if token == "image" else self._value(token, image, target)
            if equals:
                named[name] = value
            else:
                positional.append(value)
        with self._computing():
            return getattr(tracker, self._shape[which])(*positional, **named)

    def _image(self, image: Any) -> Any:
        kind = self._shape["image"]
        if kind == "bgr":
            return image[:, :, ::-1].copy()
        if kind == "pil":
            from PIL import Image

            return Image.fromarray(image)
        if kind == "path":
            from PIL import Image

            # A new name each time, for trackers that keep earlier images by name; the one before last is gone.
            old = os.path.join(self._folder, f"{self._count - 2:08d}.png")
            if os.path.exists(old):
                os.unlink(old)
            path = os.path.join(self._folder, f"{self._count:08d}.png")
            Image.fromarray(image).save(path, compress_level=1)
            self._count += 1
            return path
        return VotFrame(image) if kind == "vot" else image

    def _value(self, token: str, image: Any, target: dict[str, Any]) -> Any:
        import numpy as np

        if token == "region":
            token = {"xywh": "box", "xyxy": "corners", "mask": "mask", "array": "box_array"}.get(
                self._shape["region"], self._shape["region"]
            )
        x, y, w, h = target.get("box") or (0.0, 0.0, 0.0, 0.0)
        if token == "box":
            return [x, y, w, h]
        if token == "box_array":
            return np.array([x, y, w, h])
        if token == "corners":
            return [x, y, x + w, y + h]
        if token in ("mask", "mask_or_none", "mask_or_box"):
            mask = target.get("mask")
            if mask is None and token == "mask_or_box":
                return [x, y, w, h]
            if mask is None and token == "mask":
                mask = painted(target["box"], image.shape[:2])
            return None if mask is None else mask.astype(np.uint8)
        if token == "regions":
            mask = target.get("mask")
            region = {"bbox": [x, y, w, h]} if mask is None else {"mask": mask.astype(np.uint8)}
            return [dict(region, obj_id=1)]
        if token == "sentence" and not target.get("sentence"):
            raise DoorError("the sequence has no sentence; 'sentence_or_none' in init_arguments passes None")
        if token in ("sentence", "sentence_or_none", "sequence"):
            return target.get(token.partition("_")[0])
        if token == "objects":
            from vot.region import Rectangle
            from vot.tracker import ObjectStatus

            return [ObjectStatus(Rectangle(x, y, w, h), {})]
        if token == "properties":
            return {}
        raise DoorError(f"'{token}' is nothing that a tracker can be given")

    def _read(self, answer: Any, size: tuple[int, int]) -> dict[str, Any]:
        shape, what = self._shape, self.options["tracker"]
        region = picked(answer, shape["answer"], what)
        score = one(picked(answer, shape["score"], what)) if shape["score"] else None
        if shape["form"] == "vot":
            return vot_answer(region[0] if isinstance(region, (list, tuple)) else region, score)
        if shape["form"] == "mask":
            mask = as_mask(region, size, what)
            return {"box": mask_box(mask), "score": score, "mask": mask}
        if shape["form"] == "polygon":
            try:
                points = numbers(region)
            except (TypeError, ValueError):
                points = []
            if len(points) != 4:
                if len(points) < 6 or len(points) % 2:
                    message = "{} answered {}; expected the x, y of three corners or more, or x, y, w, h"
                    raise DoorError(message.format(what, shortened(region)))
                return {"box": None, "polygon": points, "score": score, "mask": None}
        box = four(region, what)
        if shape["form"] == "xyxy":
            box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        return {"box": box, "score": score, "mask": None}


class VotFrame:
    """What vot-toolkit's frames offer."""

    def __init__(self, image: Any) -> None:
        self._image = image

    def channels(self) -> tuple[str, ...]:
        """Return the names of the channels."""
        return ("color",)

    def image(self, channel: str | None = None) -> Any:
        """Return the image, uint8 (H, W, 3) RGB."""
        return self._image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._image.shape[1], self._image.shape[0]


def picked(answer: Any, place: str, what: str) -> Any:
    """Return what lies at ``place`` in an answer: an index, a key, an attribute; the answer itself where it is empty.

    Raises:
        DoorError: there is nothing.
    """
    for part in filter(None, place.split(".")):
        try:
            if part.lstrip("-").isdigit():
                answer = answer[int(part)]
            elif isinstance(answer, dict):
                answer = answer[part]
            elif part == "objects" and isinstance(answer, tuple):
                answer = answer[0]
            elif part == "objects" and isinstance(answer, list):
                pass
            else:
                answer = getattr(answer, part)
        except (KeyError, IndexError, AttributeError, TypeError):
            raise DoorError(f"{what} answered {shortened(answer)}, without '{place}'") from None
    return answer


def vot_answer(status: Any, score: float | None) -> dict[str, Any]:
    """Return the region of one of vot-toolkit's objects."""
    region = getattr(status, "region", status)
    if hasattr(region, "width") and hasattr(region, "x"):
        return {"box": [float(region.x), float(region.y), float(region.width), float(region.height)], "score": score}
    if hasattr(region, "mask"):
        mask = region.mask > 0
        x, y = region.offset
        import numpy as np

        whole = np.zeros((y + mask.shape[0], x + mask.shape[1]), bool)
        whole[y:, x:] = mask
        return {"box": mask_box(whole), "score": score, "mask": whole}
    if hasattr(region, "points"):
        return {"box": None, "polygon": [float(n) for p in region.points() for n in (p.x, p.y)], "score": score}
    return {"box": None, "score": score}


def as_mask(value: Any, size: tuple[int, int], what: str) -> Any:
    """Return a mask of an answer as bool (H, W).

    Raises:
        DoorError: it is not as large as the frame.
    """
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    mask = np.squeeze(np.asarray(value))
    if mask.shape != tuple(size):
        raise DoorError(f"{what} answered a mask of shape {mask.shape}; the frame's is {tuple(size)}")
    return mask > 0.5 if mask.dtype.kind == "f" else mask > 0


def painted(box: list[float], size: tuple[int, int]) -> Any:
    """Return the pixels of a box as bool (H, W), its corners rounded half to even, the far ones exclusive."""
    import numpy as np

    x, y, w, h = box
    mask = np.zeros(size, bool)
    mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = True
    return mask

"""Video predictors of the SAM 2 line, asked frame by frame at constant memory: sam2, EfficientTAM, SAMURAI.

The predictor's own loop runs, one frame at a time: it is given a list of frames of which only the live one is there.
What it keeps of frames that it never looks at again is dropped.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.util
import os
import sys
from typing import Any, Iterator

from .process import DoorError
from .shared import enter, mask_box, one, random_state, restore_random, seed_all, versions
from .torch_patches import load_safely, pretend_cuda, without_entry

#: Package -> module and function that builds its video predictor.
BUILDERS = {
    "sam2": ("sam2.build_sam", "build_sam2_video_predictor"),
    "efficient_track_anything": (
        "efficient_track_anything.build_efficienttam",
        "build_efficienttam_video_predictor",
    ),
}

#: What SAMURAI keeps of its target on the predictor.
ON_PREDICTOR = ("kf_mean", "kf_covariance", "stable_frames", "frame_cnt", "history")

#: A length for streams of which nobody knows it; from 16 frames on it enters no number.
ENDLESS = 1 << 30


class Target:
    """One target: the predictor's state of it, and where it is in its video."""

    def __init__(self, length: int) -> None:
        self.frames = Frames(length)
        self.state: Any = None
        self.index = 0
        self.kept: dict[str, Any] = {}
        self.random: Any = None


class Frames:
    """What the predictor takes for the video: it knows its length, and holds the live frame."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.live: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if index != self.live[0]:
            raise IndexError(f"frame {index} is gone: the predictor looks at frames again, which no stream allows")
        return self.live[1]


class Door:
    """One predictor for all targets; those of one frame share its image features."""

    def __init__(self, options: dict[str, Any], device: str) -> None:
        import torch

        self.options, self.device = options, "cuda" if device.startswith("cuda") else "cpu"
        enter(options["repo"])
        load_safely(options["trust_checkpoint"])
        if self.device == "cpu":
            pretend_cuda()
        seed_all(0)
        module, function = BUILDERS[options["package"]]
        try:
            build = getattr(importlib.import_module(module), function)
        except ModuleNotFoundError as error:
            top = (error.name or str(error)).partition(".")[0]
            message = (
                "the package '{}' is not there: pip install {} (or --set repo=, or python= of an environment with it)"
            )
            raise DoorError(message.format(top, {"hydra": "hydra-core"}.get(top, top))) from error
        try:
            with self._autocast():
                self._predictor = build(
                    options["config"],
                    options["weights"],
                    device=self.device,
                    hydra_overrides_extra=list(options["overrides"]),
                    apply_postprocessing=options["postprocess"],
                )
        except KeyError as error:
            raise without_entry(error) or error from error
        except Exception as error:
            if type(error).__name__ != "MissingConfigException":  # Hydra's, which need not be imported
                raise
            here = configurations(os.path.dirname(str(sys.modules[options["package"]].__file__)))
            message = "the package has no configuration '{}' (there: {})"
            raise DoorError(message.format(options["config"], ", ".join(here) or "none")) from error
        self._torch = torch
        home = sys.modules[type(self._predictor).__module__]
        home.tqdm = lambda frames, *args, **kwargs: frames  # type: ignore[attr-defined]
        home.load_video_frames = self._load_frames  # type: ignore[attr-defined]
        self._opened: Any = None
        self._fresh = {
            key: copy.deepcopy(vars(self._predictor)[key]) for key in ON_PREDICTOR if key in vars(self._predictor)
        }
        self._window = self._kept_frames()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        package = self.options["package"]
        compiled = importlib.util.find_spec(package + "._C") is not None
        return {
            "versions": versions(package),
            "memory_frames": self._window or "all",
            "precision": self.options["precision"],
            "fills_holes": compiled and self.options["postprocess"],
        }

    def _kept_frames(self) -> int:
        """Return how many frames back the predictor looks; 0: nobody knows, keep all."""
        keep = self.options["keep"]
        if keep == "all" or (keep is None and self._fresh):
            return 0
        needed = max(self._predictor.num_maskmem, self._predictor.max_obj_ptrs_in_encoder)
        return needed if keep is None else int(keep)

    def start(self, images: list[Any], targets: list[dict[str, Any]], seed: int) -> list[Target]:
        """Start each target on its box or mask."""
        started = []
        live: dict[int, Any] = {}
        for image, told in zip(images, targets):
            target = Target(max(told.get("length") or ENDLESS, 1))
            seed_all(seed)
            height, width = image.shape[:2]
            with self._turn(target, first=True):
                target.frames.live = (0, prepared(image, self._predictor))
                self._opened = target.frames, height, width
                target.state = self._predictor.init_state("")
                self._prompt(target, told)
                self._propagate(target, image, live)
            started.append(target)
        return started

    def step(self, images: list[Any], states: list[Target]) -> list[dict[str, Any]]:
        """Track each target into its next frame."""
        answers = []
        live: dict[int, Any] = {}
        for image, target in zip(images, states):
            target.index += 1
            with self._turn(target):
                answers.append(self._propagate(target, image, live))
        return answers

    def _prompt(self, target: Target, told: dict[str, Any]) -> None:
        import numpy as np

        x, y, w, h = told["box"]
        mask = told.get("mask")
        if mask is not None and self.options["init"] != "box":
            self._predictor.add_new_mask(target.state, 0, 0, mask)
        elif self.options["init"] == "mask":
            raise DoorError("--set init=mask: the data set has no mask to start on")
        else:
            box = np.array([x, y, x + w, y + h], np.float32)
            self._predictor.add_new_points_or_box(target.state, frame_idx=0, obj_id=0, box=box)

    def _propagate(self, target: Target, image: Any, live: dict[int, Any]) -> dict[str, Any]:
        """Run the predictor's loop over one frame; what targets of the same frame have encoded is used again."""
        i, state = target.index, target.state
        shared = live.get(id(image))
        if i:
            target.frames.live = (i, prepared(image, self._predictor) if shared is None else shared[0])
            if shared is not None:
                state["cached_features"] = {i: shared[1]}
        step = self._predictor.propagate_in_video(state, start_frame_idx=i, max_frame_num_to_track=0)
        _, _, logits = next(iter(step))[:3]
        if i in state["cached_features"]:
            live[id(image)] = target.frames.live[1], state["cached_features"][i]
        mask = (logits[0, 0] > 0).cpu().numpy()
        score = self._score(state, i)
        self._forget(state, i)
        box = mask_box(mask)
        if box is not None and self.options["box"] == "minmax":
            box = [box[0], box[1], box[2] - 1, box[3] - 1]
        return {"box": box, "score": score, "mask": mask}

    def _score(self, state: Any, i: int) -> float | None:
        outputs = state["output_dict_per_obj"][0]
        stored = outputs["non_cond_frame_outputs"].get(i) or outputs["cond_frame_outputs"].get(i) or {}
        logit = stored.get("object_score_logits")
        return None if logit is None else one(self._torch.sigmoid(logit.float()))

    def _forget(self, state: Any, i: int) -> None:
        """Drop what the predictor keeps of frames that it never looks at again."""
        if not self._window:
            return
        old = i - self._window
        outputs = [*state["output_dict_per_obj"].values(), state.get("output_dict", {})]
        stores = [output.get("non_cond_frame_outputs", {}) for output in outputs]
        stores += [*state.get("frames_tracked_per_obj", {}).values(), state.get("frames_already_tracked", {})]
        for store in stores:
            for key in [key for key in store if key <= old and key > 0]:
                del store[key]

    def _load_frames(self, *args: Any, **kwargs: Any) -> Any:
        return self._opened

    @contextlib.contextmanager
    def _turn(self, target: Target, first: bool = False) -> Iterator[None]:
        """Let the predictor hold what it keeps of this target on itself."""
        vars(self._predictor).update(copy.deepcopy(self._fresh) if first else target.kept)
        if not first:
            restore_random(target.random)
        with self._torch.inference_mode(), self._autocast():
            yield
        target.kept = {key: vars(self._predictor)[key] for key in self._fresh}
        target.random = random_state()

    def _autocast(self) -> Any:
        import torch

        precision = self.options["precision"]
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, precision))


def configurations(package: str) -> list[str]:
    """Return the names of the configurations in a package's folder, as Hydra wants them."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), package).replace(os.sep, "/")
        for folder, _, names in os.walk(os.path.join(package, "configs"))
        for name in names
        if name.endswith(".yaml") and "training" not in folder
    )


def prepared(image: Any, predictor: Any) -> Any:
    """Return a frame, uint8 (H, W, 3) RGB, as the package's own loader makes it: float32 (3, S, S), by PIL's resize."""
    import numpy as np
    import torch
    from PIL import Image

    size = predictor.image_size
    small = np.array(Image.fromarray(image).resize((size, size))) / 255.0
    tensor = torch.from_numpy(small).permute(2, 0, 1).to(torch.float32)
    tensor -= torch.tensor((0.485, 0.456, 0.406), dtype=torch.float32)[:, None, None]
    tensor /= torch.tensor((0.229, 0.224, 0.225), dtype=torch.float32)[:, None, None]
    return tensor.to(predictor.device)

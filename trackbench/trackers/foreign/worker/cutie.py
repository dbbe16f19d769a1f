"""Cutie's ``InferenceCore``: one network for all targets, a core with a memory of its own for each."""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Any, Callable

from .process import DoorError
from .torch_patches import Pretraining, load_safely, pretend_cuda


class Tracker:
    """One core, asked frame by frame.

    Args:
        core: a new ``InferenceCore``.
        device: where the network is.
        half: whether it runs in mixed precision, as its evaluation does on a GPU.
    """

    def __init__(self, core: Any, device: str, half: bool) -> None:
        self._core, self._device, self._half = core, device, half

    def start(self, image: Any, mask: Any) -> None:
        """Memorise the target: uint8 (H, W, 3) RGB and uint8 (H, W)."""
        import torch

        with self._mode():
            self._core.step(self._tensor(image), torch.from_numpy(mask).to(self._device), objects=[1])

    def track(self, image: Any) -> Any:
        """Return the target's pixels, (H, W), not 0."""
        with self._mode():
            probability = self._core.step(self._tensor(image))
            return self._core.output_prob_to_mask(probability)

    def _tensor(self, image: Any) -> Any:
        import torch

        # As torchvision's to_tensor: division by 255 in float32.
        return torch.from_numpy(image).permute(2, 0, 1).contiguous().to(self._device).float().div(255)

    @contextlib.contextmanager
    def _mode(self) -> Any:
        import torch

        half = torch.autocast("cuda") if self._half else contextlib.nullcontext()
        with torch.inference_mode(), half:
            yield


def maker(core: Any, options: dict[str, Any], device: str) -> Callable[..., Tracker]:
    """Return what makes a tracker of the class ``InferenceCore``; further arguments are set on each core.

    Raises:
        DoorError: there is no checkpoint, or its weights do not fit.
    """
    import torch

    if options["weights"] is None:
        raise DoorError("Cutie needs --weights FILE (cutie-base-mega.pth)")
    load_safely(options["trust_checkpoint"])
    if not device.startswith("cuda"):
        pretend_cuda()
    hydra = importlib.import_module("hydra")
    model = importlib.import_module("cutie.model.cutie").CUTIE
    folder = os.path.join(os.path.dirname(importlib.import_module("cutie").__file__ or ""), "config")
    if not os.path.isdir(folder):
        folder = os.path.join(options["repo"] or "", "cutie", "config")
    with hydra.initialize_config_dir(version_base="1.3.2", config_dir=os.path.abspath(folder), job_name="eval_config"):
        config = hydra.compose(config_name="eval_config")
    with importlib.import_module("omegaconf").open_dict(config):
        config["weights"] = options["weights"]
    importlib.import_module("cutie.inference.utils.args_utils").get_dataset_cfg(config)
    with Pretraining("cutie.") as pretraining:
        network = model(config).to(device).eval()
        network.load_weights(torch.load(options["weights"], map_location=device))
    pretraining.check(options["weights"])
    half = device.startswith("cuda") and bool(config.get("amp", False))

    def make(**settings: Any) -> Tracker:
        made = core(network, cfg=config)
        for name, value in settings.items():
            if not hasattr(made, name):
                raise DoorError(f"--set args.{name}: InferenceCore has no attribute '{name}'")
            setattr(made, name, value)
        return Tracker(made, device, half)

    return make

"""What a tracker does on the clip, read at fixed points: the network's inputs, activations, boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.doctor.clip import TestClip, make_clip
from trackbench.doctor.drawn_weights import drawn_weights
from trackbench.nn.initialisation import Undrawn
from trackbench.regions import region_to_box
from trackbench.trackers.base import Options, Prediction, Target, TrackerModel
from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.refined import RefinedModel
from trackbench.trackers.settings import Settings
from trackbench.trackers.zoo.static import Static, StaticOptions

#: Places along each side of an input, and of an activation, that are compared.
GRID, PLACES = 12, 24
#: Activations that are kept of each phase.
MODULES = 16
START, STEP, CORNER = "template", "search region", "template at a corner"

Floats = NDArray[np.float32]


class Built(NamedTuple):
    """A tracker with drawn weights."""

    model: TrackerModel[Any]
    network: nn.Module | None
    unlike: list[str]
    """Parameters that are not those of the weights that were given."""


class Activation(NamedTuple):
    """What one module gave when it was first called in a phase."""

    phase: str
    module: str
    values: Floats
    """(PLACES,), evenly spaced over the output."""
    dtype: str
    """Data type of the output."""


@dataclass
class Readings:
    """All that one run of the self-test reads."""

    inputs: dict[str, Floats] = field(default_factory=dict)
    """Phase -> the first image that the network saw in it, (3, H, W)."""
    activations: list[Activation] = field(default_factory=list)
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    """The target in every frame but the first, (2, 4) x, y, w, h in pixels; of a refined tracker its mask's box."""
    again: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    """The same in the second frame of another run, (1, 4), after whose start another target is tracked."""
    unlike: list[str] = field(default_factory=list)
    """Parameters that are not those of the weights that were given."""


def build(settings: Settings, device: str) -> Built:
    """Return a tracker with drawn weights on ``device``; a refiner stands behind a tracker that never moves."""
    loaded: Any = load_class(settings.definition)
    if not issubclass(loaded, Networked):
        return Built(loaded(settings.options, device), None, [])
    return build_network(loaded, settings.options, device)


def build_network(loaded: type[Networked], options: Options, device: str) -> Built:
    """Return a tracker or refiner with drawn weights; what becomes of them on the way is compared with them."""
    # The device "meta" would need no memory, but imports torch's compiler, which takes longer than to build.
    with Undrawn():
        built = loaded.build_network(options)
    weights = drawn_weights(built.state_dict())
    unlike: list[str] = []

    def prepare(self: Any, network: nn.Module) -> Any:
        state = network.state_dict()
        unlike.extend(name for name, value in weights.items() if not torch.equal(state[name].cpu(), value))
        return loaded.prepare(self, network)

    own = {"prepare": prepare, "build_network": classmethod(lambda *_: built)}
    made = type(loaded.__name__, (loaded,), own)(options, device, weights=weights)
    model = made if isinstance(made, TrackerModel) else RefinedModel(Static(StaticOptions(), device), made)
    return Built(model, made.network, unlike)


def take(built: Built, clip: TestClip | None = None, *, brief: bool = False) -> Readings:
    """Return the readings of a tracker on the clip.

    Args:
        built: the tracker.
        clip: another version of the clip.
        brief: whether to stop after the first search region, which is enough for its inputs.
    """
    clip = clip or make_clip()
    readings = Readings(unlike=built.unlike)
    model, first = built.model, clip.frames[0]
    with _reading(built.network, START, readings):
        states = model.start([first], [Target(clip.target)])
    boxes = []
    for index, frame in enumerate(clip.frames[1:]):
        with _reading(built.network if index == 0 else None, STEP, readings):
            boxes.append(_numbers(model.step([frame], states)[0]))
        if brief:
            return readings
    with _reading(built.network, CORNER, readings):
        others = model.start([first], [Target(clip.corner)])
    states, second = model.start([first], [Target(clip.target)]), clip.frames[1]
    model.step([second], others)
    readings.boxes, readings.again = np.array(boxes), np.array([_numbers(model.step([second], states)[0])])
    return readings


def sampled(image: Floats) -> Floats:
    """Return an image (3, H, W) at the places that a record has, (3, GRID, GRID)."""
    rows, columns = (np.linspace(0, side - 1, GRID).astype(int) for side in image.shape[1:])
    return image[:, rows[:, None], columns[None]]


def _numbers(prediction: Prediction) -> list[float]:
    return list(region_to_box(prediction.region if prediction.mask is None else prediction.mask).numbers())


@contextmanager
def _reading(network: nn.Module | None, phase: str, readings: Readings) -> Iterator[None]:
    """Read the first image that enters the network, and what its modules give, within the block."""
    if network is None:
        yield
        return
    activations: dict[str, Activation] = {}

    def before(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        for value in arguments:
            if phase not in readings.inputs and isinstance(value, Tensor) and value.dim() == 4 and value.shape[1] == 3:
                readings.inputs[phase] = value[0].detach().float().cpu().numpy()

    def after(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if name not in activations and isinstance(output, Tensor) and output.is_floating_point():
                flat = output.detach().reshape(-1)
                places = torch.linspace(0, len(flat) - 1, PLACES, dtype=torch.float64).long().to(flat.device)
                values = flat[places].float().cpu().numpy()
                activations[name] = Activation(phase, name, values, str(output.dtype).removeprefix("torch."))

        return hook

    handles = [
        handle
        for name, module in network.named_modules()
        for handle in (module.register_forward_pre_hook(before), module.register_forward_hook(after(name)))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if phase != CORNER:
        places = sorted({int(place) for place in np.linspace(0, len(activations) - 1, MODULES)} if activations else ())
        readings.activations += [list(activations.values())[place] for place in places]

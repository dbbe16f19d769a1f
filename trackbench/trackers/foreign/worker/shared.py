"""What the doors share: random numbers a target, arguments by name, boxes of answers."""

from __future__ import annotations

import inspect
import math
import os
import random
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from .process import PACKAGE, DoorError


class State:
    """A target: its tracker, what that has to remember, and its random numbers while it is another target's turn."""

    def __init__(self, tracker: Any, memory: Any) -> None:
        self.tracker, self.memory = tracker, memory
        self.random: Any = None


def _nobody() -> None:
    return None


class LoopedDoor(ABC):
    """A door whose tracker follows one target with one object; subclasses build, initialise and ask it.

    Each target has random numbers of its own, so that its boxes depend neither on the batch nor on what ran before.
    """

    def __init__(self, options: dict[str, Any], device: str) -> None:
        self.options = options
        self.device = device
        self._spare: list[Any] = []
        self._drawing: Callable[[], State | None] = _nobody

    @abstractmethod
    def build(self) -> Any:
        """Return a new object for one target."""

    @abstractmethod
    def initialize(self, tracker: Any, image: Any, target: dict[str, Any]) -> Any:
        """Start ``tracker`` on ``image``, uint8 (H, W, 3) RGB, and return what :meth:`track` has to remember.

        ``target`` has ``box`` x, y, w, h, ``sentence``, ``category``, and where known ``mask`` bool (H, W),
        ``sequence``, ``length``.
        """

    @abstractmethod
    def track(self, tracker: Any, image: Any, memory: Any) -> dict[str, Any]:
        """Return ``box``, ``score`` and ``mask`` in ``image``, each None where the tracker has none."""

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of this process."""
        return {"versions": versions()}

    def prepare(self) -> None:
        """Build the first object before anything is tracked, so that a fault is said once and at once."""
        self._spare.append(self._built())

    def start(self, images: list[Any], targets: list[dict[str, Any]], seed: int) -> list[Any]:
        """Return the state of each target."""
        states = []
        for image, target in zip(_own(images), targets):
            self._suspend()
            tracker = self._spare.pop() if self._spare else self._built()
            seed_all(seed)
            state = State(tracker, self.initialize(tracker, image, target))
            self._drawing = weakref.ref(state)
            self._share()
            states.append(state)
        return states

    def step(self, images: list[Any], states: list[Any]) -> list[dict[str, Any]]:
        """Track each target into its next frame."""
        answers = []
        for image, state in zip(_own(images), states):
            if self._drawing() is not state:
                self._suspend()
                restore_random(state.random)
                self._drawing = weakref.ref(state)
            answers.append(self.track(state.tracker, image, state.memory))
            self._share()
        return answers

    def _suspend(self) -> None:
        """Keep the generators of the target that drew from them last, whose turn ends."""
        state = self._drawing()
        if state is not None:
            state.random = random_state()
        self._drawing = _nobody

    def _share(self) -> None:
        """End the turn at once where others draw from the generators too: outside a process of its own."""
        if not __name__.startswith(PACKAGE):
            self._suspend()

    def _built(self) -> Any:
        seed_all(0)
        return self.build()


def _own(images: list[Any]) -> list[Any]:
    """Return each image, those that several targets share once for each: some trackers draw on what they are given."""
    seen = [id(image) for image in images]
    return [image.copy() if seen.count(id(image)) > 1 else image for image in images]


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, torch, numpy and of further packages that are imported."""
    versions_here = {"python": sys.version.split()[0]}
    for name in ("torch", "numpy", *packages):
        if name in sys.modules:
            versions_here[name] = str(getattr(sys.modules[name], "__version__", "unknown"))
    return versions_here


def seed_all(seed: int) -> None:
    """Seed the generators that Python trackers draw from."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed & 0xFFFFFFFF)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def random_state() -> tuple[Any, ...]:
    """Return the states of those generators."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    return (
        random.getstate(),
        None if numpy is None else numpy.random.get_state(),
        None if torch is None else torch.get_rng_state(),
    )


def restore_random(state: tuple[Any, ...]) -> None:
    """Set the states of those generators."""
    random.setstate(state[0])
    if state[1] is not None:
        sys.modules["numpy"].random.set_state(state[1])
    if state[2] is not None:
        sys.modules["torch"].set_rng_state(state[2])


def filled(
    function: Callable[..., Any], first: list[Any], known: Mapping[str, Any], own: Mapping[str, Any], what: str
) -> Any:
    """Call ``function`` with the arguments that its signature names.

    Args:
        function: whose authors decided what it takes.
        first: what goes first, by position; as many as it takes.
        known: name -> what we know; of those that it does not name none is passed.
        own: name -> what the user says; each must be one that it names.
        what: what messages call it.

    Raises:
        DoorError: an argument is missing, or the user's has no place; the message shows the signature.
    """
    signature = inspect.signature(function)
    shown = f"{what}{signature}"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [item.name for item in signature.parameters.values() if item.kind in positional]
    swallows = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in signature.parameters.values())
    taken, given = names[: len(first)], {}
    for name, item in signature.parameters.items():
        if name in taken or item.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        if name in own:
            given[name] = own[name]
        elif known.get(name) is not None:
            given[name] = known[name]
        elif item.default is inspect.Parameter.empty:
            raise DoorError(f"{shown} needs '{name}': --set args.{name}=VALUE")
    spare = [name for name in own if name not in signature.parameters]
    if spare and not swallows:
        raise DoorError(f"--set args.{spare[0]}: {shown} takes no such argument")
    given.update({name: own[name] for name in spare})
    return function(*first[: len(taken)], **given)


def overlay(settings: Any, values: Mapping[str, Any], what: str) -> None:
    """Set entries of a table, or attributes of an object, and of the tables in it those that a table of values names.

    Raises:
        DoorError: a table in it has no such entry.
    """
    for key, value in values.items():
        inner = entries(settings).get(key)
        if isinstance(value, Mapping) and inner is not None:
            missing = [name for name in value if name not in entries(inner)]
            if missing:
                here = ", ".join(sorted(map(str, entries(inner)))) or "none"
                raise DoorError(f"--set {what}.{key}.{missing[0]}: there is no such entry (there: {here})")
            overlay(inner, value, f"{what}.{key}")
        elif isinstance(settings, dict):
            settings[key] = value
        else:
            setattr(settings, key, value)


def setting_of(settings: Any, value: str, depth: int = 6) -> str | None:
    """Return the dotted name under which a table or an object holds ``value``; None where it does not."""
    for key, held in entries(settings).items():
        if isinstance(held, str) and held == value:
            return str(key)
        within = setting_of(held, value, depth - 1) if depth else None
        if within:
            return f"{key}.{within}"
    return None


def entries(settings: Any) -> dict[Any, Any]:
    """Return the entries of a table, or the attributes of an object; of anything else none."""
    return settings if isinstance(settings, dict) else getattr(settings, "__dict__", {})


def numbers(value: Any) -> list[float]:
    """Return a tensor, an array or nested lists as a flat list of floats.

    Raises:
        ValueError: it holds anything else.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in numbers(item)]
    if value is None or isinstance(value, (str, bytes, dict)):
        raise ValueError(f"no number: {value!r}")
    return [float(value)]


def four(value: Any, what: str) -> list[float]:
    """Return a box of an answer as four floats; NaN may be among them.

    Raises:
        DoorError: they are not four, or infinite.
    """
    try:
        box = numbers(value)
    except (TypeError, ValueError):
        box = []
    if len(box) != 4 or any(math.isinf(number) for number in box):
        raise DoorError(f"{what} answered {shortened(value)}; expected the 4 numbers x, y, w, h")
    return box


def one(value: Any) -> float | None:
    """Return a score as one float: the highest where there are several, None where there is none."""
    if value is None:
        return None
    finite = [number for number in numbers(value) if math.isfinite(number)]
    return max(finite) if finite else None


def shortened(value: Any) -> str:
    """Return a value's text in one line of at most 100 characters."""
    return " ".join(repr(value).split())[:100]


def mask_box(mask: Any) -> list[float] | None:
    """Return x, y, w, h of the pixels of a bool (H, W) mask, whole pixels included; None without any."""
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    if not rows.size:
        return None
    x, y = float(columns[0]), float(rows[0])
    return [x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y]


def enter(folder: str | None) -> None:
    """Put ``folder`` first on the search path of modules, and make it the working folder."""
    if folder is not None:
        sys.path.insert(0, folder)
        os.chdir(folder)

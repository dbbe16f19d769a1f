"""The settings that a search varies, and those that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trackbench.errors import UsageError
from trackbench.trackers.settings import parse_setting

if TYPE_CHECKING:
    from optuna import Trial

_FORM = "expected KEY=LOW:HIGH, KEY=LOW:HIGH:STEP, KEY=LOW:HIGH:log, KEY=ONE,OTHER or KEY=VALUE"


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones where both are."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(bound, int) for bound in (self.low, self.high)) and not isinstance(self.step, float)

    def values(self) -> list[float]:
        """Return all values of a range with steps; of whole numbers the step is 1.

        Raises:
            UsageError: it has no steps.
        """
        step = self.step or (1 if self.whole else None)
        if step is None or self.log:
            raise UsageError(f"{self.low:g}:{self.high:g}: a grid needs steps, as in LOW:HIGH:STEP")
        count = int((self.high - self.low) / step + 1e-9) + 1
        # Decimal steps stay decimal: 0.05 + 2 * 0.05 is 0.15.
        return [self.low + k * step if self.whole else round(self.low + k * step, 12) for k in range(count)]

    def suggest(self, trial: Trial, key: str) -> float:
        """Return the value that a trial has."""
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)

    def document(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return {"low": self.low, "high": self.high, "step": self.step, "log": self.log}


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    options: tuple[Any, ...]

    def values(self) -> list[Any]:
        """Return all of them."""
        return list(self.options)

    def suggest(self, trial: Trial, key: str) -> Any:
        """Return the value that a trial has."""
        return trial.suggest_categorical(key, self.options)

    def document(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return {"choices": list(self.options)}


@dataclass(frozen=True)
class Space:
    """All settings of a search."""

    varied: dict[str, Range | Choices]
    fixed: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return {"varied": {key: axis.document() for key, axis in self.varied.items()}, "fixed": self.fixed}


def parse_space(settings: Sequence[str]) -> Space:
    """Return the space of ``--set`` texts.

    Raises:
        UsageError: one has no such form, or nothing is varied.

    Example:
        >>> space = parse_space(["penalty_k=0.05:0.3", "top_k=16:64:8", "heads=double,conv", "lr=0.4"])
        >>> space.varied["penalty_k"], space.varied["top_k"].whole, space.fixed
        (Range(low=0.05, high=0.3, step=None, log=False), True, {'lr': 0.4})
    """
    varied: dict[str, Range | Choices] = {}
    fixed: dict[str, Any] = {}
    for text in settings:
        key, value = parse_setting(text)
        if key in varied or key in fixed:
            raise UsageError(f"--set {key}: is given twice")
        if not isinstance(value, str):
            fixed[key] = value
        elif ":" in value:
            varied[key] = _range(text, value)
        elif "," in value:
            varied[key] = Choices(tuple(parse_setting(f"x={part.strip()}")[1] for part in value.split(",")))
        else:
            fixed[key] = value
    if not varied:
        raise UsageError(f"--set: nothing is varied; {_FORM}")
    return Space(varied, fixed)


def _range(text: str, value: str) -> Range:
    bounds, log = value.split(":"), False
    if bounds[-1] == "log":
        bounds, log = bounds[:-1], True
    try:
        numbers = [int(bound) if bound.strip().lstrip("+-").isdecimal() else float(bound) for bound in bounds]
    except ValueError:
        raise UsageError(f"--set '{text}': {_FORM}") from None
    if len(numbers) not in (2, 3) or (log and len(numbers) == 3):
        raise UsageError(f"--set '{text}': {_FORM}")
    parsed = Range(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None, log)
    if not parsed.low < parsed.high:
        raise UsageError(f"--set '{text}': the lower end is not below the upper one")
    if (log and not parsed.low > 0) or (parsed.step is not None and not parsed.step > 0):
        raise UsageError(f"--set '{text}': {'the lower end' if log else 'the step'} has to be above 0")
    return parsed

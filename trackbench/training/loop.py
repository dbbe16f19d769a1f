"""The training loop, on Lightning Fabric: one CPU, one GPU or several.

Every step depends on the weights, the optimiser's state and its own number alone: samples are numbered, and the
generator of dropout is seeded by the step. So a training that is continued, after whatever end, gives the weights of
one that was never disturbed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from trackbench.errors import DataError, TrackerError, UsageError
from trackbench.training.export import official_weights
from trackbench.training.kept_tokens import NUMBER, KeptTokens
from trackbench.training.loader import Steps, make_loader
from trackbench.training.logs import Log
from trackbench.training.optimisation import (
    learning_rate_factor,
    make_optimiser,
    phase,
    set_learning_rates,
    set_trained,
)
from trackbench.training.session import Objective, Session, versions
from trackbench.training.state import WEIGHTS, check_same, load_state, recipe_document, save_state, save_weights
from trackbench.training.tasks.base import KeepsTokens

MOST_SKIPPED = 100
"""Steps in a row that may be left out because of their loss."""

Evaluate = Callable[[dict[str, Tensor]], dict[str, float]]


@dataclass
class TrainingSettings:
    """How a training runs; nothing here changes its numbers, the number of processes apart."""

    out: Path
    resume: bool = False
    accelerator: Literal["cpu", "cuda"] = "cpu"
    devices: int = 1
    workers: int = 1
    log_every: int = 50
    """Steps between rows of the log."""
    save_minutes: float = 10.0
    """Minutes between states; one is also saved after each epoch."""
    minutes: float | None = None
    """After so many minutes the training ends with its state and weights written, to be continued."""
    tensorboard: bool = False
    evaluate: Evaluate | None = None
    """Gives numbers of validation for weights under our names."""


@dataclass
class TrainingProgress:
    """What a display is told after each step."""

    step: int
    steps: int
    loss: float
    iou: float
    samples_per_second: float


@dataclass
class _Sums:
    """Means between two rows of the log."""

    count: int = 0
    values: dict[str, Tensor] = field(default_factory=dict)
    waited: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, values: dict[str, Tensor], waited: float) -> None:
        self.count += 1
        self.waited += waited
        for name, value in values.items():
            self.values[name] = self.values.get(name, torch.zeros_like(value)) + value


class Trainer:
    """Trains one session.

    Args:
        session: what.
        settings: how.
        report: is told of each step.

    Raises:
        UsageError: the batch cannot be shared among the processes, or a changed recipe is to be continued.
        DataError: the folder's state is damaged.
    """

    def __init__(
        self, session: Session, settings: TrainingSettings, report: Callable[[TrainingProgress], None] = lambda _: None
    ) -> None:
        self.session, self.settings, self.report = session, settings, report
        recipe = self.recipe = session.recipe
        self.fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy="ddp_find_unused_parameters_true" if settings.devices > 1 else "auto",
            precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        )
        self.fabric.launch()
        self.steps = recipe.steps_per_epoch * recipe.schedule.epochs
        self.step = self.skipped = 0
        self.interrupted = False
        """Set from outside: ends the training after the present step, whose state is then written."""
        self.network = session.build_network()
        state = load_state(settings.out) if settings.resume else None
        if state is not None:
            check_same(state["recipe"], recipe_document(recipe))
            self.step, self.skipped = state["step"], state["skipped"]
            self.network.load_state_dict(state["network"])
        self._phase = -1
        self._start_phase()
        self.average: AveragedModel | None = None
        if recipe.ema:
            self.average = AveragedModel(self.network, avg_fn=moving_average(recipe.ema), use_buffers=True)
        if state is not None:
            self.optimiser.load_state_dict(state["optimiser"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        self.kept = self._kept_tokens() if recipe.data.keep_tokens else None
        self._started = self._saved = time.monotonic()

    def _kept_tokens(self) -> tuple[KeepsTokens, KeptTokens]:
        """Return what computes the tokens of frozen blocks, and what keeps them.

        Raises:
            UsageError: this tracker has no such blocks, or they are trained.
        """
        task, recipe = self.session.task, self.recipe
        if not isinstance(task, KeepsTokens):
            raise UsageError(f"data.keep_tokens: {recipe.tracker} has no frozen blocks that see each image alone")
        assert recipe.data.distinct is not None  # the recipe has been checked
        task.check_tokens(self.network)
        fabric = self.fabric
        kept = KeptTokens(self.settings.out, recipe.data.distinct, fabric.is_global_zero, fabric.barrier)
        if not self.settings.resume:
            kept.forget()
        return task, kept

    @property
    def epoch(self) -> int:
        """The epoch of the next step, 0-based."""
        return self.step // self.recipe.steps_per_epoch

    def _start_phase(self) -> None:
        """Make the optimiser of what is trained from here on; its memory is lost, as in pysot."""
        options = self.recipe.optimiser
        set_trained(self.network, options, self.epoch)
        settings = phase(options, self.epoch)
        if settings == self._phase:
            return
        self._phase = settings
        made = make_optimiser(self.network.named_parameters(), options)
        self.objective, self.optimiser = self.fabric.setup(Objective(self.network, self.session.task), made)

    def run(self) -> None:
        """Train to the end of the recipe, of its time or until it is interrupted, and write state and weights.

        Raises:
            TrackerError: the loss or the gradients are no longer numbers; the last good state is on disk.
            DataError: nothing can be drawn or written.
        """
        fabric, recipe, settings = self.fabric, self.recipe, self.settings
        writes = fabric.is_global_zero
        events = settings.out / "tensorboard" if settings.tensorboard and writes else None
        log = Log(settings.out / "log.csv", self.step, events, writes)
        validation = Log(settings.out / "validation.csv", self.step, None, writes)
        steps = Steps(self.step, self.steps, recipe.batch, fabric.global_rank, fabric.world_size)
        loader = iter(
            make_loader(self.session.task, recipe.seed, steps, settings.workers, settings.accelerator == "cuda")
        )
        sums, epoch = _Sums(), -1
        while self.step < self.steps:
            if self.epoch != epoch:
                epoch = self.epoch
                self._start_phase()
                factor = learning_rate_factor(epoch, recipe.schedule)
                set_learning_rates(self.optimiser, recipe.optimiser.lr, factor)
            asked = time.perf_counter()
            batch = next(loader)
            waited = time.perf_counter() - asked
            batch = self._on_device(batch if self.kept is None else self._tokens(batch, *self.kept))
            values = self._one_step(batch)
            sums.add(values, waited)
            self.step += 1
            ends = self.step % recipe.steps_per_epoch == 0
            if self.step % settings.log_every == 0 or self.step == self.steps:
                self._write_row(log, sums)
                sums = _Sums()
            if ends or time.monotonic() - self._saved > 60 * settings.save_minutes:
                self.save()
            every = recipe.validation.every
            if ends and every and (self.epoch % every == 0 or self.step == self.steps) and settings.evaluate:
                self._validate(validation)
            if self.step < self.steps and self._ends_early():
                self.save()
                break

    def _ends_early(self) -> bool:
        """Whether the time is over or somebody asked for the end, as the first process sees it."""
        minutes = self.settings.minutes
        late = minutes is not None and time.monotonic() - self._started > 60 * minutes
        ends: bool = self.fabric.broadcast(self.interrupted or late)
        return ends

    def _on_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self.fabric.device, non_blocking=True) for name, tensor in batch.items()}

    def _tokens(self, batch: dict[str, Tensor], task: KeepsTokens, kept: KeptTokens) -> dict[str, Tensor]:
        """Return the tokens of a batch, which are computed in the first pass over the distinct samples."""
        numbers = batch.pop(NUMBER)
        if not batch:
            return kept.read(numbers)
        with self.fabric.autocast():
            return kept.keep(numbers, task.tokens(self.network, self._on_device(batch)))

    def _one_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        options, fabric = self.recipe.optimiser, self.fabric
        torch.manual_seed((self.recipe.seed << 32) + self.step * fabric.world_size + fabric.global_rank)
        self.optimiser.zero_grad()
        try:
            total, terms, iou = self.objective(batch)
        except FloatingPointError as error:
            raise self._not_finite(str(error)) from None
        value = float(total.detach())
        if options.skip_above is not None and not value <= options.skip_above:
            self.skipped += 1
            if self.skipped >= MOST_SKIPPED:
                raise self._not_finite(f"the loss was {value:g} and the step left out {self.skipped} times in a row")
        else:
            if value != value or value in (float("inf"), float("-inf")):
                raise self._not_finite(f"the loss is {value:g}")
            self.skipped = 0
            fabric.backward(total)
            if options.clip_norm is not None:
                norm = fabric.clip_gradients(
                    self.objective, self.optimiser, max_norm=options.clip_norm, error_if_nonfinite=False
                )
                if norm is not None and not torch.isfinite(norm):
                    raise self._not_finite("the gradients are no numbers")
            self.optimiser.step()
            if self.average is not None:
                self.average.update_parameters(self.network)
        return {"loss": total.detach(), **terms, "iou": iou}

    def _not_finite(self, what: str) -> TrackerError:
        lr = self.optimiser.param_groups[-1]["lr"]
        return TrackerError(
            f"step {self.step + 1}: {what}; stopped, {self.settings.out} keeps the last good state. "
            f"Lower the learning rate: --set optimiser.lr={lr / 10:g} (it is {lr:g}), "
            f"from these weights with --set start={self.settings.out / WEIGHTS} and another --out"
        )

    def _write_row(self, log: Log, sums: _Sums) -> None:
        seconds = time.perf_counter() - sums.started
        means = {
            name: float(cast(Tensor, self.fabric.all_reduce(value / sums.count))) for name, value in sums.values.items()
        }
        speed = sums.count * self.recipe.batch / seconds
        if self.fabric.is_global_zero:
            row = {"step": self.step, "epoch": (self.step - 1) // self.recipe.steps_per_epoch + 1}
            rate = {"lr": float(self.optimiser.param_groups[-1]["lr"])}
            log.add(row | rate | means | {"samples_per_second": speed, "network_share": 1 - sums.waited / seconds})
            self.report(TrainingProgress(self.step, self.steps, means["loss"], means["iou"], speed))

    def weights(self) -> dict[str, Tensor]:
        """Return the weights under our names that are used: the averaged ones, where there is an average."""
        network = self.network if self.average is None else self.average.module
        return {name: tensor.detach() for name, tensor in network.state_dict().items()}

    def save(self) -> None:
        """Write state and weights.

        Raises:
            TrackerError: a weight is no number; the earlier state stays.
            DataError: they cannot be written; the earlier state stays.
        """
        weights = self.weights()
        if not all(torch.isfinite(tensor).all() for tensor in weights.values() if tensor.is_floating_point()):
            raise self._not_finite("weights are no numbers")
        if self.kept is not None:
            self.kept[1].flush()
        if self.fabric.is_global_zero:
            state: dict[str, Any] = {
                "step": self.step,
                "skipped": self.skipped,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "recipe": recipe_document(self.recipe),
                "versions": versions(),
            }
            save_state(self.settings.out, state)
            save_weights(self.settings.out, official_weights(self.session.model, weights), self.metadata())
        self.fabric.barrier()
        self._saved = time.monotonic()

    def metadata(self) -> dict[str, str]:
        """Return what a file of weights says of its training."""
        return {
            "tracker": self.session.settings.name,
            "recipe": json.dumps({"name": self.session.name} | recipe_document(self.recipe)),
            "data": json.dumps(
                [
                    {key: row[key] for key in ("set", "source", "split", "targets", "share")}
                    for row in self.session.describe_data()
                ]
            ),
            "versions": json.dumps(versions()),
            "step": str(self.step),
            "steps": str(self.steps),
        }

    def _validate(self, log: Log) -> None:
        if self.fabric.is_global_zero and self.settings.evaluate is not None:
            log.add({"step": self.step, "epoch": self.epoch} | self.settings.evaluate(self.weights()))
        self.fabric.barrier()


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return the rule of averaged weights: a decay of (1 + n) / (10 + n) in the n-th step, ``decay`` at the most.

    Counters are copied.

    Without the smaller decay of the first steps, short trainings would average the random start in.
    """

    def rule(average: Tensor, value: Tensor, steps: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return value
        count = int(steps)
        return average.lerp(value, 1 - min(decay, (1 + count) / (10 + count)))

    return rule


def check_folder(out: Path) -> None:
    """Make the folder of a training.

    Raises:
        DataError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be made: {error.strerror}") from None

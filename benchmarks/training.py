"""Whether the loader keeps up with the network: ``python benchmarks/training.py``.

Trains a recipe on a synthetic data set for a few steps and prints which share of the step time was the network's, that
is, how long the loop did not wait for samples. The first steps, in which workers start, do not count. The aim is 90 %
for SBT-light at batch 8 on two cores: one for the network, one for the samples.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import torch

from trackbench.datasets.synthetic import synthesize
from trackbench.training.loop import Trainer, TrainingSettings
from trackbench.training.recipe import load_recipe
from trackbench.training.session import open_session

WARM = 2
"""Steps that do not count."""


def measure(recipe: str, batch: int, steps: int, workers: int, folder: Path) -> tuple[float, float]:
    """Return samples a second and the network's share of the time."""
    data, out = folder / "data", folder / f"out-{workers}"
    if not data.exists():
        synthesize(data, sequences=6, frames=60)
    out.mkdir()
    changes: dict[str, object] = {f"data.sets.{name}.share": 0 for name in load_recipe(recipe).data.sets}
    changes |= {"data.sets.synthetic": {"source": str(data)}, "batch": batch, "data.samples": batch * (WARM + steps)}
    session = open_session(recipe, load_recipe(recipe, changes | {"schedule.epochs": 1, "schedule.drops": []}))
    Trainer(session, TrainingSettings(out, workers=workers, log_every=1)).run()
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[WARM:]
    seconds = [batch / float(row["samples_per_second"]) for row in rows]
    network = sum(float(row["network_share"]) * time for row, time in zip(rows, seconds, strict=True))
    return batch * len(rows) / sum(seconds), network / sum(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="sbt-light")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for workers in (0, 1):
            speed, share = measure(arguments.recipe, arguments.batch, arguments.steps, workers, Path(folder))
            print(
                f"{arguments.recipe}, batch {arguments.batch}, {workers} workers: "
                f"{speed:.2f} samples/s, {100 * share:.1f} % of the step time is the network's"
            )


if __name__ == "__main__":
    main()

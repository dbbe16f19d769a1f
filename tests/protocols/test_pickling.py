"""Protocols, plans and tasks travel to other processes."""

import pickle
from pathlib import Path

import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.datasets.synthetic import synthesize
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.protocols.catalogue import PROTOCOLS, find_protocol
from trackbench.trackers.registry import find_tracker


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_every_protocol_can_be_pickled(workplace: Path, name: str) -> None:
    synthesize(workplace / "vot", sequences=1, frames=24, layout="vot")
    dataset = open_dataset("vot")
    protocol = find_protocol(name, dataset)
    copied = pickle.loads(pickle.dumps(protocol))
    sequence = dataset.sequences[0]
    here, there = protocol.runs(sequence), copied.runs(sequence)
    assert [(run.name, run.start, run.step, run.delay) for run in here] == [
        (run.name, run.start, run.step, run.delay) for run in there
    ]
    assert next(here[0].script(sequence)) == next(there[0].script(sequence))


def test_realtime_of_every_protocol_can_be_pickled(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesize(workplace / "vot", sequences=1, frames=24, layout="vot")
    for of in ("one-pass", "supervised", "multistart", "unsupervised"):
        dataset = open_dataset("vot")
        monkeypatch.setattr(Dataset, "protocol", of)
        protocol = pickle.loads(pickle.dumps(find_protocol("realtime", dataset, speed=20.0)))
        assert protocol.rules["of"] == of
        assert protocol.runs(dataset.sequences[0])


def test_a_plan_that_was_pickled_does_the_same_work(workplace: Path) -> None:
    plans = [
        make_plan(find_tracker("drift"), open_dataset("data"), workplace / name, protocol="realtime", speed=5.0)
        for name in ("here", "there")
    ]
    _ = plans[1].dataset.sequences[0].frames
    copied = pickle.loads(pickle.dumps(plans[1]))
    assert "frames" not in vars(copied.dataset.sequences[0])
    assert [task.run.name for task in copied.missing] == ["s1", "s2", "s3"]
    execute([plans[0]], device="cpu")
    execute([copied], device="cpu")
    for name in ("s1", "s2", "s3"):
        texts = [plan.folder.file(name).read_bytes() for plan in (plans[0], copied)]
        assert texts[0] == texts[1]

"""The registry of protocols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import UsageError, suggestion
from trackbench.metrics.vot.conventions import EQUAL_REPETITIONS, REPETITIONS, SKIP
from trackbench.protocols.base import Episode, EpisodeGenerator, Protocol, ProtocolDefinition
from trackbench.protocols.multi_start import anchored_runs, from_anchor
from trackbench.protocols.one_pass import one_pass
from trackbench.protocols.real_time import FPS, GRACE, real_time
from trackbench.protocols.region_policy import RegionPolicy
from trackbench.protocols.robustness import SEGMENTS, SHIFTS, spatial_runs, temporal_runs
from trackbench.protocols.supervised import FailureRule, supervised
from trackbench.registry import Registry

Script = Callable[[VideoSequence], EpisodeGenerator]
Rule = Literal["pysot", "matlab", "vot"]
RULES: tuple[Rule, ...] = ("pysot", "matlab", "vot")
REAL_TIME = "realtime"


def find_protocol(
    name: str, dataset: Dataset, *, convention: str | None = None, speed: float | None = None
) -> Protocol:
    """Return the protocol called ``name`` for ``dataset``.

    Args:
        name: ``one-pass``, ``supervised``, ``multistart``, ``unsupervised``, OTB's ``tre`` and ``sre``, or
            ``realtime``, which is the data set's own protocol with frames missed by a slow tracker.
        dataset: what is run on.
        convention: whose overlap decides on failures of ``supervised``: ``pysot``, ``matlab`` or ``vot``. Default: the
            data set's; ``vot`` where the annotations are masks, which the others cannot compare.
        speed: for ``realtime``: frames per second that the tracker is taken to do; default: as measured.

    Raises:
        UsageError: there is no such protocol or convention, or an option that the protocol has no use for.
    """
    definition, name = PROTOCOLS.get(name), PROTOCOLS.spelled(name)
    base = dataset.protocol if name == REAL_TIME else name
    if convention is not None and base != "supervised":
        raise UsageError(f"--convention decides on failures, and protocol '{name}' on {dataset.name} has none")
    if convention is not None and convention not in RULES:
        hint = suggestion(convention, RULES)
        raise UsageError(f"unknown --convention '{convention}'{hint} (known: {', '.join(RULES)})")
    if speed is not None and (name != REAL_TIME or not 0 < speed < float("inf")):
        reason = f"it is for --protocol {REAL_TIME}" if name != REAL_TIME else "expected a number above 0"
        raise UsageError(f"--speed {speed:g}: {reason}")
    if speed is not None:
        return _in_real_time(PROTOCOLS.get(base).make(dataset, convention), speed)
    return definition.make(dataset, convention)


def _one_pass(dataset: Dataset, convention: str | None) -> Protocol:
    return Protocol("one-pass", _single(one_pass), offline=True, coded=False)


def _supervised(dataset: Dataset, convention: str | None) -> Protocol:
    kind = dataset.region_kind()
    own = "vot" if kind == "mask" else dataset.convention
    rule: Rule = next((rule for rule in RULES if rule == (convention or own)), "pysot")
    if kind == "mask" and rule != "vot":
        raise UsageError(f"--convention {rule} compares boxes and polygons only; {dataset.name} has masks, use vot")
    script = partial(supervised, lost=FailureRule(rule))
    return Protocol(
        "supervised",
        _single(script),
        RegionPolicy(kind, coded=True),
        repetitions=REPETITIONS,
        equal_repetitions=EQUAL_REPETITIONS,
        rules={"regions": kind, "failure": rule, "skip": SKIP},
    )


def _multi_start(dataset: Dataset, convention: str | None) -> Protocol:
    kind = dataset.region_kind()
    return Protocol("multistart", anchored_runs, RegionPolicy(kind, coded=True), rules={"regions": kind})


def _unsupervised(dataset: Dataset, convention: str | None) -> Protocol:
    kind = dataset.region_kind()
    rules = {"regions": kind}
    return Protocol("unsupervised", _single(from_anchor), RegionPolicy(kind, coded=True), offline=True, rules=rules)


def _temporal(dataset: Dataset, convention: str | None) -> Protocol:
    runs = partial(temporal_runs, dataset.definition.origin)
    return Protocol("tre", runs, rules={"segments": SEGMENTS})


def _spatial(dataset: Dataset, convention: str | None) -> Protocol:
    runs = partial(spatial_runs, dataset.definition.origin)
    return Protocol("sre", runs, rules={"shifts": list(SHIFTS)})


# Protocols travel to other processes, so their parts are functions of modules and partial calls of them.
def _single(script: Script) -> Callable[[VideoSequence], list[Episode]]:
    return partial(_one_episode, script)


def _one_episode(script: Script, sequence: VideoSequence) -> list[Episode]:
    return [Episode(sequence.name, script)]


def _in_real_time(protocol: Protocol, speed: float | None) -> Protocol:
    return replace(
        protocol,
        name=REAL_TIME,
        runs=partial(_real_time_episodes, protocol.runs, speed),
        repetitions=1,
        equal_repetitions=None,
        measures_time=speed is None,
        offline=False,
        rules={**protocol.rules, "of": protocol.name, "speed": speed or "measured", "grace": GRACE},
    )


def _real_time_episodes(
    runs: Callable[[VideoSequence], list[Episode]], speed: float | None, sequence: VideoSequence
) -> list[Episode]:
    return [replace(run, script=partial(_real_time_script, run.script, speed)) for run in runs(sequence)]


def _real_time_script(script: Script, speed: float | None, sequence: VideoSequence) -> EpisodeGenerator:
    return real_time(script(sequence), sequence.details.fps or FPS, speed)


def _real_time(dataset: Dataset, convention: str | None) -> Protocol:
    return _in_real_time(PROTOCOLS.get(dataset.protocol).make(dataset, convention), None)


PROTOCOLS: Registry[ProtocolDefinition] = Registry(
    "protocol",
    "trackbench.protocols",
    ProtocolDefinition,
    "a trackbench.protocols.base.ProtocolDefinition",
    {
        "one-pass": ProtocolDefinition(_one_pass),
        "supervised": ProtocolDefinition(_supervised, "supervised"),
        "multistart": ProtocolDefinition(_multi_start, "multistart"),
        "unsupervised": ProtocolDefinition(_unsupervised, "unsupervised"),
        REAL_TIME: ProtocolDefinition(_real_time, None),
        "tre": ProtocolDefinition(_temporal, "tre"),
        "sre": ProtocolDefinition(_spatial, "sre"),
    },
)

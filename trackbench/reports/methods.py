"""The paragraph of a paper that says how stored runs were made, from their manifests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackbench.definitions import DATASETS, TRACKERS
from trackbench.errors import DataError, UsageError
from trackbench.metrics.statistics import RESAMPLES
from trackbench.results.hardware import describe_hardware
from trackbench.results.store import RunFolder, sequences_of

_PROTOCOLS = {
    "one-pass": "in one pass from the first frame, without resets",
    "tre": "in 20 runs from frames spread over the sequence (TRE)",
    "sre": "in 12 runs from shifted and scaled first boxes (SRE)",
    "supervised": "with resets after failures",
    "multistart": "from each anchor, without resets",
    "unsupervised": "from the first frame, without resets",
    "realtime": "in real time: frames that a slow tracker misses are answered with its last answer",
}


@dataclass(frozen=True)
class Account:
    """What a stored run's manifest and times say of it."""

    label: str
    title: str
    dataset: str
    """As papers print it."""
    protocol: str
    identity: dict[str, Any]
    sessions: list[dict[str, Any]]
    imported: bool
    sequences: int
    frames: int
    seconds: float
    """Time of tracking, all repetitions together; NaN where no times are stored."""
    repetitions: int


def read_account(folder: RunFolder) -> Account:
    """Return what a run's manifest and times say of it.

    Raises:
        DataError: it has no manifest.
    """
    manifest = folder.manifest()
    if manifest is None:
        raise DataError(f"{folder.path}: has no manifest.json")
    frames, seconds, known = 0, 0.0, False
    repetitions = folder.repetitions()
    for repetition in range(1, repetitions + 1):
        for name in folder.sequences(repetition):
            times = folder.seconds(name, repetition)
            if times is None:
                frames += len(folder.boxes(name, repetition))
                continue
            known = True
            frames, seconds = frames + len(times), seconds + float(np.nansum(times))
    try:
        title = DATASETS.get(folder.key.dataset).value.title
    except UsageError:  # a folder of the user's
        title = folder.key.dataset
    return Account(
        folder.key.tracker,
        str(manifest.get("title", folder.key.tracker)),
        title,
        folder.key.protocol,
        dict(manifest.get("identity", {})),
        list(manifest.get("sessions", [])),
        bool(manifest.get("imported", False)),
        len(sequences_of(folder)),
        frames,
        seconds if known else float("nan"),
        repetitions,
    )


def paragraph(accounts: Sequence[Account]) -> str:
    """Return the text: trackers and weights, benchmarks and protocol, repetitions and seeds, hardware, software."""
    sentences = [_trackers(accounts)]
    for dataset in dict.fromkeys(account.dataset for account in accounts):
        here = [account for account in accounts if account.dataset == dataset]
        for protocol in dict.fromkeys(account.protocol for account in here):
            group = [account for account in here if account.protocol == protocol]
            most = max(account.sequences for account in group)
            of = max((session.get("dataset_sequences") or 0 for a in group for session in a.sessions), default=0)
            counts = f"{most} of {of}" if most < of else str(most)
            fewer = {account.title: account.sequences for account in group if account.sequences < most}
            less = f" ({', '.join(f'{title}: {count}' for title, count in fewer.items())})" if fewer else ""
            version = group[0].identity.get("dataset_version")
            noted = f" (version {version} of its sequence list)" if version not in (None, "1") else ""
            were = "sequence was" if counts == "1" else "sequences were"
            how = _PROTOCOLS.get(protocol, f"by {protocol}")
            sentences.append(f"On {dataset}{noted}, {counts} {were} tracked {how}{less}.")
    for account in accounts:
        seed = account.identity.get("seed")
        if seed is not None:
            last = f" to {seed + account.repetitions - 1}" if account.repetitions > 1 else ""
            plural = "s" if account.repetitions > 1 else ""
            sentences.append(
                f"{account.title} draws at random and was run {account.repetitions} time{plural} on {account.dataset}, "
                f"with seed{plural} {seed}{last}."
            )
    sentences += [_hardware(accounts), _software(accounts)]
    imported = list(dict.fromkeys(account.title for account in accounts if account.imported))
    if imported:
        sentences.append(f"The results of {_listed(imported)} were imported, and only scored here.")
    return " ".join(sentence for sentence in sentences if sentence)


def checklist(accounts: Sequence[Account]) -> dict[str, str]:
    """Return what the runs answer of the NeurIPS paper checklist: heading -> text."""
    hours = sum(account.seconds for account in accounts if account.seconds == account.seconds) / 3600
    frames = sum(account.frames for account in accounts)
    weights = _weights(accounts)
    licences = [f"{name}: {text}" for name, text in _licences(accounts).items()]
    return {
        "4. Experimental result reproducibility": "Each run's manifest states tracker, version, options, weights "
        f"({'; '.join(weights) or 'none'}), data set version, protocol and seed; the "
        "sessions beside it state the commands.",
        "5. Open access to data and code": "Benchmarks are public under their own terms; trackbench is Apache-2.0. "
        "State where your tracker's code and weights are.",
        "6. Experimental setting/details": "All options are those of the manifests; "
        + (_settings(accounts) or "none differs from the trackers' definitions")
        + ".",
        "7. Experiment statistical significance": f"Intervals are 95 % bias-corrected and accelerated bootstrap over "
        f"sequences ({RESAMPLES} resamples); trackers are compared in pairs by Wilcoxon's signed-rank test with Holm's "
        "correction (`trackbench statistics`).",
        "8. Experiments compute resources": f"{frames} frames took {hours:.2f} hours of tracking, image reading apart. "
        + (_hardware(accounts) or "No hardware is recorded."),
        "12. Licenses for existing assets": "; ".join(licences) or "Not recorded by the trackers' definitions.",
    }


def _trackers(accounts: Sequence[Account]) -> str:
    titles = list(dict.fromkeys(account.title for account in accounts))
    weights = _weights(accounts)
    text = (
        f"We evaluated {_listed(titles)} with trackbench {_versions(accounts).get('trackbench', 'of unknown version')}."
    )
    return f"{text} Weights (SHA-256): {'; '.join(weights)}." if weights else text


def _weights(accounts: Sequence[Account]) -> list[str]:
    phrases: dict[str, None] = {}
    for account in accounts:
        parts = [account.identity, account.identity.get("refiner") or {}]
        for part in parts:
            if part.get("weights_sha256"):
                phrases[f"{part.get('tracker', account.title)} {part['weights_sha256'][:12]}"] = None
    return list(phrases)


def _settings(accounts: Sequence[Account]) -> str:
    changed = [account.label for account in accounts if "@" in account.label]
    return f"runs with settings of their own: {', '.join(dict.fromkeys(changed))}" if changed else ""


def _hardware(accounts: Sequence[Account]) -> str:
    # What is imported ran elsewhere.
    sessions = [session for account in accounts if not account.imported for session in account.sessions]
    parts = dict.fromkeys(
        f"{describe_hardware(session)} in {session.get('precision', 'float32')}, batch {session.get('batch', 1)}"
        for session in sessions
        if session.get("device")
    )
    return f"Trackers ran on {_listed(list(parts))}." if parts else ""


def _software(accounts: Sequence[Account]) -> str:
    versions = _versions([account for account in accounts if not account.imported])
    names = {"python": "Python", "torch": "PyTorch", "opencv-python": "OpenCV", "numpy": "NumPy"}
    parts = [f"{title} {versions[key]}" for key, title in names.items() if versions.get(key)]
    return f"Software: {', '.join(parts)}." if parts else ""


def _versions(accounts: Sequence[Account]) -> dict[str, str]:
    """Return the versions of all sessions; of several, each is named."""
    by_package: dict[str, dict[str, None]] = {}
    for account in accounts:
        for session in account.sessions:
            for name, version in (session.get("versions") or {}).items():
                by_package.setdefault(name, {})[str(version)] = None
    return {name: " and ".join(versions) for name, versions in by_package.items()}


def _licences(accounts: Sequence[Account]) -> dict[str, str]:
    licences = {}
    for account in accounts:
        name = account.identity.get("tracker")
        if isinstance(name, str) and name in TRACKERS.names():
            card = TRACKERS.get(name).value.card
            texts = [text for text in (card.code_licence, card.weights_licence) if text]
            if texts:
                licences[account.title] = ", weights ".join(texts)
    return licences


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

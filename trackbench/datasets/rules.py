"""The protocol and the convention that a definition names: whether there are such."""

from __future__ import annotations

from trackbench.definitions import DatasetDefinition, ResolvedDefinition
from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.metrics import conventions
from trackbench.metrics.vot import conventions as vot
from trackbench.registry import Registry

#: Those of `trackbench.protocols.catalogue` that stand by themselves -> whether the conventions of VOT are theirs.
PROTOCOLS = {
    "one-pass": False,
    "supervised": True,
    "multistart": True,
    "unsupervised": True,
    "tre": False,
    "sre": False,
}
REAL_TIME = "realtime"
_NAMES: Registry[bool] = Registry("protocol", "trackbench.protocols", bool, "", PROTOCOLS)


def check_rules(resolved: ResolvedDefinition[DatasetDefinition]) -> None:
    """Refuse a definition whose protocol or convention does not exist; those given as ``module:name`` are not loaded.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    definition = resolved.value
    if definition.protocol == REAL_TIME:
        raise UsageError(
            f"{resolved.path}: key 'protocol' is '{REAL_TIME}': expected what is to run in real time, such as "
            f"one-pass; `run --protocol {REAL_TIME}` does so"
        )
    protocol = _NAMES.spelled(definition.protocol, f"{resolved.path}: key 'protocol': there is no protocol")
    known = [*conventions.CONVENTIONS]
    if PROTOCOLS.get(protocol, True):  # a protocol of another package may be scored by either
        known = ["official", *vot.CONVENTIONS, *([] if protocol in PROTOCOLS else known)]
    name = definition.convention
    if ":" not in name and not any(fold_name(name) == fold_name(other) for other in known):
        raise UsageError(
            f"{resolved.path}: key 'convention': protocol '{protocol}' has no convention '{name}'"
            f"{suggestion(name, known)} (known: {', '.join(dict.fromkeys(known))})"
        )

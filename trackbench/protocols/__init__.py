"""Protocols: what is asked of a tracker about the frames of a sequence."""

from collections.abc import Callable

from trackbench.datasets.sequence import Sequence
from trackbench.protocols.base import Script
from trackbench.protocols.one_pass import one_pass

#: Protocol name -> its generator.
PROTOCOLS: dict[str, Callable[[Sequence], Script]] = {"one-pass": one_pass}

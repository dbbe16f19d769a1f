"""Protocols and conventions that definitions name."""

from __future__ import annotations

from trackbench.datasets.rules import PROTOCOLS, REAL_TIME, check_rules
from trackbench.definitions import DATASETS
from trackbench.protocols import catalogue
from trackbench.scoring.vot import SCORERS


def test_the_protocols_known_to_definitions_are_those_that_there_are() -> None:
    assert {*PROTOCOLS, REAL_TIME} == {*catalogue.PROTOCOLS}
    assert {name for name, of_vot in PROTOCOLS.items() if of_vot} == SCORERS.keys()


def test_what_the_package_defines_is_by_known_rules() -> None:
    for resolved in DATASETS.readable():
        check_rules(resolved)

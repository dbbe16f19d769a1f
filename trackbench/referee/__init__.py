"""A second opinion: the installed got10k toolkit or vot-toolkit scores the same stored run, in a process of its own."""

from trackbench.referee.verdict import TOLERANCE, Opinion, Verdict, referee

__all__ = ["TOLERANCE", "Opinion", "Verdict", "referee"]

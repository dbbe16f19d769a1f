"""Scores: data set, stored runs and metrics joined into one typed object for each tracker.

Scoring needs the annotations and the stored regions; it opens no image.
"""

from trackbench.scores.score import Curve, Metrics, Score
from trackbench.scores.scoring import score_runs
from trackbench.scores.stored import find_runs

__all__ = ["Curve", "Metrics", "Score", "find_runs", "score_runs"]

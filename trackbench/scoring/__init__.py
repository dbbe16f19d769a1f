"""Scores: data set, stored runs and metrics joined into one typed object for each tracker.

Scoring needs the annotations and the stored regions; it opens no image.
"""

from trackbench.scoring.evaluation import Evaluation, resolve_evaluation
from trackbench.scoring.score import BadAnswers, Curve, Metrics, Score
from trackbench.scoring.scoring import evaluate_runs, score_runs
from trackbench.scoring.stored import find_runs

__all__ = [
    "BadAnswers",
    "Curve",
    "Evaluation",
    "Metrics",
    "Score",
    "evaluate_runs",
    "find_runs",
    "resolve_evaluation",
    "score_runs",
]

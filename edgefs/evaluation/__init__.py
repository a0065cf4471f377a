"""Measuring a classifier on labelled images: what the line would have seen, and where it went wrong."""

from edgefs.evaluation.confusion import Confusion
from edgefs.evaluation.metrics import Evaluation
from edgefs.evaluation.scores import ClassFigures, Scores
from edgefs.evaluation.text import evaluation_text, headline

__all__ = ["ClassFigures", "Confusion", "Evaluation", "Scores", "evaluation_text", "headline"]

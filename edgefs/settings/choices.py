"""The names that options choose among, kept apart from torch and scikit-learn so that a help text loads neither.

What stands behind each name is a dict of the part that does the work, with these as its keys; a test compares them.
"""

from __future__ import annotations

from typing import Literal

Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "cosine"]
Precision = Literal["auto", "fp32", "bf16"]

STUDENTS = ("nano-s", "nano", "nano-l")  # of `distill`
STUDENT_SIZE = 128  # pixels, height and width of a student's input; any multiple of 32 works
RANGE_ESTIMATORS = ("minmax", "moving-average", "percentile")  # of int8

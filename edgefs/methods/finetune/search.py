"""Rate, depth and penalty of fine-tuning, chosen among a few by the folds.

What was asked for, or the default, is tried first; another must place more of the support rightly. The draw of what is
tried depends on the seed alone.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from edgefs.methods.finetune import FinetuneSettings

DEPTHS, RATES, PENALTIES = (1, 2, 4, 6), (0.1, 0.3, 1.0), (0.0, 0.01, 0.1)
TRIALS = 8


def candidates(first: FinetuneSettings, stages: int, seed: int) -> list[FinetuneSettings]:
    """`TRIALS` ways to tune, the first of them as given.

    Args:
        first: what was asked for, with a depth.
        stages: how many the backbone has.
        seed: picks the others.
    """
    grid = [
        dataclasses.replace(first, unfreeze=depth, stage_rate=rate, l2sp=penalty)
        for depth, rate, penalty in itertools.product(DEPTHS, RATES, PENALTIES)
        if depth <= stages
    ]
    others = [options for options in grid if options != first]
    drawn = np.random.default_rng(seed).permutation(len(others))[: TRIALS - 1]
    return [first, *(others[number] for number in drawn)]

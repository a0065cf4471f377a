"""Single decisions, one after the other, the bundles in turns: what each stage takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.benchmarking.budget import Budget
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.benchmarking.subject import BenchSubject, Times
from edgefs_runtime.images import ImageSource

STAGES = ("preprocess_encoded", "preprocess", "embed", "head", "end_to_end_encoded", "end_to_end")
_WARM_UP = 10  # decisions of each bundle
_TURN_SECONDS = 0.15
_MOST_IN_TURN = 20  # frames
_UNCOUNTED = 2  # decisions at the beginning of a turn: the other bundle's idle threads still spin then
_ONE_ENCODED_IN = 4  # frames: decoding a large one takes longer than all the rest

Turns = dict[str, list[NDArray[np.float64]]]  # of each stage and turn the seconds of each sample


def measure_alone(subjects: Sequence[BenchSubject], frames: Frames, budget: Budget) -> list[Turns]:
    """Times of each bundle while nothing else is asked of the process.

    A frame in memory is timed stage by stage, so that the stages add up to the end to end. After every four such
    frames comes one that has to be decoded first, for `preprocess_encoded` and `end_to_end_encoded`.

    Args:
        subjects: the bundles.
        frames: what they decide about.
        budget: of each bundle.
    """
    slowest = max(_warm_up(subject, frames) for subject in subjects)
    turn = max(2, min(_MOST_IN_TURN, round(_TURN_SECONDS / slowest)))
    measured: list[Turns] = [{stage: [] for stage in STAGES} for _ in subjects]
    order = list(zip(subjects, measured, strict=True))
    clock, done = budget.start(len(subjects)), 0
    while not clock.is_over(done):
        left = clock.left(done)
        number = turn if left is None else min(turn, left)
        for subject, turns in order:
            _take_turn(subject, frames, done, number, turns)
        done += number
        order.reverse()  # none always comes first
    return measured


def seconds_of(turns: Turns, stage: str) -> NDArray[np.float64]:
    """All samples of a stage, `[n]`."""
    return np.concatenate(turns[stage])


def _warm_up(subject: BenchSubject, frames: Frames) -> float:
    """Seconds of the fastest of some decisions, which load and allocate what is needed once."""
    for frame in frames.frames:
        subject.decide(frame.encoded)
    return min(subject.decide(frames[number].pixels)[1].total for number in range(_WARM_UP))


def _take_turn(subject: BenchSubject, frames: Frames, first: int, number: int, turns: Turns) -> None:
    for uncounted in range(_UNCOUNTED):
        subject.decide(frames[first + uncounted].pixels)
    in_memory = _decide([frames[first + k].pixels for k in range(number)], subject)
    encoded = _decide([frames[first + k].encoded for k in range(math.ceil(number / _ONE_ENCODED_IN))], subject)
    for stage, field in (("preprocess", 0), ("embed", 1), ("head", 2), ("end_to_end", 3)):
        turns[stage].append(in_memory[:, field])
    turns["preprocess_encoded"].append(encoded[:, 0])
    turns["end_to_end_encoded"].append(encoded[:, 3])


def _decide(sources: Sequence[ImageSource], subject: BenchSubject) -> NDArray[np.float64]:
    """Decide about frames, and give the `Times` of each, `[n,4]`."""
    times: list[Times] = [subject.decide(source)[1] for source in sources]
    return np.array(times, np.float64)

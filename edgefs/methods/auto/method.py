"""Which way of transfer learning fits these images: asked of the images themselves.

Every way is cross-validated on the same folds of the support, so that two of them are compared image by image. The
first, feature extraction with `blend`, costs seconds and is hard to beat from few images; another must be better by
half a standard error of the paired difference. What has no time left in the budget is left out, and said.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs.evaluation.paired import balanced_shares, clearly_best, standard_error
from edgefs.methods import METHODS
from edgefs.methods.cross_validation import FOLDS, can_be_compared, cross_validated
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs_runtime.base.wording import counted

MINUTES = 20.0  # of the budget, where nothing is said
_BETTER = 0.5  # standard errors
_CLEARLY = 1.5  # for a head that is given up when the device first learns something, and of which three are tried


@dataclass(frozen=True)
class _Way:
    """One way, with what it says of the support.

    Attributes:
        name: method and head.
        method: a key of `METHODS`.
        adapted: what ships if it is chosen.
        weighted: `[n]`, what each image adds to the balanced accuracy, cross-validated; in the order of the support.
        seconds: it took.
    """

    name: str
    method: str
    adapted: Adapted
    weighted: NDArray[np.float64]
    seconds: float

    @property
    def accuracy(self) -> float:
        return float(self.weighted.sum())

    @property
    def error(self) -> float:
        return standard_error(self.weighted)


def adapt_auto(task: Task) -> Adapted:
    """Try the ways that the budget allows, and take the best."""
    ways, skipped = _try_all(task, time.monotonic() + 60 * (task.settings.time_budget or MINUTES))
    chosen = _choose(ways)
    why = (_explain(chosen, ways), METHODS[chosen.method].fits, *skipped, _not_compared())
    return dataclasses.replace(
        chosen.adapted,
        method=chosen.method,
        candidates=tuple(Candidate(way.name, way.accuracy, way.error, way is chosen) for way in ways),
        notes=(*why, *chosen.adapted.notes),
    )


def _try_all(task: Task, end: float) -> tuple[list[_Way], list[str]]:
    """The ways that were tried until `end`, and sentences on what was not."""
    ways: list[_Way] = []
    skipped: list[str] = []
    for name, method in METHODS.items():
        if method.trials is None:
            continue
        if ways and not can_be_compared(task):
            only = METHODS[ways[0].method].title.lower()
            return ways, [f"Only {only} was tried: no class has two parts, so nothing can be compared."]
        needed = method.seconds(task, 1 + len(ways[0].adapted.symmetries)) if ways and method.seconds else 0.0
        left = end - time.monotonic()
        if ways and needed >= left:
            skipped.append(
                f"{method.title} was not tried: it takes about {needed / 60:.0f} minutes, and "
                f"{max(0.0, left) / 60:.0f} are left of --time-budget."
            )
            continue
        for way in _ways(name, method.trials(task), task):
            ways.append(way)
            if time.monotonic() > end:
                break
    return ways, skipped


def _ways(method: str, trials: Iterator[tuple[str, Adapted]], task: Task) -> Iterator[_Way]:
    began = time.monotonic()
    for name, adapted in trials:
        weighted = _weighted(task, adapted)
        yield _Way(name, method, adapted, weighted, time.monotonic() - began)
        began = time.monotonic()


def _not_compared() -> str:
    """What would need other images than there are."""
    needing = " and ".join(f"{METHODS[name].needs}," for name in sorted(METHODS) if METHODS[name].needs)
    return f"Not compared, since they need other images: {needing.rstrip(',')}."


def _choose(ways: list[_Way]) -> _Way:
    """The best whose head follows the gallery, unless a trained head is clearly better than that."""
    taught = [way for way in ways if way.adapted.head is None]
    best = taught[clearly_best([way.weighted for way in taught], _BETTER)]
    either = [best, *(way for way in ways if way.adapted.head is not None)]
    return either[clearly_best([way.weighted for way in either], _CLEARLY)]


def _weighted(task: Task, adapted: Adapted) -> NDArray[np.float64]:
    """What each image of the folds adds to the balanced accuracy, in the order of the support."""
    answers = cross_validated(task, adapted, FOLDS)
    right = {sample.digest: answer.nearest == sample.label for sample, answer in answers}
    judged = [sample for sample in task.split.train if sample.digest in right]
    labels = sorted(task.dispositions)
    classes = np.array([labels.index(sample.label) for sample in judged], np.int64)
    return balanced_shares(np.array([right[sample.digest] for sample in judged], bool), classes)


def _explain(chosen: _Way, ways: list[_Way]) -> str:
    """`features + blend: 96.1 ± 0.8 %; finetune: 95.0 ± 1.4 % at 40 times the time`."""
    first = ways[0]
    told = []
    for way in ways:
        times = way.seconds / max(first.seconds, 1e-9)
        cost = f" at {times:.0f} times the time" if times >= 2 else ""
        told.append(f"{way.name}: {100 * way.accuracy:.1f} ± {196 * way.error:.1f} %{cost}")
    if not len(first.weighted):
        return f"Chosen: {chosen.name}; there was nothing to compare on."
    why = "no other is clearly better" if chosen is first else "it is the best"
    n = counted(len(first.weighted), "image")
    return f"Chosen: {chosen.name}; {why} on the {n} learned from, cross-validated. {'; '.join(told)}."

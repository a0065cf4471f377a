"""Which stages and poolings of a backbone are embedded: all of them, or a run that is clearly better on the support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs.embedding.enrolments import Embedded, Vectors, snapshot_of
from edgefs.embedding.network import EmbeddingPlan
from edgefs.evaluation.paired import clearly_best, standard_error
from edgefs.methods.choosing import choosing_support, left_out_shares
from edgefs.methods.task import Task

_CLEARLY = 3.0  # standard errors: one of two dozen wins by two of them through luck alone


@dataclass(frozen=True)
class PlanTrial:
    """One plan, judged: `weighted` `[n]` adds up to the balanced accuracy of the support left out."""

    name: str
    plan: EmbeddingPlan
    weighted: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Balanced accuracy, 0 to 1."""
        return float(self.weighted.sum())

    @property
    def standard_error(self) -> float:
        """The standard error of the accuracy."""
        return standard_error(self.weighted)


def _plans(full: EmbeddingPlan) -> list[tuple[str, EmbeddingPlan]]:
    """Runs of stages that end at the last or leave it out, each with both poolings or one; all of it first."""
    n = len(full.taps)
    runs = {(0, n), *((start, n) for start in range(n)), *((start, n - 1) for start in range(max(0, n - 3), n - 1))}
    ordered = sorted(runs, key=lambda run: (run != (0, n), -run[1], run[0]))
    found = []
    for start, end in ordered:
        for poolings in (full.poolings, *((pooling,) for pooling in full.poolings)):
            stages = f"stages {start + 1} to {end}" if end - start > 1 else f"stage {end}"
            found.append((f"{stages}, {' + '.join(poolings)}", full.narrowed(full.taps[start:end], poolings)))
    return found


def _try(name: str, plan: EmbeddingPlan, full: EmbeddingPlan, task: Task, vectors: Vectors) -> PlanTrial:
    support = choosing_support(task, of_some_classes=True)
    columns = columns_of(full, plan)
    narrowed = {sample.digest: vectors[sample.digest][columns] for sample in support}
    snapshot = snapshot_of(support, Embedded(narrowed, narrowed), task.dispositions)
    return PlanTrial(name, plan, left_out_shares(snapshot))


def choose_stages(task: Task, full: EmbeddingPlan, vectors: Vectors) -> tuple[PlanTrial, list[PlanTrial]]:
    """The plan that is taken, and all that were tried.

    Args:
        task: whose support chooses.
        full: all stages.
        vectors: `[F]` of each image by all of them.
    """
    progress, trials = task.steps("choose stages"), []
    plans = _plans(full) if len(task.dispositions) > 1 else _plans(full)[:1]  # one class tells no choice
    for number, (name, plan) in enumerate(plans):
        trials.append(_try(name, plan, full, task, vectors))
        progress(number + 1, len(plans))
    return trials[clearly_best([trial.weighted for trial in trials], _CLEARLY)], trials


def columns_of(full: EmbeddingPlan, plan: EmbeddingPlan) -> NDArray[np.int64]:
    """Columns of the full embedding that a narrowed plan keeps."""
    kept = [
        np.arange(span.start, span.stop)
        for tap, pooling, span in full.blocks
        if tap in plan.taps and pooling in plan.poolings
    ]
    return np.concatenate(kept)

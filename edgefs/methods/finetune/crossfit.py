"""What images learned from look like to a network that was tuned without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample, folds
from edgefs.methods.finetune.cutting import CutNetwork
from edgefs.methods.finetune.tuning import Tuning
from edgefs.settings import FinetuneSettings
from edgefs.teaching import rows_of, snapshot_of
from edgefs_runtime.deciding import Judge
from edgefs_runtime.decision import Decision
from edgefs_runtime.heads import LeftOut, fit_head


@dataclass(frozen=True)
class CrossFitted:
    """Images of the support, each judged by what was made without it and its part.

    Attributes:
        decisions: about each.
        tuned: what the head says of them.
        frozen: what it says without tuning, on the same folds.
        classes: int64 `[n]`.
    """

    decisions: tuple[tuple[Sample, Decision], ...]
    tuned: LeftOut
    frozen: LeftOut
    classes: NDArray[np.int64]


def cross_fit(tuning: Tuning, options: FinetuneSettings) -> CrossFitted | None:
    """Tune on each fold's other part and judge the rest; None where there are no folds."""
    support, task = tuning.support, tuning.task
    divided = _divide(tuning, options.folds)
    judged: list[tuple[Sample, Decision]] = []
    tuned, frozen = [], []
    classes: list[int] = []
    untouched = CutNetwork(task.backbone.network, tuning.plan, support.frozen)
    for number, (learned, held_out) in enumerate(divided):
        network = tuning.tune(options, learned, f"tune, fold {number + 1} of {len(divided)}")
        decisions, answer = _judge(tuning, network.cut, learned, held_out)
        judged += zip((support.samples[position] for position in held_out), decisions, strict=True)
        tuned.append(answer)
        frozen.append(_judge(tuning, untouched, learned, held_out)[1])
        classes += support.classes[list(held_out)].tolist()
    if not judged:
        return None
    return CrossFitted(tuple(judged), _joined(tuned), _joined(frozen), np.array(classes, np.int64))


def _divide(tuning: Tuning, n_folds: int) -> list[tuple[list[int], list[int]]]:
    train = tuning.task.split.train
    return folds(train, n_folds, tuning.task.seed) if n_folds > 1 else []


def _judge(
    tuning: Tuning, cut: CutNetwork, learned: Sequence[int], held_out: Sequence[int]
) -> tuple[list[Decision], LeftOut]:
    samples, task = tuning.support.samples, tuning.task
    embedded = tuning.support.embedded(cut, tuning.projection, [*learned, *held_out])
    snapshot = snapshot_of([samples[position] for position in learned], embedded, task.dispositions)
    asked = rows_of([samples[position] for position in held_out], embedded)
    answer = fit_head(task.decision.head, snapshot).answer(asked)
    return Judge(snapshot, task.decision).decide(asked), LeftOut(answer.scores, answer.strangeness)


def _joined(parts: Sequence[LeftOut]) -> LeftOut:
    return LeftOut(
        np.concatenate([part.scores for part in parts]), np.concatenate([part.strangeness for part in parts])
    )

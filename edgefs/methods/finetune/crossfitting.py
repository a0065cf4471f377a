"""What images learned from look like to a network that was tuned without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample, folds
from edgefs.embedding.enrolments import rows_of, snapshot_of
from edgefs.evaluation.paired import balanced_shares
from edgefs.methods.finetune import FinetuneSettings
from edgefs.methods.finetune.cutting import CutNetwork
from edgefs.methods.finetune.tuning import Tuning
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.decision.heads import LeftOutScores, TrainedHead, TrainedHeadModel, fit_head
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.rejection import fit_temperature


@dataclass(frozen=True)
class CrossFitted:
    """Images of the support, each judged by what was made without it and its part.

    Attributes:
        decisions: about each.
        decided: float64 `[n,C]`, scores of the head that decides.
        gallery: what the gallery's head says of them.
        frozen: what it says without tuning, on the same folds.
        classes: int64 `[n]`.
    """

    decisions: tuple[tuple[Sample, Decision], ...]
    decided: NDArray[np.float64]
    gallery: LeftOutScores
    frozen: LeftOutScores
    classes: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Balanced accuracy of the head that decides."""
        return float(self.added(self.decided).sum())

    def added(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each image adds to the balanced accuracy by some scores `[n,C]`."""
        return balanced_shares(scores.argmax(axis=1) == self.classes, self.classes)

    @property
    def temperature(self) -> float:
        """Temperature of the head that decides."""
        return fit_temperature(LeftOutScores(self.decided, self.gallery.strangeness), self.classes, 1.0)


def cross_fit(tuning: Tuning, options: FinetuneSettings) -> CrossFitted | None:
    """Tune on each fold's other part and judge the rest; None where there are no folds."""
    images, task = tuning.images, tuning.task
    divided = folds(task.split.train, options.folds, task.seed) if options.folds > 1 else []
    untouched = CutNetwork(task.backbone.network, tuning.plan, images.frozen)
    told, frozen, classes = [], [], []
    for number, (learned, held_out) in enumerate(divided):
        network = tuning.tune(options, learned, f"tune, fold {number + 1} of {len(divided)}")
        told.append(_judge(tuning, network.cut, network.model(images.labels, 1.0), learned, held_out))
        frozen.append(_judge(tuning, untouched, None, learned, held_out).gallery)
        classes += images.classes[list(held_out)].tolist()
    if not told:
        return None
    return CrossFitted(
        tuple(pair for one in told for pair in one.decisions),
        np.concatenate([one.decided for one in told]),
        _joined([one.gallery for one in told]),
        _joined(frozen),
        np.array(classes, np.int64),
    )


class _Told(NamedTuple):
    decisions: tuple[tuple[Sample, Decision], ...]
    decided: NDArray[np.float64]
    gallery: LeftOutScores


def _judge(
    tuning: Tuning,
    cut: CutNetwork,
    model: TrainedHeadModel | None,
    learned: Sequence[int],
    held_out: Sequence[int],
) -> _Told:
    samples, task = tuning.images.samples, tuning.task
    embedded = tuning.images.embedded(cut, tuning.shipped, tuning.projection, [*learned, *held_out])
    snapshot = snapshot_of([samples[position] for position in learned], embedded, task.dispositions)
    asked = [samples[position] for position in held_out]
    vectors = rows_of(asked, embedded)
    answer = fit_head(task.decision.head, snapshot).answer(vectors)
    trained = TrainedHead(model, snapshot) if model else None
    decisions = Judge(snapshot, task.decision, trained=trained).decide(vectors)
    return _Told(
        tuple(zip(asked, decisions, strict=True)),
        trained.scores(vectors) if trained else answer.scores,
        LeftOutScores(answer.scores, answer.strangeness),
    )


def _joined(parts: Sequence[LeftOutScores]) -> LeftOutScores:
    return LeftOutScores(
        np.concatenate([part.scores for part in parts]), np.concatenate([part.strangeness for part in parts])
    )

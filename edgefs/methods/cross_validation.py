"""What decides with what a method found: with all of the support, or with a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from edgefs.data import Sample, folds
from edgefs.embedding.enrolments import rows_of, snapshot_of
from edgefs.methods.task import Adapted, Task
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.judge import Judge

FOLDS = 3  # of what is compared: those of fine-tuning, so that every way answers for the same images


def can_be_compared(task: Task) -> bool:
    """Whether ways can be cross-validated: there are two classes, and one of them has two parts."""
    return len(task.dispositions) > 1 and bool(folds(task.split.train, FOLDS, task.seed))


def judge_of(task: Task, adapted: Adapted) -> Judge:
    """Judge that decides as what ships will."""
    return _judge(task.split.train, task, adapted, adapted.head)


def cross_validated(task: Task, adapted: Adapted, n_folds: int) -> list[tuple[Sample, Decision]]:
    """Decisions about images of the support, each by a gallery and a head that were made without it and its part.

    Of a method that trains on the support they are its own, since its network has seen all of it.
    """
    if adapted.honest is not None:
        return list(adapted.honest)
    train = task.split.train
    found: list[tuple[Sample, Decision]] = []
    for learned, held_out in folds(train, n_folds, task.seed):
        support = [train[position] for position in learned]
        asked = [train[position] for position in held_out]
        judge = _judge(support, task, adapted, adapted.refit_head(support) if adapted.refit_head else None)
        found += zip(asked, judge.decide(rows_of(asked, adapted.embedded)), strict=True)
    return found


def _judge(support: Sequence[Sample], task: Task, adapted: Adapted, head: TrainedHeadModel | None) -> Judge:
    snapshot = snapshot_of(support, adapted.embedded, task.dispositions)
    return Judge(snapshot, adapted.decision, trained=TrainedHead(head, snapshot) if head else None)

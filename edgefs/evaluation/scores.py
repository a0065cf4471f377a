"""The classifier's scores, over all classes and class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_calibration.statistics.rates import Rate, is_refused
from edgefs_runtime.decision.decision import Decision, Disposition

Answers = Sequence[tuple[str, "str | None"]]  # (true class, answered class)


@dataclass(frozen=True)
class Scores:
    """How often the class is right, over the images of known classes; an image without a decision counts as wrong.

    Attributes:
        accuracy: images whose class was named.
        balanced_accuracy: mean recall of the classes that have test images; None without any.
        macro_f1: mean F1 of the same classes.
    """

    accuracy: Rate
    balanced_accuracy: float | None
    macro_f1: float | None

    def to_json(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "accuracy": self.accuracy.to_json(),
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
        }


@dataclass(frozen=True)
class ClassFigures:
    """One class of the test.

    Attributes:
        label: the class.
        disposition: what the line should do with its parts.
        known: whether the gallery holds it. For a stranger, recall and precision have no trial.
        count: its test images.
        recall: its images whose nearest class it was.
        precision: images nearest to it (of known classes) that showed it.
        f1: harmonic mean of the two; None without a test image.
        refused: its judged images refused as unknown: bad for a known class, good for a stranger.
    """

    label: str
    disposition: Disposition
    known: bool
    count: int
    recall: Rate
    precision: Rate
    f1: float | None
    refused: Rate

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {key: value.to_json() if isinstance(value, Rate) else value for key, value in vars(self).items()}


def score(answers: Answers) -> Scores:
    """Score the answers for images of known classes."""
    tally = _ClassTally.of(answers)
    tested = sorted(tally.shown)
    return Scores(
        accuracy=Rate(sum(tally.right.values()), len(answers)),
        balanced_accuracy=sum(tally.recall(label).value for label in tested) / len(tested) if tested else None,
        macro_f1=sum(tally.f1(label) or 0.0 for label in tested) / len(tested) if tested else None,
    )


def balanced_accuracy(truths: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Mean recall of the classes that are among the truths, 0 to 1.

    Args:
        truths: `[N]`, N at least 1, the class that each image shows.
        answers: `[N]`, the class that was told, which may be one that none shows.
    """
    from sklearn.metrics import recall_score  # a second that most commands need not wait for

    return float(recall_score(truths, answers, labels=np.unique(truths), average="macro"))


def class_figures(
    truths: Sequence[str],
    decisions: Sequence[Decision],
    known: Mapping[str, Disposition],
    strangers: Mapping[str, Disposition],
) -> tuple[ClassFigures, ...]:
    """Figures of the nearest class for each class of `known`, sorted, then of `strangers`, sorted."""
    pairs = list(zip(truths, decisions, strict=True))
    tally = _ClassTally.of([(truth, decision.nearest) for truth, decision in pairs if truth in known])
    shown = Counter(truths)
    judged = Counter(truth for truth, decision in pairs if decision.verdict != "NO_DECISION")
    refused = Counter(truth for truth, decision in pairs if is_refused(decision))
    return tuple(
        ClassFigures(
            label=label,
            disposition=dispositions[label],
            known=dispositions is known,
            count=shown[label],
            recall=tally.recall(label) if dispositions is known else Rate(0, 0),
            precision=tally.precision(label) if dispositions is known else Rate(0, 0),
            f1=tally.f1(label) if dispositions is known else None,
            refused=Rate(refused[label], judged[label]),
        )
        for dispositions in (known, strangers)
        for label in sorted(dispositions)
    )


def worst_classes(classes: Sequence[ClassFigures], limit: int) -> list[ClassFigures]:
    """The classes of lowest F1, the lowest first; those without one, which were not shown or not taught, come last."""
    return sorted(classes, key=lambda one: (one.f1 is None, one.f1 or 0.0, one.label))[:limit]


@dataclass(frozen=True)
class _ClassTally:
    """Images by true class, by answered class, and by class where the two agree."""

    shown: Counter[str]
    answered: Counter[str | None]
    right: Counter[str]

    @classmethod
    def of(cls, answers: Answers) -> _ClassTally:
        return cls(
            shown=Counter(truth for truth, _ in answers),
            answered=Counter(answer for _, answer in answers),
            right=Counter(truth for truth, answer in answers if truth == answer),
        )

    def recall(self, label: str) -> Rate:
        return Rate(self.right[label], self.shown[label])

    def precision(self, label: str) -> Rate:
        return Rate(self.right[label], self.answered[label])

    def f1(self, label: str) -> float | None:
        if not self.shown[label]:
            return None
        return 2 * self.right[label] / (self.shown[label] + self.answered[label])

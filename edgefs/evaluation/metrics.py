"""The figures of one test: what the line would have seen first, the classifier's own scores second.

    evaluation = Evaluation.of(true_labels, decisions, known=dispositions)
    print(evaluation_text(evaluation))

Images of classes that the gallery does not know are welcome: they are the unknowns, caught or not caught, and count
in overkill and escapes, but not in any accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgefs.evaluation.auroc import auroc
from edgefs.evaluation.calibration import calibration_error
from edgefs.evaluation.confusion import Confusion
from edgefs.evaluation.scores import ClassFigures, Scores, class_figures, score
from edgefs_calibration.statistics.rates import Rates, Truth, by_part, measure_rates
from edgefs_runtime.decision.decision import Decision, Disposition, default_disposition


@dataclass(frozen=True)
class Evaluation:
    """What a test showed.

    Attributes:
        rates: overkill, escapes and the other rates of the line.
        part_rates: the same rates by part (patient, lot) instead of by image; None where none shows in several images.
        nearest: scores of the nearest class, whatever the rejection said (closed set).
        with_rejection: scores of the answer itself: a refused image of a known class is wrong.
        calibration_error: expected calibration error of the probability of the nearest class, 0 to 1; None of nothing.
        unknown_auroc: probability that an image of a class nobody taught looks stranger than one of a known class; None
            where the set does not hold both.
        confusion: which class was answered for which.
        classes: known classes, sorted, then strangers, sorted.
        mistakes: positions of the images that went wrong, worst first: those answered or nearest to a wrong class by
            falling probability, then the rightly placed but refused by rising p-value.
    """

    rates: Rates
    part_rates: Rates | None
    nearest: Scores
    with_rejection: Scores
    calibration_error: float | None
    unknown_auroc: float | None
    confusion: Confusion
    classes: tuple[ClassFigures, ...]
    mistakes: tuple[int, ...]

    @classmethod
    def of(
        cls,
        truths: Sequence[str],
        decisions: Sequence[Decision],
        known: Mapping[str, Disposition],
        strangers: Mapping[str, Disposition] | None = None,
        parts: Sequence[str] = (),
    ) -> Evaluation:
        """Measure decisions against true labels.

        Args:
            truths: N true labels.
            decisions: N decisions, in the same order.
            known: the gallery's classes and their dispositions.
            strangers: dispositions of other classes among `truths`; those not named here get the usual one.
            parts: N names of the part (patient, lot) that an image shows, empty where it is one of its own.

        Raises:
            ValueError: different numbers of labels and decisions.
        """
        unknown = {
            label: (strangers or {}).get(label, default_disposition(label)) for label in set(truths) - set(known)
        }
        dispositions = {**known, **unknown}
        shown = [Truth(label, dispositions[label], label in known) for label in truths]
        placed = [(truth, decision) for truth, decision in zip(truths, decisions, strict=True) if truth in known]
        return cls(
            rates=measure_rates(decisions, shown),
            part_rates=_part_rates(decisions, shown, parts),
            nearest=score([(truth, decision.nearest) for truth, decision in placed]),
            with_rejection=score([(truth, decision.label) for truth, decision in placed]),
            calibration_error=_calibration(placed),
            unknown_auroc=_unknown_auroc(shown, decisions),
            confusion=Confusion.of(truths, decisions, tuple(known), tuple(unknown)),
            classes=class_figures(truths, decisions, known, unknown),
            mistakes=_mistakes(shown, decisions),
        )

    @property
    def images(self) -> int:
        """Images in the test, strangers included."""
        return self.rates.unjudged.trials

    @property
    def can_pass(self) -> bool:
        """Whether the gallery has a class of good parts at all; without one nothing is judged OK, nothing escapes."""
        return any(figures.known and figures.disposition == "ok" for figures in self.classes)

    def to_json(self) -> dict[str, Any]:
        """Everything but the positions of the mistakes, as plain JSON values in a fixed order."""
        return {
            "images": self.images,
            "rates": self.rates.to_json(),
            "part_rates": self.part_rates.to_json() if self.part_rates else None,
            "nearest": self.nearest.to_json(),
            "with_rejection": self.with_rejection.to_json(),
            "calibration_error": self.calibration_error,
            "unknown_auroc": self.unknown_auroc,
            "classes": [figures.to_json() for figures in self.classes],
            "confusion": self.confusion.to_json(),
        }


def _part_rates(decisions: Sequence[Decision], shown: Sequence[Truth], parts: Sequence[str]) -> Rates | None:
    names = [name for name in parts if name]
    return measure_rates(*by_part(decisions, shown, parts)) if len(set(names)) < len(names) else None


def _calibration(placed: Sequence[tuple[str, Decision]]) -> float | None:
    confident = [(d.probability, d.nearest == truth) for truth, d in placed if d.probability is not None]
    return calibration_error(confident) if confident else None


def _unknown_auroc(shown: Sequence[Truth], decisions: Sequence[Decision]) -> float | None:
    values: dict[bool, list[float]] = {True: [], False: []}
    for truth, decision in zip(shown, decisions, strict=True):
        if decision.strangeness is not None:
            values[truth.known].append(decision.strangeness)
    return auroc(np.array(values[True]), np.array(values[False])) if all(values.values()) else None


def _mistakes(shown: Sequence[Truth], decisions: Sequence[Decision]) -> tuple[int, ...]:
    ranked = []
    for position, (truth, decision) in enumerate(zip(shown, decisions, strict=True)):
        wrong = decision.nearest != truth.label if truth.known else decision.label is not None
        if decision.verdict == "NO_DECISION" or not (wrong or (truth.known and decision.label is None)):
            continue
        strangeness = -(decision.probability or 0.0) if wrong else (decision.p_value or 0.0)
        ranked.append((not wrong, strangeness, position))
    return tuple(position for _, _, position in sorted(ranked))

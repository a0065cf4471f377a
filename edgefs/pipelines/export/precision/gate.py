"""Whether a network in another precision is still good enough: what few-shot galleries are worth with both.

Episodes are drawn from images that neither taught nor calibrated, and each is played twice, with the reference's
embeddings and with the other's: support, thresholds and questions alike, as on a device that runs one or the other.

- Right answers: pooled over episodes and compared in pairs (`edgefs_calibration.statistics.flips`).
- AUROC of unknowns: each class left out in turn; the mean paired difference over episodes with Student's bound.

What must clear the limit is the one-sided 95 % bound of the drop, not the drop: few questions can't pass by luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.evaluation.auroc import auroc
from edgefs.pipelines.export.precision.gate_plan import GatePlan
from edgefs_calibration.statistics.flips import Flips
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings

LEAST_DECISIONS = 500  # with fewer, not even an equal model clears half a point


@dataclass(frozen=True)
class Change:
    """A figure of each episode with the reference and with the other, paired; values from 0 to 1.

    Attributes:
        episodes: how many.
        reference: mean with the reference.
        found: mean with the other.
        bound: one-sided 95 % upper bound of the drop.
    """

    episodes: int
    reference: float
    found: float
    bound: float

    @classmethod
    def of(cls, reference: Sequence[float], found: Sequence[float]) -> Change:
        """Compare one value for each episode, of two episodes at least."""
        from scipy.special import stdtrit  # a quarter of a second that an export in float32 need not wait for

        drop = np.subtract(reference, found)
        error = float(np.std(drop, ddof=1)) / math.sqrt(len(drop))
        bound = float(drop.mean()) + float(stdtrit(len(drop) - 1, 0.95)) * error  # Student's t
        return cls(len(drop), float(np.mean(reference)), float(np.mean(found)), bound)

    @property
    def drop(self) -> float:
        """How much is lost: positive where the other is worse."""
        return self.reference - self.found

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "drop": self.drop}


@dataclass(frozen=True)
class Gate:
    """What a change of precision costs.

    Attributes:
        shots: images of each class in an episode's gallery.
        right: nearest classes, pooled; of a gallery with one class, whether a part is accepted that should be.
        unknowns: AUROC; None where nothing can be left out.
        limit: the largest drop allowed, as a share.
        shipped: nearest classes by the trained head, where that decides until something is taught; else None.
    """

    shots: int
    right: Flips
    unknowns: Change | None
    limit: float
    shipped: Flips | None = None

    @property
    def passes(self) -> bool:
        """Whether the bounds clear the limit, by decisions enough."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not pass; empty where it does."""
        found = []
        if self.right.decisions < LEAST_DECISIONS:
            found.append(
                f"{self.right.decisions} decisions tell too little, {LEAST_DECISIONS} are needed; "
                "keep more labelled images for testing"
            )
        bounds = {"accuracy": self.right, "AUROC of unknowns": self.unknowns, "the trained head": self.shipped}
        found += [
            f"{what} may fall by {100 * change.bound:.2f} points, {100 * self.limit:g} points are allowed"
            for what, change in bounds.items()
            if change is not None and change.bound > self.limit
        ]
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "shots": self.shots,
            "right": self.right.to_json(),
            "unknowns": self.unknowns.to_json() if self.unknowns else None,
            "shipped": self.shipped.to_json() if self.shipped else None,
            "max_drop": self.limit,
            "passes": self.passes,
        }


def measure_gate(
    plan: GatePlan,
    reference: Embedded,
    found: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
    limit: float,
    shipped: Flips | None = None,
) -> Gate:
    """Play the episodes with both embeddings.

    Args:
        plan: the episodes.
        reference: of `plan.teaching` in all views and of `plan.asked`.
        found: the same by the other network.
        dispositions: of the gallery's classes.
        decision: head and budget.
        limit: the largest drop allowed, as a share.
        shipped: answers of the trained head, where there is one.
    """
    right: tuple[list[bool], list[bool]] = ([], [])
    areas: tuple[list[float], list[float]] = ([], [])
    images: list[str] = []
    for support, queries in plan.episodes:
        labels = {sample.label for sample in support}
        asked = [sample for sample in queries if sample.label in labels or len(labels) == 1]
        images += [sample.digest for sample in asked]
        for side, embedded in enumerate((reference, found)):
            judge = Judge(snapshot_of(support, embedded, dispositions), decision)
            right[side].extend(_right(judge, asked, embedded))
            area = _area(support, queries, embedded, dispositions, decision)
            if area is not None:
                areas[side].append(area)
    return Gate(
        shots=plan.shots,
        right=Flips.of(np.array(right[0]), np.array(right[1]), images),
        unknowns=Change.of(*areas) if len(areas[0]) > 1 else None,
        limit=limit,
        shipped=shipped,
    )


def flips_of(samples: Sequence[Sample], reference: Sequence[Decision], found: Sequence[Decision]) -> Flips:
    """Nearest classes of images `[n]` by two models, against the truth."""
    truth = [sample.label for sample in samples]
    before, after = (
        np.array([decision.nearest == label for decision, label in zip(decisions, truth, strict=True)])
        for decisions in (reference, found)
    )
    return Flips.of(before, after, [sample.digest for sample in samples])


def _right(judge: Judge, asked: Sequence[Sample], embedded: Embedded) -> list[bool]:
    labels = judge.snapshot.labels
    answers = zip(judge.decide(rows_of(asked, embedded)), asked, strict=True)
    if len(labels) == 1:
        return [(answer.label is None) == (sample.label not in labels) for answer, sample in answers]
    return [answer.nearest == sample.label for answer, sample in answers]


def _area(
    support: Sequence[Sample],
    queries: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
) -> float | None:
    """Mean AUROC over classes left out, and of strangers where there are any."""
    labels = sorted({sample.label for sample in support})
    left_out: list[str | None] = [*labels] if len(labels) > 2 else []
    if any(sample.label not in labels for sample in queries):
        left_out.append(None)
    found = []
    rows = rows_of(queries, embedded)
    for label in left_out:
        taught = [sample for sample in support if sample.label != label]
        judge = Judge(snapshot_of(taught, embedded, dispositions), decision)
        unknown = np.array([sample.label not in judge.snapshot.labels for sample in queries])
        strangeness = judge.strangeness(rows)
        if unknown.all() or not unknown.any():
            continue
        found.append(auroc(strangeness[~unknown], strangeness[unknown]))
    return float(np.mean(found)) if found else None

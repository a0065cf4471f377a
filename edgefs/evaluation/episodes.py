"""N-way K-shot episodes: what a gallery of K images of each of N classes would be worth, drawn again and again.

In each episode the classes, the support and the queries are drawn anew, with parts kept apart, and the head that
decides on the device is fitted to the support. Then each class in turn is left out of the gallery, and its queries are
the unknowns. Everything is drawn by the seed.

- Accuracy: of the nearest class, balanced over classes; mean over episodes with the 95 % interval of the mean.
- AUROC: how well strangeness tells unknowns from parts of known classes (0.5 is chance).
- Caught and wrongly refused: at the budget that the model decides with.
- Expected calibration error: Guo et al. 2017 (arXiv:1706.04599), 15 bins of equal width, pooled over episodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.data.splits.shots import draw_shots
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.evaluation.auroc import auroc
from edgefs.evaluation.calibration import calibration_error
from edgefs.progress import Progress
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings


@dataclass(frozen=True)
class EpisodePlan:
    """What an episode consists of.

    Attributes:
        shots: K, images of each class in the gallery.
        ways: N, classes of an episode; None takes all.
        queries: images of each class that are asked about, at most.
        episodes: how many.
        seed: picks everything.
        unknowns: also leave each class out in turn; with many ways that is most of the work.
    """

    shots: int
    ways: int | None = None
    queries: int = 15
    episodes: int = 100
    seed: int = 0
    unknowns: bool = True


@dataclass(frozen=True)
class Mean:
    """A mean over episodes, with half the width of its 95 % interval; NaN where nothing was measured."""

    value: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Mean and its 95 % interval over one value for each episode."""
        if not values:
            return cls(float("nan"), float("nan"))
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return cls(float(np.mean(values)), 1.96 * spread / len(values) ** 0.5)

    def to_json(self) -> dict[str, float | None]:
        """Value and half width; None where nothing was measured."""
        return {key: None if np.isnan(value) else value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Episodes:
    """The outcome of many episodes; all values are shares from 0 to 1."""

    plan: EpisodePlan
    ways: int
    head: str
    accuracy: Mean
    auroc: Mean
    caught: Mean
    wrongly_refused: Mean
    calibration_error: float

    def to_json(self) -> dict[str, Any]:
        """The plan and the figures as plain JSON values."""
        figures = {name: getattr(self, name).to_json() for name in ("accuracy", "auroc", "caught", "wrongly_refused")}
        return {
            **vars(self.plan),
            "ways": self.ways,
            "head": self.head,
            **figures,
            "calibration_error": self.calibration_error,
        }


@dataclass
class _EpisodeTally:
    accuracy: list[float] = field(default_factory=list)
    auroc: list[float] = field(default_factory=list)
    caught: list[float] = field(default_factory=list)
    wrongly_refused: list[float] = field(default_factory=list)
    confident: list[tuple[float, bool]] = field(default_factory=list)


def run_episodes(
    samples: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
    plan: EpisodePlan,
    progress: Progress | None = None,
) -> Episodes:
    """Draw and measure episodes.

    Args:
        samples: images to draw from.
        embedded: of what is drawn from them (`draw_episodes`).
        dispositions: of every class.
        decision: head and budget.
        plan: what an episode consists of.
        progress: called with (episodes done, episodes in all).

    Raises:
        DataError: too few classes, or a class with too few images or parts.
    """
    tally, ways = _EpisodeTally(), ways_of(samples, plan)
    for done, (support, queries) in enumerate(draw_episodes(samples, plan), start=1):
        _known(support, queries, embedded, dispositions, decision, tally)
        if plan.unknowns and ways > 2:
            _unknown(support, queries, embedded, dispositions, decision, tally)
        if progress is not None:
            progress(done, plan.episodes)
    return Episodes(
        plan=plan,
        ways=ways,
        head=str(decision.head["kind"]),
        accuracy=Mean.of(tally.accuracy),
        auroc=Mean.of(tally.auroc),
        caught=Mean.of(tally.caught),
        wrongly_refused=Mean.of(tally.wrongly_refused),
        calibration_error=calibration_error(tally.confident),
    )


def ways_of(samples: Sequence[Sample], plan: EpisodePlan) -> int:
    """N, classes of an episode.

    Raises:
        DataError: there are too few classes.
    """
    classes = len({sample.label for sample in samples})
    ways = plan.ways or classes
    if not 2 <= ways <= classes:
        raise DataError(f"--ways {ways}: the data has {classes} classes; expected 2 to {classes}")
    return ways


def draw_episodes(samples: Sequence[Sample], plan: EpisodePlan) -> Iterator[tuple[list[Sample], list[Sample]]]:
    """Support and queries of each episode, the same ones every time.

    Raises:
        DataError: a class has too few images or parts.
    """
    labels = sorted({sample.label for sample in samples})
    ways = plan.ways or len(labels)
    for number in range(plan.episodes):
        yield _draw(samples, labels, ways, plan, number)


def _draw(
    samples: Sequence[Sample], labels: Sequence[str], ways: int, plan: EpisodePlan, number: int
) -> tuple[list[Sample], list[Sample]]:
    """Support and queries of one episode, parts kept apart."""
    seed = plan.seed * 1_000_003 + number
    chosen = sorted(labels, key=lambda label: draw_key(seed, "ways", label))[:ways]
    own = [sample for sample in samples if sample.label in chosen]
    draw = draw_shots(own, chosen, plan.shots, seed, spare=1)
    queries: list[Sample] = []
    for label in chosen:
        rest = [own[position] for position in draw.rest if own[position].label == label]
        queries += sorted(rest, key=lambda sample: draw_key(seed, "query", sample.digest))[: plan.queries]
    return [own[position] for position in draw.shots], queries


def _known(
    support: Sequence[Sample],
    queries: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
    tally: _EpisodeTally,
) -> None:
    judge = Judge(snapshot_of(support, embedded, dispositions), decision)
    answers = judge.decide(rows_of(queries, embedded))
    right: dict[str, list[bool]] = {}
    for sample, answer in zip(queries, answers, strict=True):
        right.setdefault(sample.label, []).append(answer.nearest == sample.label)
        tally.confident.append((answer.probability or 0.0, answer.nearest == sample.label))
    tally.accuracy.append(float(np.mean([np.mean(one) for one in right.values()])))


def _unknown(
    support: Sequence[Sample],
    queries: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
    tally: _EpisodeTally,
) -> None:
    """Each class left out in turn; one value an episode, the mean over the turns."""
    areas, caught, wrongly = [], [], []
    rows = rows_of(queries, embedded)
    for label in sorted({sample.label for sample in support}):
        taught = [sample for sample in support if sample.label != label]
        judge = Judge(snapshot_of(taught, embedded, dispositions), decision)
        is_unknown = np.array([sample.label == label for sample in queries])
        strangeness = judge.strangeness(rows)
        refused = np.array([_is_refused(answer) for answer in judge.decide(rows)])
        areas.append(auroc(strangeness[~is_unknown], strangeness[is_unknown]))
        caught.append(float(refused[is_unknown].mean()))
        wrongly.append(float(refused[~is_unknown].mean()))
    tally.auroc.append(float(np.mean(areas)))
    tally.caught.append(float(np.mean(caught)))
    tally.wrongly_refused.append(float(np.mean(wrongly)))


def _is_refused(decision: Decision) -> bool:
    return decision.label is None

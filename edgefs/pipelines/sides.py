"""One set of labelled images that were decided about: counted, and as a report shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefs.data import Sample
from edgefs.data.samples import relative_name
from edgefs.embedding.enrolments import Embedded, decisions_of
from edgefs.evaluation import Evaluation
from edgefs.report import Distribution, Group, Mistake, describe_mistakes
from edgefs_calibration.statistics.rates import is_refused
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.judge import Judge, said_thresholds
from edgefs_runtime.images.preprocess import Preprocess


@dataclass(frozen=True)
class Dispositions:
    """What the line does with parts of each class.

    Attributes:
        known: of the classes that the model knows.
        strangers: of others among the images; those not named here get the usual one.
    """

    known: Mapping[str, Disposition]
    strangers: Mapping[str, Disposition]


@dataclass(frozen=True)
class Side:
    """One set of images that were decided about, with the outcome.

    Attributes:
        samples: the images.
        decisions: about them.
        evaluation: the figures.
        thresholds: the p-values in force, see `Judge.thresholds`.
    """

    samples: tuple[Sample, ...]
    decisions: tuple[Decision, ...]
    evaluation: Evaluation
    thresholds: Mapping[Disposition, float]

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        decisions: Sequence[Decision],
        dispositions: Dispositions,
        thresholds: Mapping[Disposition, float],
    ) -> Side:
        """Count what was decided about images `[n]`."""
        truths, parts = [sample.label for sample in samples], [sample.group for sample in samples]
        evaluation = Evaluation.of(truths, decisions, dispositions.known, dispositions.strangers, parts)
        return cls(tuple(samples), tuple(decisions), evaluation, thresholds)

    @classmethod
    def decided(
        cls,
        judge: Judge,
        samples: Sequence[Sample],
        blank: Sequence[Sample],
        vectors: Embedded,
        dispositions: Dispositions,
    ) -> Side:
        """Decide as a device does: about `samples`, and not about `blank` images, which show nothing."""
        everything = (*samples, *blank)
        return cls.of(everything, decisions_of(everything, vectors, judge), dispositions, judge.thresholds)


def mistakes_of(side: Side, root: Path, preprocess: Preprocess) -> tuple[Mistake, ...]:
    """The worst mistakes with thumbnails, for a report."""
    inner = [row for row, sample in enumerate(side.samples) if not relative_name(sample.path, root).startswith("..")]
    if len(inner) < len(side.samples):  # a CSV may name files anywhere; a report names only what lies in its folder
        return ()
    truths = [sample.label for sample in side.samples]
    paths = [sample.path for sample in side.samples]
    return describe_mistakes(side.evaluation, truths, side.decisions, paths, root, preprocess)


def distribution_of(side: Side) -> Distribution | None:
    """The p-values of the images of known classes and of others, and the threshold in force."""
    known = set(side.evaluation.confusion.labels)
    groups: dict[str, list[Decision]] = {"known classes": [], "classes not taught": []}
    for sample, decision in zip(side.samples, side.decisions, strict=True):
        if decision.p_value is not None:
            groups["known classes" if sample.label in known else "classes not taught"].append(decision)
    filled = tuple(
        Group(name, tuple(one.p_value for one in own if one.p_value is not None), sum(map(is_refused, own)))
        for name, own in groups.items()
        if own
    )
    if not filled:
        return None
    different = set(side.thresholds.values())
    line = different.pop() if len(different) == 1 else None
    return Distribution("p-value", filled, line, said_thresholds(side.thresholds))


def inside(path: Path, root: Path) -> str:
    """A path as a report may show it: relative to the data folder, or the bare name of a file outside."""
    name = relative_name(path, root)
    return path.name if name.startswith("..") or Path(name).is_absolute() else name

"""Measuring an adapted model on the images it did not learn from, and putting it into a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs.data import Dataset, Sample, near_duplicates, scale_warning
from edgefs.data.duplicates import NearDuplicates
from edgefs.data.samples import relative_name
from edgefs.embedding.enrolments import rows_of
from edgefs.evaluation import Evaluation
from edgefs.evaluation.curve import learning_curve
from edgefs.methods import Adapted, Task
from edgefs.methods.cross_validation import cross_validated, judge_of
from edgefs.report import CurvePoint, Distribution, Group, LeftOut, Mistake, Report, describe_mistakes
from edgefs.settings.adapt import AdaptSettings
from edgefs_calibration.statistics.rates import is_refused
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.judge import Judge, budget_in_words, said_thresholds
from edgefs_runtime.images.preprocess import Preprocess

_FOLDS = 5
_CAUSES = 3  # examples named in a note


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


@dataclass(frozen=True)
class AdaptFigures:
    """The figures of a run.

    Attributes:
        validation: None without a validation set.
        test: None without a test set.
        cross_validation: of the images learned from, where there is neither.
        curve: accuracy against images per class.
        data_notes: what was noticed about the data.
    """

    validation: Side | None
    test: Side | None
    cross_validation: Side | None
    curve: tuple[CurvePoint, ...]
    data_notes: tuple[str, ...]

    @property
    def headline(self) -> tuple[str, Side] | None:
        """The set that counts most, with what it is; None where nothing could be measured."""
        for side, what in (
            (self.test, "{} that were not used for learning"),
            (self.validation, "{} of the validation set"),
            (self.cross_validation, "{} learned from, cross-validated: no independent test set"),
        ):
            if side is not None and side.samples:
                return what.format(counted(len(side.samples), "image")), side
        return None

    def to_json(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        sides = {"validation": self.validation, "test": self.test, "cross_validation": self.cross_validation}
        return {
            **{name: side.evaluation.to_json() if side else None for name, side in sides.items()},
            "learning_curve": [vars(point) for point in self.curve],
        }


def measure(task: Task, adapted: Adapted, dataset: Dataset) -> AdaptFigures:
    """Decide about validation and test images; without either, cross-validate the support."""
    split, progress = task.split, task.steps("measure")
    validation = _decide(split.validation, split.blank_validation, task, adapted)
    test = _decide(split.test, split.blank_test, task, adapted)
    held_out = split.test or split.validation
    curve = (
        learning_curve(
            split.train,
            held_out,
            adapted.embedded,
            task.dispositions,
            adapted.decision,
            task.seed,
            task.steps("learning curve"),
        )
        if held_out and len(task.dispositions) > 1 and adapted.honest is None  # its network saw more than a part
        else ()
    )
    cross_validation = None if validation or test else _cross_validate(task, adapted)
    progress(1, 1)
    return AdaptFigures(
        validation=validation,
        test=test,
        cross_validation=cross_validation,
        curve=curve,
        data_notes=_data_notes(task, dataset, adapted),
    )


def adapt_report(
    name: str, settings: AdaptSettings, dataset: Dataset, task: Task, adapted: Adapted, measured: AdaptFigures
) -> Report:
    """The report of `adapt`."""
    headline = measured.headline
    side = headline[1] if headline else None
    refused = [said_thresholds(side.thresholds)] if side else []
    return Report(
        title=name,
        notes=(
            *dataset.notes,
            *task.split.notes,
            *adapted.notes,
            *refused,
        ),
        settings=_settings(settings, task, adapted, dataset),
        evaluation=side.evaluation if side else None,
        evaluated_on=headline[0] if headline else "",
        mistakes=mistakes_of(side, dataset.root, adapted.preprocess) if side else (),
        left_out=tuple(LeftOut(inside(item.path, dataset.root), item.reason) for item in dataset.left_out),
        data_notes=measured.data_notes,
        learning_curve=measured.curve,
        candidates=adapted.candidates,
        distribution=distribution_of(side) if side else None,
    )


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


def _decide(samples: Sequence[Sample], blank: Sequence[Sample], task: Task, adapted: Adapted) -> Side | None:
    """Decisions as a device makes them: about `samples`, and none about images that show nothing."""
    if not samples and not blank:
        return None
    judge = judge_of(task, adapted)
    decided = judge.decide(rows_of(samples, adapted.embedded)) if samples else []
    undecided = [judge.no_decision(sample.blank) for sample in blank]
    return _side((*samples, *blank), (*decided, *undecided), task, judge)


def _side(samples: tuple[Sample, ...], decisions: tuple[Decision, ...], task: Task, judge: Judge) -> Side:
    truths = [sample.label for sample in samples]
    parts = [sample.group for sample in samples]
    evaluation = Evaluation.of(truths, decisions, task.dispositions, task.strangers, parts)
    return Side(samples, decisions, evaluation, judge.thresholds)


def _cross_validate(task: Task, adapted: Adapted) -> Side | None:
    judged = cross_validated(task, adapted, _FOLDS)
    samples, decisions = (tuple(one) for one in zip(*judged, strict=True)) if judged else ((), ())
    return _side(samples, decisions, task, judge_of(task, adapted)) if samples else None


def _data_notes(task: Task, dataset: Dataset, adapted: Adapted) -> tuple[str, ...]:
    notes = []
    overkill = adapted.decision.overkill
    left = None if overkill is None else judge_of(task, adapted).overkill_left
    if overkill is not None and left is not None and left < 0:
        share = 100 * (overkill - left)
        notes.append(
            f"The overkill budget can't be kept: {share:.1f} % of the good parts learned from, each left out, are "
            "judged NG by their class alone. Look at the confusions, add images, or set --escape-cost lower."
        )
    held_out = task.split.test or task.split.validation
    if adapted.head and held_out:
        notes.append(f"The learning curve is that of {adapted.decision.head['kind']}, which needs no training.")
    if adapted.head and not adapted.refit_head and not held_out:
        notes.append(
            f"The figures are those of {adapted.decision.head['kind']}: the trained head {adapted.head.kind} can't be "
            "fitted again to a part of the images, and there are no others to measure it on."
        )
    notes += _near(near_duplicates(task.split.train, (*task.split.validation, *task.split.test)), dataset.root)
    if warning := scale_warning(dataset.samples, adapted.preprocess):
        notes.append(warning)
    return tuple(notes)


def _near(found: NearDuplicates, root: Path) -> list[str]:
    """What two sides of the split share, in sentences."""
    notes, pairs = [], found.pairs
    if pairs:
        named = ", ".join(f"{inside(a.path, root)} and {inside(b.path, root)}" for a, b in pairs[:_CAUSES])
        other = sum(a.label != b.label for a, b in pairs)
        labels = f", {other} of them under another class, which one label may have wrong" if other else ""
        notes.append(
            f"Near-duplicates: {counted(len(pairs), 'image')} held out almost the same as one learned from{labels} "
            f"({named}{' …' if len(pairs) > _CAUSES else ''}). If they show the same part, give its name with "
            "--group-from; the figures are too good."
        )
    if found.alike:
        notes.append(
            f"Images of different classes look alike at this station ({counted(found.alike, 'image')} held out, beside "
            "one of another class), so only closer likenesses are taken for near-duplicates."
        )
    return notes


def _head(task: Task, adapted: Adapted) -> str:
    own = ", ".join(f"{key} {value}" if key != "kind" else str(value) for key, value in adapted.decision.head.items())
    return f"{adapted.head.kind}, trained; {own} once anything is taught" if adapted.head else own


def _settings(settings: AdaptSettings, task: Task, adapted: Adapted, dataset: Dataset) -> tuple[tuple[str, str], ...]:
    preprocess = adapted.preprocess
    shown = {
        "method": f"{adapted.method}, chosen by auto" if adapted.method else settings.method,
        "backbone": f"{task.backbone.name} ({task.backbone.origin})",
        "embedding": f"{adapted.network.plan.dim} numbers",
        "input": f"{preprocess.size[1]} x {preprocess.size[0]} pixels, {preprocess.resize}, {preprocess.channels}",
        "region of interest": "whole frame" if preprocess.roi is None else "{} {} {} {}".format(*preprocess.roi),
        "head": _head(task, adapted),
        "budget for unknown": budget_in_words(adapted.decision),
        "overkill budget": "none" if settings.overkill is None else f"{100 * settings.overkill:g} % of good parts",
        "an escape costs": "not stated" if settings.escape_cost is None else f"{settings.escape_cost:g} overkills",
        "shots": "all" if settings.shots is None else str(settings.shots),
        "seed": str(settings.seed),
        "good parts": ", ".join(label for label, d in task.dispositions.items() if d == "ok") or "none",
        "data": f"{counted(len(dataset.samples), 'image')} of {len(dataset.classes)} classes ({dataset.digest[:12]})",
    }
    return tuple(shown.items())

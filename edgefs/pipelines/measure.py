"""Measuring an adapted model on the images it did not learn from, and putting it into a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs.data import Dataset, Sample, near_duplicates, scale_warning
from edgefs.data.duplicates import NearDuplicates
from edgefs.evaluation.curve import learning_curve
from edgefs.methods.cross_validation import cross_validated, judge_of
from edgefs.methods.task import Adapted, Task
from edgefs.pipelines.sides import Dispositions, Side, distribution_of, inside, mistakes_of
from edgefs.report import CurvePoint, LeftOut, Report
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.judge import budget_in_words, said_thresholds
from edgefs_runtime.decision.judged import MOST

_FOLDS = 5
_CAUSES = 3  # examples named in a note


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
    validation = _decided(split.validation, split.blank_validation, task, adapted)
    test = _decided(split.test, split.blank_test, task, adapted)
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
    refused = [said_thresholds(side.thresholds), *_sampled(len(task.split.train))] if side else []
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


def _sampled(images: int) -> list[str]:
    """What thresholds and temperature are read off, where that is not every image learned from."""
    if images <= MOST:
        return []
    return [
        f"Thresholds and probabilities are read off about {MOST:,} of the {images:,} images learned from, evenly from "
        "all classes."
    ]


def _decided(samples: Sequence[Sample], blank: Sequence[Sample], task: Task, adapted: Adapted) -> Side | None:
    """Images that were not learned from; None where there are none."""
    if not samples and not blank:
        return None
    dispositions = Dispositions(task.dispositions, task.strangers)
    return Side.decided(judge_of(task, adapted), samples, blank, adapted.embedded, dispositions)


def _cross_validate(task: Task, adapted: Adapted) -> Side | None:
    judged = cross_validated(task, adapted, _FOLDS)
    if not judged:
        return None
    samples, decisions = zip(*judged, strict=True)
    dispositions = Dispositions(task.dispositions, task.strangers)
    return Side.of(samples, decisions, dispositions, judge_of(task, adapted).thresholds)


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
        "method": f"{adapted.method}, chosen by {settings.method}" if adapted.method else settings.method,
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
        "data": f"{counted(len(dataset.samples), 'image')} of {counted(len(dataset.classes), 'class', 'classes')} "
        f"({dataset.digest[:12]})",
    }
    return tuple(shown.items())

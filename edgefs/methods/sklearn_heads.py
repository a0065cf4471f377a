"""Classifiers of scikit-learn on the embedding, for those who want one: SVM, random forest, logistic regression.

Their settings are chosen by cross-validation inside the support, folds by part. The views of one image stand on one
side, all of them teach, and the image itself is asked about. The pooled answers, none of which comes from a classifier
that was fitted to the image, also tell the temperature. Where no class has two parts nothing can be chosen.

Which there are stands in `edgefs.methods.sklearn_classifiers`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample, folds
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.evaluation.scores import balanced_accuracy
from edgefs.methods.choosing import choosing_support
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS, TREES, Setting
from edgefs.methods.task import Task
from edgefs_export.onnx.head import check_head, sklearn_head_onnx
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.heads import LeftOutScores, TrainedHead, TrainedHeadModel, fit_head
from edgefs_runtime.decision.heads.trained import PROBABILITIES, SCORES, as_scores
from edgefs_runtime.decision.rejection import fit_temperature
from edgefs_runtime.decision.snapshot import Snapshot

_FOLDS = 5
_STEPS = 4 / TREES  # two trees of a forest may go the other way by rounding, and each takes from one what it gives


@dataclass(frozen=True)
class TrainedOn:
    """A head with what is needed to fit the same one to fewer images.

    Attributes:
        model: fitted to the whole support.
        refit: fits one of the same settings to some of the support.
        sentence: how it was chosen.
    """

    model: TrainedHeadModel
    refit: Callable[[Sequence[Sample]], TrainedHeadModel]
    sentence: str


def check_classes(kind: str, labels: Sequence[str]) -> None:
    """Refuse what no classifier can be fitted to, or exported from here.

    Raises:
        DataError: there is a single class.
        ImportError: skl2onnx is not installed; better said now than after an hour's work.
    """
    import skl2onnx  # noqa: F401

    if len(labels) < 2:
        raise DataError(f"--head {kind} tells classes apart, and {labels[0]!r} is the only one; use --head blend")


def train_head(kind: str, task: Task, embedded: Embedded) -> TrainedOn:
    """Choose settings inside the support, fit to all of it, and export.

    Raises:
        DataError: there is a single class.
        ExportError: onnxruntime computes something else than scikit-learn.
    """
    check_classes(kind, sorted(task.dispositions))
    choice = _choose(TRAINED_HEADS[kind](), task, embedded)

    def fit(samples: Sequence[Sample]) -> TrainedHeadModel:
        snapshot = snapshot_of(samples, embedded, task.dispositions)
        classifier = fitted(choice.setting.make(task.seed), snapshot)
        margin = _STEPS / min(1.0, choice.temperature) if kind == "random-forest" else 0.0
        onnx = sklearn_head_onnx(classifier, snapshot.rows.shape[2])
        model = TrainedHeadModel(onnx, kind, snapshot.labels, choice.temperature, min(margin, 0.5))
        asked = np.concatenate([snapshot.rows[:, 0], rows_of(_all(task), embedded)])
        check_head(TrainedHead(model, snapshot), scores_of(classifier, asked), asked)
        return model

    return TrainedOn(fit(task.split.train), fit, _sentence(kind, choice, task, embedded))


@dataclass(frozen=True)
class _Choice:
    """The best setting; `images` 0 where nothing could be compared."""

    setting: Setting
    of: int
    images: int
    accuracy: float
    temperature: float


def _choose(settings: Sequence[Setting], task: Task, embedded: Embedded) -> _Choice:
    """Choose by balanced accuracy, and among equals by the loss of their calibrated probabilities."""
    support = choosing_support(task)
    parted = folds(support, _FOLDS, task.seed)
    if not parted:
        return _Choice(settings[0], len(settings), 0, 0.0, 1.0)
    progress = task.steps("choose the head's settings")
    trials = []
    for number, setting in enumerate(settings):
        trials.append(_trial(setting, support, parted, task, embedded))
        progress(number + 1, len(settings))
    best = max(trials, key=lambda trial: (round(trial.accuracy, 9), -trial.loss))
    number = trials.index(best)
    return _Choice(settings[number], len(settings), best.images, best.accuracy, best.temperature)


class _SettingTrial(NamedTuple):
    images: int
    accuracy: float
    loss: float
    temperature: float


def _trial(
    setting: Setting,
    support: Sequence[Sample],
    parted: Sequence[tuple[list[int], list[int]]],
    task: Task,
    embedded: Embedded,
) -> _SettingTrial:
    scores, classes = [], []
    for learned, held_out in parted:
        snapshot = snapshot_of([support[position] for position in learned], embedded, task.dispositions)
        asked = [support[position] for position in held_out]
        scores.append(scores_of(fitted(setting.make(task.seed), snapshot), rows_of(asked, embedded)))
        classes += [snapshot.labels.index(sample.label) for sample in asked]
    pooled, truths = np.concatenate(scores), np.array(classes, np.int64)
    temperature = fit_temperature(LeftOutScores(pooled, np.full(len(truths), np.nan)), truths, 1.0)
    own = pooled[np.arange(len(truths)), truths]
    losses = np.log(np.exp((pooled - own[:, None]) / temperature).sum(axis=1))
    balanced = balanced_accuracy(truths, pooled.argmax(axis=1))
    return _SettingTrial(len(truths), balanced, float(losses.mean()), temperature)


def fitted(classifier: Any, snapshot: Snapshot) -> Any:
    """A classifier that has seen all views of a gallery's images."""
    rows = snapshot.rows.reshape(-1, snapshot.rows.shape[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of solvers that stop early: the folds judge what they reached
        return classifier.fit(rows, np.repeat(snapshot.classes, snapshot.views))


def scores_of(classifier: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of rows `[N,D]` as the runtime will make them of what `head.onnx` gives, `[N,C]`."""
    if hasattr(classifier, "predict_proba"):
        return as_scores(classifier.predict_proba(rows), PROBABILITIES)
    found = classifier.decision_function(rows)
    return as_scores(np.stack([-found, found], axis=1) if found.ndim == 1 else found, SCORES)


def _all(task: Task) -> tuple[Sample, ...]:
    return (*task.split.train, *task.split.validation, *task.split.test)


def _sentence(kind: str, choice: _Choice, task: Task, embedded: Embedded) -> str:
    other = task.decision.head["kind"]
    later = f"A device that is taught or forgets anything decides by {other} from then on."
    if not choice.images:
        return (
            f"Head: {kind} with {choice.setting.name}, unchosen, and its probabilities are not calibrated: every "
            f"class has a single part. {later}"
        )
    snapshot = snapshot_of(task.split.train, embedded, task.dispositions)
    left_out = fit_head(task.decision.head, snapshot).left_out()
    beside = balanced_accuracy(left_out.of(snapshot.classes), left_out.scores.argmax(axis=1))
    return (
        f"Head: {kind} with {choice.setting.name}, the best of {choice.of} settings, cross-validated on "
        f"{choice.images} images learned from: {100 * choice.accuracy:.1f} % (balanced); {other} places "
        f"{100 * beside:.1f} %, each part left out. {later}"
    )

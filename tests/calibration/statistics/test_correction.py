"""The correction for an embedder that was trained on its support, where the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgefs_calibration.statistics.correction import fit_correction
from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.heads import LeftOutScores, fit_head
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

DIM, CLASSES, FOLDS = 120, 4, 5
LABELS = tuple("abcd")
LDA = {"kind": "lda"}
Embed = Callable[[np.ndarray], np.ndarray]
Training = Callable[[np.ndarray, np.ndarray], Embed]


def world(rng: np.random.Generator, shots: int, apart: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows `[C·shots,DIM]` of classes about their centres, the classes `[C·shots]`, and the centres."""
    centres = rng.standard_normal((CLASSES, DIM)) * apart
    classes = np.repeat(np.arange(CLASSES), shots)
    return centres[classes] + rng.standard_normal((len(classes), DIM)), classes, centres


def untrained(rows: np.ndarray, classes: np.ndarray) -> Embed:
    """An embedder that has learned nothing."""
    return lambda asked: asked.astype(np.float32)


def collapsed(rows: np.ndarray, classes: np.ndarray) -> Embed:
    """An embedder that has learned to overlook, nearly, all that the support's rows of one class differ in."""
    within = np.concatenate([rows[classes == c] - rows[classes == c].mean(axis=0) for c in np.unique(classes)])
    directions = np.linalg.svd(within, full_matrices=False)
    kept = directions.Vh[directions.S > 1e-9]
    return lambda asked: (asked - 0.6 * (asked @ kept.T) @ kept).astype(np.float32)


def memorised(rows: np.ndarray, classes: np.ndarray) -> Embed:
    """An embedder that has learned the support's labels by heart, and gives them beside what it saw."""
    weights = np.linalg.pinv(rows) @ np.eye(CLASSES)[classes]
    return lambda asked: np.concatenate([asked, 10 * asked @ weights], axis=1).astype(np.float32)


def gallery(rows: np.ndarray, classes: np.ndarray, labels: tuple[str, ...] = LABELS) -> Snapshot:
    return build_snapshot(
        [
            Enrolment(
                labels[c], "defect", rows[classes == c], tuple(f"{c}/{n}" for n in range(int((classes == c).sum())))
            )
            for c in np.unique(classes)
        ],
        0,
    )


def cross_fitted(rows: np.ndarray, classes: np.ndarray, training: Training) -> tuple[LeftOutScores, np.ndarray]:
    """What embedders that did not see a row say of it."""
    fold = np.arange(len(rows)) % FOLDS
    scores, strangeness = np.zeros((len(rows), CLASSES)), np.zeros(len(rows))
    for number in range(FOLDS):
        held = fold == number
        embed = training(rows[~held], classes[~held])
        head = fit_head(LDA, gallery(embed(rows[~held]), classes[~held]))
        answer = head.answer(embed(rows[held]))
        scores[held], strangeness[held] = answer.scores, answer.strangeness
    return LeftOutScores(scores, strangeness), classes


def correction(rows: np.ndarray, classes: np.ndarray, snapshot: Snapshot, training: Training) -> Correction:
    own = fit_head(LDA, snapshot).left_out()
    return fit_correction(
        own, snapshot.classes, *cross_fitted(rows, classes, training), LABELS, default_temperature=55.0
    )


def outcome(training: Training, shots: int, apart: float = 1.2, seeds: int = 12) -> dict[str, np.ndarray]:
    """Before and after correcting: share `[2]` of fresh rows refused, and loss `[2]` of the truth's probability."""
    refused, losses = [], []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, shots])
        rows, classes, centres = world(rng, shots, apart)
        embed = training(rows, classes)
        snapshot = gallery(embed(rows), classes)
        truths = np.repeat(np.arange(CLASSES), 100)
        fresh = embed(centres[truths] + rng.standard_normal((len(truths), DIM)))
        found = correction(rows, classes, snapshot, training)
        told = [Judge(snapshot, DecisionSettings(LDA, correction=one)).decide(fresh) for one in (None, found)]
        refused.append([np.mean([d.label is None for d in one]) for one in told])
        given = [[dict(d.ranking)[LABELS[c]] for d, c in zip(one, truths, strict=True)] for one in told]
        losses.append([-np.log(np.maximum(one, 1e-12)).mean() for one in given])
    return {"refused": np.mean(refused, axis=0), "loss": np.mean(losses, axis=0)}


@pytest.mark.parametrize("shots", [3, 5, 20])
def test_fresh_parts_of_known_classes_are_refused_at_about_the_budget_again(shots: int) -> None:
    share = outcome(collapsed, shots)["refused"]
    assert share[0] > 0.3
    assert share[1] < 0.07


def test_an_embedder_that_was_not_trained_is_hardly_corrected() -> None:
    share = outcome(untrained, 20)["refused"]
    assert share[0] - 0.025 < share[1] <= share[0]


def test_probabilities_are_worth_more() -> None:
    loss = outcome(memorised, 10, apart=0.15)["loss"]
    assert loss[1] < 0.8 * loss[0]


def rows_of(strangeness: np.ndarray, classes: np.ndarray, edge: float = 3.0) -> LeftOutScores:
    """Rows that are told right by `edge`."""
    return LeftOutScores(edge * np.eye(CLASSES)[classes], strangeness)


def test_a_row_never_looks_less_strange_and_no_answer_surer() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(CLASSES), 10)
    own = rows_of(20 + 5 * rng.standard_normal(40), classes, edge=9.0)
    honest = rows_of(10 + rng.standard_normal(40), classes, edge=1.0)
    assert fit_correction(own, classes, honest, classes, LABELS) == Correction(LABELS, 0.0, 1.0, 1.0)


def test_the_median_and_the_spread_of_the_strange_half_are_those_of_honest_rows() -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(CLASSES), 25)
    strangeness = rng.gamma(4.0, 1.0, 100)
    found = fit_correction(
        rows_of(strangeness, classes), classes, rows_of(7 + 3 * strangeness, classes), classes, LABELS
    )
    assert (found.scale, found.shift) == pytest.approx((3.0, 7.0))


def test_one_odd_image_does_not_set_the_scale() -> None:
    rng = np.random.default_rng(2)
    classes = np.repeat(np.arange(CLASSES), 10)
    strangeness = rng.gamma(4.0, 1.0, 40)
    odd = strangeness.copy()
    odd[7] = 500.0
    assert fit_correction(rows_of(strangeness, classes), classes, rows_of(odd, classes), classes, LABELS).scale < 1.6


def test_a_class_that_looks_less_strange_than_the_others_is_not_moved_down() -> None:
    rng = np.random.default_rng(3)
    classes = np.repeat(np.arange(CLASSES), 25)
    own = rng.standard_normal(100) + np.array([-30, 0, 0, 0])[classes]
    found = fit_correction(rows_of(own, classes), classes, rows_of(2 * own, classes), classes, LABELS)
    middle = float(np.median(own[classes == 0]))
    assert found.shift + found.scale * middle >= middle - 1e-9


def test_only_the_classes_that_were_trained_on_are_compared() -> None:
    rng = np.random.default_rng(4)
    classes = np.repeat(np.arange(CLASSES), 25)
    own = rng.gamma(4.0, 1.0, 100)
    honest = np.where(classes < 2, 5 + 2 * own, 1e6)
    found = fit_correction(
        rows_of(own, classes), classes, rows_of(honest, classes), classes, LABELS, trained=("b", "a")
    )
    assert found.labels == ("a", "b")
    assert (found.scale, found.shift) == pytest.approx((2.0, 5.0))


@pytest.mark.parametrize("told", [0, 1])
def test_where_nothing_can_be_compared_nothing_is_corrected(told: int) -> None:
    classes = np.arange(CLASSES)
    strangeness = np.full(CLASSES, np.nan)
    strangeness[:told] = 4.0
    alone = LeftOutScores(np.where(np.eye(CLASSES, dtype=bool), -np.inf, 0.0), strangeness)
    assert fit_correction(alone, classes, alone, classes, LABELS) == Correction(LABELS, 0.0, 1.0, 1.0)


def test_rows_that_all_look_the_same_are_moved_but_not_widened() -> None:
    classes = np.repeat(np.arange(CLASSES), 5)
    honest = rows_of(np.linspace(3, 9, 20), classes)
    found = fit_correction(rows_of(np.full(20, 1.0), classes), classes, honest, classes, LABELS)
    assert (found.shift, found.scale) == (5.0, 1.0)

"""Heads against what they claim to compute, written out the slow way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.decision.heads import HEADS, fit_head
from edgefs_runtime.decision.heads.gaussian import fit_shared_gaussian
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

pytestmark = pytest.mark.device

SHRINKAGE = 0.4


def gallery(counts: dict[str, int], dim: int = 12, seed: int = 0, groups: bool = False, views: int = 1) -> Snapshot:
    rng = np.random.default_rng(seed)
    enrolments = [
        Enrolment(
            label=label,
            disposition="defect",
            vectors=(rng.standard_normal((k, views, dim)) + 3 * rng.standard_normal(dim))
            .reshape(k, -1)
            .astype(np.float32),
            digests=tuple(f"{label}{row}" for row in range(k)),
            groups=tuple(f"part{row // 2}" for row in range(k)) if groups else (),
        )
        for label, k in counts.items()
    ]
    return build_snapshot(enrolments, 0, views)


def rows(n: int, dim: int = 12) -> np.ndarray:
    return np.random.default_rng(99).standard_normal((n, dim)).astype(np.float32)


def covariance(vectors: np.ndarray, classes: np.ndarray, borrowed: float = 0.0) -> np.ndarray:
    residuals = vectors - means_of(vectors, classes)[classes]
    ridge, weight = ridge_and_weight(vectors, classes, borrowed)
    return ridge * np.eye(vectors.shape[1]) + weight * residuals.T @ residuals


def ridge_and_weight(vectors: np.ndarray, classes: np.ndarray, borrowed: float = 0.0) -> tuple[float, float]:
    means, (n, dim) = means_of(vectors, classes)[classes], vectors.shape
    within, between = (((one - other) ** 2).sum() / n for one, other in ((vectors, means), (means, means.mean(axis=0))))
    return SHRINKAGE * (within + borrowed * between) / dim, (1 - SHRINKAGE) / n


def means_of(vectors: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.stack([vectors[classes == label].mean(axis=0) for label in range(classes.max() + 1)])


def exact_distances(vectors: np.ndarray, classes: np.ndarray, asked: np.ndarray, borrowed: float = 0.0) -> np.ndarray:
    """Squared Mahalanobis distances `[N,C]`, with the D x D matrix written out."""
    inverse = np.linalg.inv(covariance(vectors, classes, borrowed))
    steps = asked[:, None, :] - means_of(vectors, classes)[None]
    return np.einsum("ncd,de,nce->nc", steps, inverse, steps)


def distance_without_its_part(
    vectors: np.ndarray, classes: np.ndarray, parts: np.ndarray, row: int, borrowed: float
) -> float:
    """Squared distance of a row to its class as it is without the rows of its part; ridge and weight stay."""
    ridge, weight = ridge_and_weight(vectors, classes, borrowed)
    others, named = vectors[parts != parts[row]], classes[parts != parts[row]]
    means = {label: others[named == label].mean(axis=0) for label in np.unique(named)}
    if classes[row] not in means:
        return np.inf
    residuals = others - np.stack([means[label] for label in named])
    step = vectors[row] - means[classes[row]]
    return step @ np.linalg.inv(ridge * np.eye(vectors.shape[1]) + weight * residuals.T @ residuals) @ step


def errors_of_means(snapshot: Snapshot, vectors: np.ndarray, classes: np.ndarray, borrowed: float) -> np.ndarray:
    """What is taken off the squared distances to each class, `[C]`."""
    views, numbers = snapshot.views, np.bincount(snapshot.classes)
    parts = np.repeat(snapshot.parts, views)
    own = np.array(
        [distance_without_its_part(vectors, classes, parts, row, borrowed) for row in range(0, len(vectors), views)]
    )
    judged = np.isfinite(own)
    spread = own[judged] / (1 + 1 / (numbers[snapshot.classes[judged]] - 1))
    of_class = [spread[snapshot.classes[judged] == label] for label in range(len(numbers))]
    return np.array([(one.sum() + 2 * spread.mean()) / (len(one) + 2) for one in of_class]) / numbers


@pytest.mark.parametrize("counts", [{"a": 5, "b": 5}, {"a": 40, "b": 3}, {"a": 1, "b": 7}])  # n < D, n > D
@pytest.mark.parametrize("views", [1, 3])
def test_lda_scores_are_discriminants_with_the_error_of_each_mean_taken_off(counts: dict[str, int], views: int) -> None:
    snapshot, asked = gallery(counts, views=views), rows(6)
    vectors, classes = snapshot.vectors.reshape(-1, 12).astype(np.float64), np.repeat(snapshot.classes, views)
    distances = exact_distances(vectors, classes, asked) - errors_of_means(snapshot, vectors, classes, 0.0)
    head = fit_head({"kind": "lda", "shrinkage": SHRINKAGE}, snapshot)
    scores, strangeness = head.answer(asked)
    # Scores are log-posteriors up to a term that all classes share.
    steps = -0.5 * (distances - distances[:, :1])
    np.testing.assert_allclose(scores - scores[:, :1], steps, rtol=2e-5, atol=2e-5 * np.abs(steps).max())
    assert head.scores(asked).tobytes() == scores.tobytes()
    # Strangeness: the nearest distance less 95 % of that to one Gaussian of everything about the origin.
    ridge, weight = ridge_and_weight(vectors, classes)
    everything = np.linalg.inv(ridge * np.eye(12) + weight * vectors.T @ vectors)
    background = np.einsum("nd,de,ne->n", asked, everything, asked)
    np.testing.assert_allclose(strangeness, distances.min(axis=1) - 0.95 * background, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("counts", [{"a": 5, "b": 5}, {"a": 40, "b": 3}, {"a": 1, "b": 7, "c": 2}])  # n < D, n > D
@pytest.mark.parametrize("views", [1, 3])
def test_blended_scores_are_the_mean_of_discriminants_and_a_regression(counts: dict[str, int], views: int) -> None:
    snapshot, asked = gallery(counts, views=views), rows(6)
    vectors, classes = snapshot.vectors.reshape(-1, 12).astype(np.float64), np.repeat(snapshot.classes, views)
    numbers = np.array(list(counts.values()))
    borrowed = 8 / numbers.mean() ** 3  # few images tell too little of the scatter within
    error, means = errors_of_means(snapshot, vectors, classes, borrowed), means_of(vectors, classes)
    ridge, weight = ridge_and_weight(vectors, classes, borrowed)
    everything = np.linalg.inv(ridge * np.eye(12) + weight * vectors.T @ vectors)

    def both(questions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Discriminants, up to a term that all classes share, and the regression."""
        distances = exact_distances(vectors, classes, questions, borrowed) - error
        return -0.5 * distances, questions @ everything @ means.T * np.sqrt(numbers)

    def spread(found: np.ndarray) -> float:
        return float(np.std(found - found.mean(axis=1, keepdims=True)))

    (discriminants, regression), (of_means, regressed) = both(asked), both(means)
    share = 8 * (numbers**-1.5).mean()
    expected = (discriminants + share * regression * spread(of_means) / spread(regressed)) / (1 + share)
    head = fit_head({"kind": "blend", "shrinkage": SHRINKAGE}, snapshot)
    scores, strangeness = head.answer(asked)
    steps = expected - expected[:, :1]
    np.testing.assert_allclose(scores - scores[:, :1], steps, rtol=5e-5, atol=5e-5 * np.abs(steps).max())
    assert head.scores(asked).tobytes() == scores.tobytes()
    background = np.einsum("nd,de,ne->n", asked, everything, asked)
    np.testing.assert_allclose(strangeness, -2 * discriminants.max(axis=1) - 0.95 * background, rtol=1e-4, atol=1e-3)


def test_a_class_just_taught_does_not_take_what_belongs_to_known_ones() -> None:
    """Four classes of twenty images and one of a single image, all spheres of one size, equally far from each other."""
    rng, dim = np.random.default_rng(7), 200
    centres, truth = 0.5 * rng.standard_normal((5, dim)), np.repeat(np.arange(5), 200)
    enrolments = [
        Enrolment(
            label=str(label),
            disposition="defect",
            vectors=(centres[label] + rng.standard_normal((count, dim))).astype(np.float32),
            digests=tuple(f"{label} {row}" for row in range(count)),
        )
        for label, count in enumerate((20, 20, 20, 20, 1))
    ]
    asked = (centres[truth] + rng.standard_normal((len(truth), dim))).astype(np.float32)
    right = fit_head({"kind": "blend"}, build_snapshot(enrolments, 0)).scores(asked).argmax(axis=1) == truth
    assert right[truth < 4].mean() > 0.95  # lda alone: 0.86
    assert right[truth == 4].mean() > 0.95  # linear alone: 0.87


def test_a_class_of_few_rows_does_not_lose_to_one_of_many() -> None:
    """Both are spheres of one size; halfway between them, neither may win more often than the other."""
    rng = np.random.default_rng(4)
    step = np.zeros(60)
    step[0] = 4.0
    many, few = rng.standard_normal((300, 60)), rng.standard_normal((5, 60)) + step
    enrolments = [
        Enrolment(label, "defect", vectors.astype(np.float32), tuple(f"{label}{row}" for row in range(len(vectors))))
        for label, vectors in (("few", few), ("many", many))
    ]
    head = fit_head({"kind": "lda"}, build_snapshot(enrolments, 0))
    asked = np.concatenate([rng.standard_normal((400, 60)), rng.standard_normal((400, 60)) + step]).astype(np.float32)
    answers = head.scores(asked).argmax(axis=1)
    few_right, many_right = (answers[400:] == 0).mean(), (answers[:400] == 1).mean()
    assert min(few_right, many_right) > 0.9


@pytest.mark.parametrize("dim", [12, 40])  # n > D, n < D
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("groups", [False, True])
def test_lda_left_out_is_what_a_fit_without_the_part_says(groups: bool, views: int, dim: int) -> None:
    snapshot = gallery({"a": 6, "b": 5, "c": 4}, dim=dim, groups=groups, views=views)
    vectors = snapshot.vectors.reshape(-1, dim).astype(np.float64)
    classes, parts = np.repeat(snapshot.classes, views), np.repeat(snapshot.parts, views)
    first = np.arange(len(vectors)) % views == 0
    model = fit_shared_gaussian(vectors, classes, SHRINKAGE)
    found = model.left_out(parts, first)
    for part in np.unique(parts):
        held = parts == part
        kept, kept_classes, asked = vectors[~held], classes[~held], vectors[held & first]
        means = np.stack([kept[kept_classes == label].mean(axis=0) for label in range(3)])
        residuals = kept - means[kept_classes]
        # The ridge and the weight of the scatter are held: that is what "exact with the ridge held" promises.
        matrix = model.alpha * np.eye(dim) + model.beta * residuals.T @ residuals
        steps = asked[:, None, :] - means[None]
        expected = np.einsum("ncd,de,nce->nc", steps, np.linalg.inv(matrix), steps)
        np.testing.assert_allclose(found.classes[snapshot.parts == part], expected, rtol=1e-8)
        everything = np.linalg.inv(model.alpha * np.eye(dim) + model.beta * kept.T @ kept)
        expected = np.einsum("nd,de,ne->n", asked, everything, asked)
        np.testing.assert_allclose(found.background[snapshot.parts == part], expected, rtol=1e-8)
        expected = asked @ everything @ means.T
        np.testing.assert_allclose(found.regression[snapshot.parts == part], expected, rtol=1e-7, atol=1e-9)


def test_parts_of_different_sizes_are_left_out_together() -> None:
    snapshot = gallery({"a": 8, "b": 7})
    parts = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 5, 5, 6, 7, 7, 8])
    every = np.ones(15, bool)
    vectors = snapshot.vectors.astype(np.float64)
    model = fit_shared_gaussian(vectors, snapshot.classes, SHRINKAGE)
    found = model.left_out(parts, every)
    held = parts == 5
    kept, kept_classes = vectors[~held], snapshot.classes[~held]
    means = np.stack([kept[kept_classes == label].mean(axis=0) for label in range(2)])
    residuals = kept - means[kept_classes]
    inverse = np.linalg.inv(model.alpha * np.eye(12) + model.beta * residuals.T @ residuals)
    steps = vectors[held][:, None, :] - means[None]
    np.testing.assert_allclose(found.classes[held], np.einsum("ncd,de,nce->nc", steps, inverse, steps), rtol=1e-8)


@pytest.mark.parametrize("kind", ["blend", "lda"])
def test_adding_and_removing_a_class_leaves_the_same_bits(kind: str) -> None:
    before, asked = gallery({"a": 6, "b": 5}), rows(4)
    with_more = gallery({"a": 6, "b": 5, "c": 4})
    kept = with_more.classes < 2
    after = dataclasses.replace(
        with_more,
        held=with_more.vectors[kept],
        labels=before.labels,
        dispositions=before.dispositions,
        classes=with_more.classes[kept],
        parts=with_more.parts[kept],
    )
    first, second = (fit_head({"kind": kind}, snapshot).answer(asked) for snapshot in (before, after))
    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.strangeness.tobytes() == second.strangeness.tobytes()


def test_prototype_left_out_is_what_a_fit_without_the_part_says() -> None:
    snapshot = gallery({"a": 6, "b": 5}, groups=True)
    left_out = fit_head({"kind": "prototype"}, snapshot).left_out()
    for part in np.unique(snapshot.parts):
        held = snapshot.parts == part
        kept = Snapshot(
            snapshot.vectors[~held],
            snapshot.labels,
            snapshot.dispositions,
            snapshot.classes[~held],
            snapshot.parts[~held],
            0,
        )
        expected = fit_head({"kind": "prototype"}, kept).scores(snapshot.vectors[held])
        np.testing.assert_allclose(left_out.scores[held], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_class_with_one_part_is_not_judged_by_itself(kind: str) -> None:
    snapshot = gallery({"a": 6, "single": 1})
    left_out = fit_head({"kind": kind}, snapshot).left_out()
    own = left_out.scores[np.arange(7), snapshot.classes]
    assert np.isneginf(own[-1])
    assert np.isnan(left_out.strangeness[-1])
    assert np.isfinite(own[:-1]).all()


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_the_same_rows_give_the_same_bits(kind: str) -> None:
    snapshot, asked = gallery({"a": 5, "b": 5}), rows(4)
    first, second = (fit_head({"kind": kind}, snapshot) for _ in range(2))
    assert first.scores(asked).tobytes() == second.scores(asked).tobytes()


@pytest.mark.parametrize("kind", sorted(HEADS))
@pytest.mark.parametrize("counts", [{"a": 1}, {"a": 1, "b": 1}, {"a": 5}])
def test_tiny_galleries_are_answered(kind: str, counts: dict[str, int]) -> None:
    snapshot = gallery(counts)
    head = fit_head({"kind": kind}, snapshot)
    scores = head.scores(rows(3))
    assert scores.shape == (3, len(counts))
    assert np.isfinite(scores).all()
    assert np.isfinite(head.answer(rows(3)).strangeness).all()


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_classes_of_one_row_each_still_tell_near_from_far(kind: str) -> None:
    snapshot = gallery(dict.fromkeys("abcd", 1))
    strangeness = (
        fit_head({"kind": kind}, snapshot).answer(np.concatenate([snapshot.vectors, -snapshot.vectors])).strangeness
    )
    assert strangeness[:4].max() < strangeness[4:].min()


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_single_class_still_tells_near_from_far(kind: str) -> None:
    snapshot = gallery({"good": 20})
    head = fit_head({"kind": kind}, snapshot)
    near, far = snapshot.vectors[:1], -5 * snapshot.vectors[:1]
    both = np.concatenate([near, far])
    near_strange, far_strange = head.answer(both).strangeness
    assert far_strange > near_strange


def test_the_same_image_several_times_gives_a_sphere() -> None:
    vectors = np.repeat(rows(2), 5, axis=0)
    enrolments = [
        Enrolment(label, "defect", vectors[start : start + 5], tuple("abcde")) for label, start in (("a", 0), ("b", 5))
    ]
    scores = fit_head({"kind": "lda"}, build_snapshot(enrolments, 0)).scores(vectors)
    assert (scores.argmax(axis=1) == np.repeat([0, 1], 5)).all()


@pytest.mark.parametrize("settings", [{"kind": "oracle"}, {}, {"kind": "lda", "colour": 3}])
def test_an_unknown_head_or_setting_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="head"):
        fit_head(settings, gallery({"a": 2, "b": 2}))


@pytest.mark.parametrize("dim", [12, 60])
def test_linear_scores_and_left_out_are_those_of_a_regression_without_the_part(dim: int) -> None:
    snapshot = gallery({"a": 6, "b": 4}, dim=dim, groups=True, views=2)
    vectors = snapshot.vectors.reshape(-1, dim).astype(np.float64)
    classes, parts = np.repeat(snapshot.classes, 2), np.repeat(snapshot.parts, 2)
    weight = len(classes) / (2 * np.bincount(classes)[classes])
    wanted = np.eye(2)[classes] - 0.5
    penalty = (weight[:, None] * vectors**2).sum() / len(classes)

    def regression(kept: np.ndarray) -> np.ndarray:
        rows = vectors[kept] * weight[kept, None]
        return np.linalg.solve(rows.T @ vectors[kept] + penalty * np.eye(dim), rows.T @ wanted[kept])

    head = fit_head({"kind": "linear"}, snapshot)
    asked = rows(4, dim)
    np.testing.assert_allclose(head.scores(asked), asked @ regression(parts >= 0) + 0.5, rtol=1e-8)
    left_out = head.left_out().scores
    for part in np.unique(parts):
        held = (parts == part) & (np.arange(len(parts)) % 2 == 0)
        expected = vectors[held] @ regression(parts != part) + 0.5
        np.testing.assert_allclose(left_out[snapshot.parts == part], expected, rtol=1e-7)

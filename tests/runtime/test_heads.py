"""Heads against what they claim to compute, written out the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from edgefs_runtime.errors import BundleError
from edgefs_runtime.heads import HEADS, fit_head
from edgefs_runtime.heads.gaussian import fit_shared_gaussian
from edgefs_runtime.snapshot import Enrolment, Snapshot, build_snapshot

pytestmark = pytest.mark.device

SHRINKAGE = 0.4


def gallery(counts: dict[str, int], dim: int = 12, seed: int = 0, groups: bool = False) -> Snapshot:
    rng = np.random.default_rng(seed)
    enrolments = [
        Enrolment(
            label=label,
            disposition="defect",
            vectors=(rng.standard_normal((k, dim)) + 3 * rng.standard_normal(dim)).astype(np.float32),
            digests=tuple(f"{label}{row}" for row in range(k)),
            groups=tuple(f"part{row // 2}" for row in range(k)) if groups else (),
        )
        for label, k in counts.items()
    ]
    return build_snapshot(enrolments, 0)


def rows(n: int, dim: int = 12) -> np.ndarray:
    return np.random.default_rng(99).standard_normal((n, dim)).astype(np.float32)


def covariance(vectors: np.ndarray, classes: np.ndarray, shrinkage: float) -> np.ndarray:
    means = np.stack([vectors[classes == label].mean(axis=0) for label in range(classes.max() + 1)])
    residuals = vectors - means[classes]
    scatter = residuals.T @ residuals / len(vectors)
    dim = len(scatter)
    return shrinkage * np.trace(scatter) / dim * np.eye(dim) + (1 - shrinkage) * scatter


def exact_distances(vectors: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances `[N,C]`, with the D x D matrix written out."""
    inverse = np.linalg.inv(covariance(vectors, classes, SHRINKAGE))
    means = np.stack([vectors[classes == label].mean(axis=0) for label in range(classes.max() + 1)])
    steps = asked[:, None, :] - means[None]
    return np.einsum("ncd,de,nce->nc", steps, inverse, steps)


@pytest.mark.parametrize("counts", [{"a": 5, "b": 5, "c": 5}, {"a": 40, "b": 3}, {"a": 1, "b": 7}])
def test_lda_scores_are_discriminants_with_the_error_of_each_mean_taken_off(counts: dict[str, int]) -> None:
    snapshot, asked = gallery(counts), rows(6)
    vectors = snapshot.vectors.astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    left_out = fit_shared_gaussian(centred @ centred.T, snapshot.classes, SHRINKAGE, 12).left_out_distances(
        snapshot.parts
    )
    own = left_out[np.arange(len(vectors)), snapshot.classes]
    numbers = np.array(list(counts.values()))
    judged = np.isfinite(own)
    spread = own[judged] / (1 + 1 / (numbers[snapshot.classes[judged]] - 1))
    of_class = [spread[snapshot.classes[judged] == label] for label in range(len(counts))]
    error = np.array([(one.sum() + 2 * spread.mean()) / (len(one) + 2) for one in of_class]) / numbers
    distances = exact_distances(vectors, snapshot.classes, asked) - error
    head = fit_head({"kind": "lda", "shrinkage": SHRINKAGE}, snapshot)
    scores, strangeness = head.answer(asked)
    # Scores are log-posteriors up to a term that all classes share.
    steps = -0.5 * (distances - distances[:, :1])
    np.testing.assert_allclose(scores - scores[:, :1], steps, rtol=2e-5, atol=2e-5 * np.abs(steps).max())
    assert head.scores(asked).tobytes() == scores.tobytes()
    # Strangeness: the nearest distance less that to one Gaussian of everything.
    background = exact_distances(vectors, np.zeros_like(snapshot.classes), asked)[:, 0]
    np.testing.assert_allclose(strangeness, distances.min(axis=1) - background, rtol=1e-4, atol=1e-3)


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


@pytest.mark.parametrize("groups", [False, True])
def test_lda_left_out_is_what_a_fit_without_the_part_says(groups: bool) -> None:
    snapshot = gallery({"a": 6, "b": 5, "c": 4}, groups=groups)
    vectors, classes, parts = snapshot.vectors.astype(np.float64), snapshot.classes, snapshot.parts
    centred = vectors - vectors.mean(axis=0)
    model = fit_shared_gaussian(centred @ centred.T, classes, SHRINKAGE, vectors.shape[1])
    found = model.left_out_distances(parts)
    for part in np.unique(parts):
        held = parts == part
        kept, kept_classes = vectors[~held], classes[~held]
        means = np.stack([kept[kept_classes == label].mean(axis=0) for label in range(3)])
        residuals = kept - means[kept_classes]
        # The ridge and the weight of the scatter are held: that is what "exact with the ridge held" promises.
        matrix = model.alpha * np.eye(vectors.shape[1]) + model.beta * residuals.T @ residuals
        steps = vectors[held][:, None, :] - means[None]
        expected = np.einsum("ncd,de,nce->nc", steps, np.linalg.inv(matrix), steps)
        np.testing.assert_allclose(found[held], expected, rtol=1e-8)


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

"""Episodes: the figures against scikit-learn and by hand, and what is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded
from edgefs.evaluation.auroc import auroc
from edgefs.evaluation.calibration import calibration_error
from edgefs.evaluation.episodes import EpisodePlan, run_episodes
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.settings import DecisionSettings


def world(classes: int = 4, images: int = 20, apart: float = 6.0, group: int = 1) -> tuple[list[Sample], dict]:
    """Gaussian classes `apart` deviations from each other, `group` images to a part."""
    rng = np.random.default_rng(3)
    samples, vectors = [], {}
    for label in range(classes):
        centre = np.zeros(10)
        centre[label] = apart
        for number in range(images):
            digest = f"{label:02}{number:03}".ljust(64, "0")
            part = f"{label}-{number // group}" if group > 1 else ""
            samples.append(Sample(Path(digest), f"c{label}", part, "", digest, (1, 1), 8))
            vectors[digest] = (centre + rng.standard_normal(10)).astype(np.float32)
    return samples, vectors


def run(samples: list[Sample], vectors: dict, **plan: int):
    dispositions = {sample.label: "defect" for sample in samples}
    embedded = Embedded(vectors, vectors)
    return run_episodes(
        samples, embedded, dispositions, DecisionSettings(), EpisodePlan(**{"shots": 5, "episodes": 20, **plan})
    )


def test_classes_far_apart_are_told_apart_and_unknowns_are_seen() -> None:
    outcome = run(*world(apart=12))
    assert outcome.accuracy.value > 0.99
    assert outcome.auroc.value > 0.99
    assert outcome.caught.value > 0.9
    assert outcome.wrongly_refused.value < 0.1
    json.dumps(outcome.to_json(), allow_nan=False)


def test_classes_in_one_place_give_chance() -> None:
    outcome = run(*world(apart=0), episodes=60)
    assert outcome.accuracy.value == pytest.approx(0.25, abs=0.05)
    assert outcome.auroc.value == pytest.approx(0.5, abs=0.05)
    assert outcome.calibration_error < 0.15


def test_the_same_seed_gives_the_same_figures_and_another_gives_others() -> None:
    samples, vectors = world(apart=2)
    first, again, other = (run(samples, vectors, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.accuracy != other.accuracy


def test_more_shots_are_better() -> None:
    samples, vectors = world(apart=2, images=40)
    few, many = run(samples, vectors, shots=1, episodes=60), run(samples, vectors, shots=20, episodes=60)
    assert many.accuracy.value > few.accuracy.value + 0.05


def test_ways_are_fewer_classes_each_time() -> None:
    outcome = run(*world(classes=6, apart=0), ways=2, episodes=60)
    assert outcome.ways == 2
    assert outcome.accuracy.value == pytest.approx(0.5, abs=0.06)
    assert np.isnan(outcome.auroc.value)  # with one class left there is nothing to compare
    assert outcome.to_json()["auroc"] == {"value": None, "half": None}


@pytest.mark.parametrize(
    ("plan", "message"), [({"ways": 9}, "--ways 9"), ({"shots": 20}, "--shots 20 needs"), ({"ways": 1}, "--ways 1")]
)
def test_what_cannot_be_drawn_is_refused(plan: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(*world(), **plan)


def test_parts_stay_on_one_side() -> None:
    """Ten images of each part are copies: if a part stood on both sides, all would be right by chance of a copy."""
    samples, vectors = world(apart=0, images=40, group=10)
    for sample in samples:
        first = next(other for other in samples if other.group == sample.group)
        vectors[sample.digest] = vectors[first.digest]
    assert run(samples, vectors, shots=2, episodes=40).accuracy.value < 0.45


def test_auroc_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(0, 9, 50).astype(float), rng.integers(3, 12, 30).astype(float)
    expected = metrics.roc_auc_score(np.repeat([0, 1], [50, 30]), np.concatenate([known, unknown]))
    assert auroc(known, unknown) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    assert calibration_error([(0.9, True)] * 9 + [(0.9, False)]) == pytest.approx(0.0)
    assert calibration_error([(0.9, True)] * 5 + [(0.9, False)] * 5) == pytest.approx(0.4)
    assert calibration_error([(1.0, True), (0.5, False)]) == pytest.approx(0.25)
    assert np.isnan(calibration_error([]))

"""The bound of a drop, from answers of two models to the same questions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from edgefs_calibration.statistics.flips import Flips


def flips(both: int, lost: int, won: int, neither: int) -> Flips:
    reference = np.repeat([True, True, False, False], [both, lost, won, neither])
    found = np.repeat([True, False, True, False], [both, lost, won, neither])
    return Flips.of(reference, found, [str(number) for number in range(len(reference))])


@pytest.mark.parametrize(("lost", "won", "n"), [(5, 2, 500), (0, 3, 40), (9, 9, 2000), (1, 0, 44)])
def test_the_bound_is_where_the_score_test_of_the_likelihood_rejects(lost: int, won: int, n: int) -> None:
    """The same by brute force: the share won is found by maximising the likelihood."""

    def statistic(drop: float) -> float:
        def minus_log_likelihood(share_won: float) -> float:
            shares = np.array([share_won + drop, share_won, 1 - 2 * share_won - drop])
            counts = np.array([lost, won, n - lost - won])
            return -float((counts * np.log(np.maximum(shares, 1e-300))).sum())

        found = minimize_scalar(
            minus_log_likelihood, bounds=(max(0.0, -drop), (1 - drop) / 2), method="bounded", options={"xatol": 1e-12}
        )
        return (lost - won - n * drop) / np.sqrt(n * (2 * found.x + drop * (1 - drop)))

    expected = brentq(lambda drop: statistic(drop) + 1.6448536269514722, (lost - won) / n + 1e-9, 0.9)
    assert flips(n - lost - won, lost, won, 0).bound == pytest.approx(expected, abs=1e-5)


def test_without_any_flip_the_bound_shrinks_with_the_number_of_questions() -> None:
    assert flips(500, 0, 0, 0).bound == pytest.approx(2.7055 / 502.7055, abs=1e-5)
    assert flips(5000, 0, 0, 0).bound < 0.001
    assert flips(3, 0, 0, 0).bound > 0.4


def test_it_covers_the_true_drop_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(800):
        kind = rng.choice(4, size=300, p=[0.9, 0.03, 0.02, 0.05])
        found = Flips.of(np.isin(kind, [0, 1]), np.isin(kind, [0, 2]), [str(i) for i in range(300)])
        covered.append(found.bound >= 0.01)
    assert 0.93 <= np.mean(covered) <= 0.98


def test_an_image_that_flips_again_and_again_counts_as_little_more_than_once() -> None:
    once = flips(490, 10, 0, 0)
    reference, found = np.ones(500, bool), np.repeat([False, True], [10, 490])
    often = Flips.of(reference, found, [str(number // 10) for number in range(500)])
    assert (often.images, often.drop) == (50, once.drop)
    assert often.effect > 5
    assert often.bound > 2 * once.bound


def test_answers_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        Flips.of(np.ones(2, bool), np.ones(3, bool), ["a", "b"])

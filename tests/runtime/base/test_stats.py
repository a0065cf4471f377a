"""Tail probabilities against scipy where it is installed, and against closed forms where it is not (the device)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefs_runtime.base.stats import betainc, clopper_pearson, student_t_upper_tail

pytestmark = pytest.mark.device

DEGREES = (1, 1.5, 2, 3, 4, 7, 10, 29, 30, 100, 333, 1000, 2000)
T_VALUES = np.concatenate([-np.geomspace(1e-3, 50, 60), [0.0], np.geomspace(1e-3, 1e5, 240)])


@pytest.mark.parametrize("df", DEGREES)
def test_t_tail_agrees_with_scipy_far_into_the_tail(df: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.sf(T_VALUES, df)
    usual = expected > 1e-300  # below, both underflow
    found = np.array([student_t_upper_tail(t, df) for t in T_VALUES.tolist()])
    np.testing.assert_allclose(found[usual], expected[usual], rtol=1e-10)


@pytest.mark.parametrize("t", [1e-12, 1e-8, 0.3, 1.0, 12.7, 1e9])
def test_t_tail_of_one_degree_is_the_cauchy_tail(t: float) -> None:
    assert student_t_upper_tail(t, 1) == pytest.approx(math.atan2(1, t) / math.pi, rel=1e-12)


def test_t_tail_handles_infinity_and_nan() -> None:
    assert [student_t_upper_tail(t, 5) for t in (math.inf, -math.inf, 0.0)] == [0.0, 1.0, 0.5]
    assert [student_t_upper_tail(t, 5) for t in (1e300, -1e300)] == [0.0, 1.0]
    assert math.isnan(student_t_upper_tail(math.nan, 5))


@pytest.mark.parametrize("df", [0, -1, math.nan, math.inf])
def test_t_tail_refuses_degrees_of_freedom_that_are_none(df: float) -> None:
    with pytest.raises(ValueError, match="degrees of freedom"):
        student_t_upper_tail(1.0, df)


def test_betainc_agrees_with_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(0)
    exponents, places = rng.uniform(-0.5, 4, (500, 2)), rng.normal(size=500)
    for (a, b), at in zip(10**exponents, places, strict=True):
        spread = math.sqrt(a * b / (a + b + 1)) / (a + b)
        x = float(np.clip(a / (a + b) + 3 * at * spread, 1e-9, 1 - 1e-9))
        assert betainc(a, b, x) == pytest.approx(float(special.betainc(a, b, x)), abs=1e-10)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_betainc_of_whole_numbers_is_a_binomial_tail(a: int, b: int, x: float) -> None:
    n = a + b - 1
    tail = math.fsum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert betainc(a, b, x) == pytest.approx(tail, abs=1e-10)


@pytest.mark.parametrize("arguments", [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5), (1, 1, math.nan)])
def test_betainc_refuses_what_it_is_not_defined_for(arguments: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="betainc needs"):
        betainc(*arguments)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 1 - 0.025**0.1),  # closed forms of the two ends
        (10, 10, 0.025**0.1, 1.0),
        (1, 1, 0.025, 1.0),
        (3, 250, 0.0024815582547, 0.0346666145748),  # scipy.stats.binomtest(3, 250).proportion_ci()
        (12500, 1_000_000, 0.0122831560487, 0.0127196744851),
    ],
)
def test_interval_is_the_exact_one(successes: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), rel=1e-9)


@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_holds_the_share_and_mirrors(trials: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(successes, trials, confidence)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = clopper_pearson(trials - successes, trials, confidence)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)


def test_interval_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="4 of 3"):
        clopper_pearson(4, 3)

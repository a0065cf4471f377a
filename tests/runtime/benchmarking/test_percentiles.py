"""Percentiles that the samples can carry, and ratios with the interval of chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefs_runtime.benchmarking.comparing import ratio_of_medians
from edgefs_runtime.benchmarking.percentiles import PERCENTILES, Percentiles, samples_needed

pytestmark = pytest.mark.device


def test_a_percentile_is_a_sample_that_so_many_do_not_exceed() -> None:
    spread = Percentiles.of(np.arange(1, 4001)[::-1] / 1000)
    assert spread.percentiles == {50.0: 2000, 90.0: 3600, 99.0: 3960, 99.9: 3996}
    assert (spread.samples, spread.slowest) == (4000, 4000)


@pytest.mark.parametrize("percentile", PERCENTILES[1:])
def test_a_percentile_needs_as_many_samples_as_show_its_tail(percentile: float) -> None:
    needed = samples_needed(percentile)
    assert 1 - (percentile / 100) ** needed >= 0.95 > 1 - (percentile / 100) ** (needed - 1)
    assert Percentiles.of(np.ones(needed)).percentiles[percentile] == 1000
    assert Percentiles.of(np.ones(needed - 1)).percentiles[percentile] is None


def test_without_a_sample_nothing_is_told() -> None:
    spread = Percentiles.of(np.empty(0))
    assert set(spread.percentiles.values()) == {None}
    assert spread.to_json() == {"samples": 0, "p50": None, "p90": None, "p99": None, "p99.9": None, "slowest": None}


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=400))
def test_percentiles_rise_and_end_below_the_slowest(seconds: list[float]) -> None:
    spread = Percentiles.of(np.array(seconds))
    told = [value for value in spread.percentiles.values() if value is not None]
    assert told == sorted(told)
    assert spread.slowest is not None
    assert told[-1] <= spread.slowest


def turns(centre: float, count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [centre * np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.05, 10)) for _ in range(count)]


def test_a_ratio_of_what_is_twice_as_fast() -> None:
    found = ratio_of_medians(turns(0.5, 60, 1), turns(1.0, 60, 2))
    assert found.low is not None
    assert found.high is not None
    assert 0.45 < found.low < found.ratio < found.high < 0.55
    assert found == ratio_of_medians(turns(0.5, 60, 1), turns(1.0, 60, 2))


def test_the_interval_holds_what_is_true_about_as_often_as_it_says() -> None:
    """95 % are promised; turns that differ as a whole must not make it narrower."""
    held = 0
    for trial in range(40):
        found = ratio_of_medians(turns(1.0, 30, 2 * trial), turns(1.0, 30, 2 * trial + 1))
        held += (found.low or 9) <= 1 <= (found.high or 0)
    assert held >= 33


def test_too_few_turns_give_no_interval() -> None:
    found = ratio_of_medians(turns(1.0, 3, 1), turns(2.0, 3, 2))
    assert (found.low, found.high, found.turns) == (None, None, 3)

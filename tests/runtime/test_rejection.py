"""p-values and temperatures from rows whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgefs_runtime.heads import LeftOut
from edgefs_runtime.rejection import fit_rejection, fit_temperature

pytestmark = pytest.mark.device


def left_out(strangeness: list[float] | np.ndarray) -> LeftOut:
    return LeftOut(np.zeros((len(strangeness), 2)), np.asarray(strangeness, float))


def test_conformal_p_values_are_the_rank_among_the_rows() -> None:
    rejection = fit_rejection(left_out(np.arange(99.0)), 0.05)
    assert rejection.rule == "conformal"
    np.testing.assert_allclose(
        rejection.p_values(np.array([-1.0, 94.0, 94.5, 98.0, 99.0])), [1, 0.06, 0.05, 0.02, 0.01]
    )


def test_with_too_few_rows_for_the_budget_the_student_tail_is_used() -> None:
    rejection = fit_rejection(left_out([1.0, 2.0, 3.0, 4.0]), 0.05)
    assert rejection.rule == "student-t"
    p_values = rejection.p_values(np.array([2.5, 40.0]))
    assert p_values[0] == pytest.approx(0.5)
    assert p_values[1] < 0.05


@pytest.mark.parametrize("rows", [[], [1.0], [2.0, 2.0, 2.0], [np.nan, np.nan, 1.0]])
def test_without_a_spread_nothing_can_be_refused(rows: list[float]) -> None:
    rejection = fit_rejection(left_out(rows), 0.05)
    assert rejection.rule == "none"
    assert np.isnan(rejection.p_values(np.array([1e9]))).all()


def test_a_budget_of_zero_refuses_nothing() -> None:
    assert fit_rejection(left_out(np.arange(50.0)), 0).rule == "none"


@pytest.mark.parametrize(("n", "budget"), [(30, 0.05), (99, 0.05), (10, 0.05), (40, 0.01)])
def test_known_parts_are_refused_at_about_the_budget(n: int, budget: float) -> None:
    rng = np.random.default_rng(1)
    refused = [
        fit_rejection(left_out(rng.standard_normal(n)), budget).p_values(rng.standard_normal(200)) <= budget
        for _ in range(300)
    ]
    assert abs(float(np.mean(refused)) - budget) < 0.4 * budget + 0.003


def scores_of_right_answers(share: float, sharpness: float, n: int = 400) -> tuple[LeftOut, np.ndarray]:
    rng = np.random.default_rng(2)
    classes = rng.integers(0, 2, n)
    says = np.where(rng.random(n) < share, classes, 1 - classes)
    scores = np.zeros((n, 2))
    scores[np.arange(n), says] = sharpness
    return LeftOut(scores, np.zeros(n)), classes


@pytest.mark.parametrize("sharpness", [0.1, 3.0, 500.0])
def test_the_temperature_makes_probability_agree_with_accuracy(sharpness: float) -> None:
    left, classes = scores_of_right_answers(0.8, sharpness)
    temperature = fit_temperature(left, classes, 1.0)
    assert 1 / (1 + np.exp(-sharpness / temperature)) == pytest.approx(0.8, abs=0.03)


def test_answers_that_are_all_right_are_not_taken_for_certain() -> None:
    left, classes = scores_of_right_answers(1.0, 10.0, n=18)
    temperature = fit_temperature(left, classes, 1.0)
    assert 1 / (1 + np.exp(-10.0 / temperature)) == pytest.approx(19 / 20, abs=0.02)


def test_where_nothing_can_be_judged_the_default_temperature_stands() -> None:
    scores = np.full((3, 2), -np.inf)
    assert fit_temperature(LeftOut(scores, np.full(3, np.nan)), np.array([0, 1, 0]), 0.7) == 0.7

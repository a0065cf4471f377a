"""p-values and temperatures from rows whose distribution is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgefs_runtime.decision.heads import Answer, LeftOutScores
from edgefs_runtime.decision.rejection import Rejection, fit_rejection, fit_temperature

pytestmark = pytest.mark.device


def fitted(strangeness: list[float] | np.ndarray, budget: float, classes: np.ndarray | None = None) -> Rejection:
    """The rejection of rows of one class, or of two."""
    left = LeftOutScores(np.zeros((len(strangeness), 2)), np.asarray(strangeness, float))
    return fit_rejection(left, np.zeros(len(strangeness), np.int64) if classes is None else classes, budget)


def asked(strangeness: list[float] | np.ndarray, nearest: int = 0) -> Answer:
    """Questions nearest to one of two classes."""
    scores = np.zeros((len(strangeness), 2))
    scores[:, nearest] = 1
    return Answer(scores, np.asarray(strangeness, float))


def test_conformal_p_values_are_the_rank_among_the_rows() -> None:
    rejection = fitted(np.arange(99.0), 0.05)
    assert rejection.rule == "conformal"
    np.testing.assert_allclose(rejection.p_values(asked([-1.0, 94.0, 94.5, 98.0, 99.0])), [1, 0.06, 0.05, 0.02, 0.01])


def test_with_too_few_rows_for_the_budget_the_student_tail_is_used() -> None:
    rejection = fitted([1.0, 2.0, 3.0, 4.0], 0.05)
    assert rejection.rule == "student-t"
    p_values = rejection.p_values(asked([2.5, 40.0]))
    assert p_values[0] == pytest.approx(0.5)
    assert p_values[1] < 0.05


def test_the_student_tail_is_that_of_the_strange_half() -> None:
    """By hand: each row less its class's mean without it is ±0.6, ±1.8; above their median 0 they spread by √1.8."""
    t = (4.5 - 2.5) / np.sqrt(1.8 * (1 + 1 / 4))
    tail = (1 - t / np.sqrt(2 + t**2)) / 2  # of two degrees of freedom
    assert fitted([1.0, 2.0, 3.0, 4.0], 0.05).p_values(asked([4.5]))[0] == pytest.approx(tail)


@pytest.mark.parametrize("rows", [[], [1.0], [2.0, 2.0, 2.0], [np.nan, np.nan, 1.0]])
def test_without_a_spread_nothing_can_be_refused(rows: list[float]) -> None:
    rejection = fitted(rows, 0.05)
    assert rejection.rule == "none"
    assert np.isnan(rejection.p_values(asked([1e9]))).all()


def test_a_budget_of_zero_refuses_nothing() -> None:
    assert fitted(np.arange(50.0), 0).rule == "none"


@pytest.mark.parametrize(("n", "budget"), [(30, 0.05), (99, 0.05), (10, 0.05), (40, 0.01)])
def test_known_parts_are_refused_at_about_the_budget(n: int, budget: float) -> None:
    rng = np.random.default_rng(1)
    refused = [
        fitted(rng.standard_normal(n), budget).p_values(asked(rng.standard_normal(200))) <= budget for _ in range(300)
    ]
    assert abs(float(np.mean(refused)) - budget) < 0.4 * budget + 0.003


def test_a_wide_class_is_not_refused_for_the_sake_of_a_narrow_one() -> None:
    """Rows of class 1 look stranger by 8, so a score of 9 is usual near it and out of the question near class 0."""
    rng = np.random.default_rng(5)
    classes = np.repeat([0, 1], 40)
    rejection = fitted(rng.standard_normal(80) + 8 * classes, 0.05, classes)
    assert rejection.p_values(asked([9.0], nearest=1))[0] > 0.05
    assert rejection.p_values(asked([9.0], nearest=0))[0] <= 0.05


def test_a_class_known_from_few_images_is_refused_at_the_budget_too() -> None:
    """Its parts look strange more by chance: twice as far from what is usual, beside classes of many images."""
    rng, refused = np.random.default_rng(8), []
    classes = np.repeat([0, 1, 2, 3], [40, 40, 40, 5])
    for _ in range(60):
        left = LeftOutScores(np.zeros((125, 4)), rng.standard_normal(125) * np.where(classes == 3, 2.0, 1.0))
        scores = np.tile([0.0, 0.0, 0.0, 1.0], (200, 1))
        asked = Answer(scores, 2 * rng.standard_normal(200))
        refused.append(fit_rejection(left, classes, 0.05).p_values(asked) <= 0.05)
    assert np.mean(refused) < 0.12  # 0.21 if spreads were taken as equal


@pytest.mark.parametrize("many", [1.0, 0.1])
def test_spreads_lie_on_the_line_through_the_squares_and_never_far_below_it(many: float) -> None:
    classes, counts = np.repeat([0, 1, 2], [40, 20, 5]), np.array([40, 20, 5])
    strangeness = np.random.default_rng(4).standard_normal(65) * np.where(classes == 2, 3.0, many)
    usual = [(np.delete(strangeness, i)[np.delete(classes, i) == classes[i]]) for i in range(65)]
    prior = 2 * strangeness.mean()
    squares = np.array([(s - (u.sum() + prior) / (len(u) + 2)) ** 2 for s, u in zip(strangeness, usual, strict=True)])
    error = 1 / (counts - 1)
    slope, level = np.polyfit(error[classes], squares, 1)
    assert bool(level < squares.mean() / 4) is (many == 0.1)
    expected = np.sqrt((max(level, squares.mean() / 4) + slope * error) / squares.mean())
    rejection = fit_rejection(LeftOutScores(np.zeros((65, 3)), strangeness), classes, 0.05)
    np.testing.assert_allclose(rejection.spreads, expected)


def test_two_classes_of_many_images_say_nothing_of_four_of_one() -> None:
    classes = np.repeat([0, 1, 2, 3, 4, 5], [10, 10, 1, 1, 1, 1])
    strangeness = np.where(classes < 2, np.random.default_rng(3).standard_normal(24), np.nan)
    assert fit_rejection(LeftOutScores(np.zeros((24, 6)), strangeness), classes, 0.05).rule == "none"
    assert fit_rejection(LeftOutScores(np.zeros((22, 6)), strangeness[:22]), classes[:22], 0.05).rule == "conformal"


def test_classes_of_as_many_images_share_one_spread() -> None:
    rng = np.random.default_rng(9)
    classes = np.repeat([0, 1], 20)
    rejection = fit_rejection(
        LeftOutScores(np.zeros((40, 2)), rng.standard_normal(40) * (1 + 3 * classes)), classes, 0.05
    )
    assert rejection.spreads.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("apart", [0.0, 8.0])
def test_the_budget_is_not_overrun_when_classes_differ(apart: float) -> None:
    rng = np.random.default_rng(6)
    classes, refused = np.repeat([0, 1], [30, 5]), []
    for _ in range(300):
        rejection = fitted(rng.standard_normal(35) + apart * classes, 0.05, classes)
        refused.append(rejection.p_values(asked(rng.standard_normal(100))) <= 0.05)
    assert float(np.mean(refused)) < 0.07


def scores_of_right_answers(share: float, sharpness: float, n: int = 400) -> tuple[LeftOutScores, np.ndarray]:
    rng = np.random.default_rng(2)
    classes = rng.integers(0, 2, n)
    says = np.where(rng.random(n) < share, classes, 1 - classes)
    scores = np.zeros((n, 2))
    scores[np.arange(n), says] = sharpness
    return LeftOutScores(scores, np.zeros(n)), classes


@pytest.mark.parametrize("sharpness", [0.1, 3.0, 500.0])
def test_the_temperature_makes_probability_agree_with_accuracy(sharpness: float) -> None:
    left, classes = scores_of_right_answers(0.8, sharpness)
    temperature = fit_temperature(left, classes, 1.0)
    assert 1 / (1 + np.exp(-sharpness / temperature)) == pytest.approx(0.8, abs=0.03)


def test_answers_that_are_all_right_are_not_taken_for_certain() -> None:
    left, classes = scores_of_right_answers(1.0, 10.0, n=18)
    temperature = fit_temperature(left, classes, 1.0)
    assert 1 / (1 + np.exp(-10.0 / temperature)) == pytest.approx(1 - 0.25 / 18.5, abs=0.005)


def test_where_nothing_can_be_judged_the_default_temperature_stands() -> None:
    scores = np.full((3, 2), -np.inf)
    assert fit_temperature(LeftOutScores(scores, np.full(3, np.nan)), np.array([0, 1, 0]), 0.7) == 0.7

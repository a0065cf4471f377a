"""The few tail probabilities that a decision and a report need, without scipy, which a device need not carry.

- `student_t_upper_tail`: how strange a score is against few rows.
- `clopper_pearson`: the exact interval of a rate.
- `betainc`: the regularised incomplete beta function that both of them are.
"""

from __future__ import annotations

import math
from functools import lru_cache


def betainc(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b), 0 to 1.

    The continued fraction of DLMF 8.17.22 (https://dlmf.nist.gov/8.17.E22; Press et al., Numerical Recipes, 6.4), on
    the side of the mean where it converges fast; the other side is I_x(a, b) = 1 - I_(1-x)(b, a).

    Raises:
        ValueError: `a` or `b` is not positive, or `x` lies outside 0 to 1.
    """
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        raise ValueError(f"betainc needs a > 0, b > 0 and 0 <= x <= 1; got a = {a}, b = {b}, x = {x}")
    return _betainc(a, b, x, 1.0 - x)


def student_t_upper_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t with `df` degrees of freedom; relative accuracy 1e-10 far into the tail.

    NaN gives NaN, infinity gives 0.

    Raises:
        ValueError: `df` is not a positive, finite number.
    """
    if not 0 < df < math.inf:
        raise ValueError(f"Student's t needs a positive, finite number of degrees of freedom; got {df}")
    if math.isnan(t):
        return math.nan
    half = 0.5 * _betainc(0.5 * df, 0.5, *_shares(abs(t), df))
    return half if t >= 0 else 1.0 - half


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a binomial share (Clopper & Pearson 1934, Biometrika 26).

    Each bound leaves at most (1 - confidence) / 2 on its side. No trial says nothing: (0, 1).

    Raises:
        ValueError: not 0 <= successes <= trials, or the confidence is not between 0 and 1.
    """
    if not (0 <= successes <= trials and 0 < confidence < 1):
        raise ValueError(f"expected 0 <= successes <= trials; got {successes} of {trials} at confidence {confidence}")
    tail = 0.5 * (1.0 - confidence)
    return _lower_bound(successes, trials, tail), 1.0 - _lower_bound(trials - successes, trials, tail)


def _lower_bound(successes: int, trials: int, tail: float) -> float:
    """The share p at which `successes` or more of `trials` have probability `tail`, by bisection."""
    if successes == 0:
        return 0.0
    low, high = 0.0, successes / trials
    while low < (middle := 0.5 * (low + high)) < high and high - low > 1e-15 * high:
        if betainc(successes, trials - successes + 1, middle) < tail:
            low = middle
        else:
            high = middle
    return middle


def _shares(t: float, df: float) -> tuple[float, float]:
    """The share df / (df + t²) and its complement, neither by a subtraction, which would lose digits."""
    if math.isinf(t):
        return 0.0, 1.0
    ratio = t / math.sqrt(df)  # squaring t itself could overflow for no reason
    scale = math.hypot(1.0, ratio)
    return (1.0 / scale) ** 2, (ratio / scale) ** 2


def _betainc(a: float, b: float, x: float, complement: float) -> float:
    """I_x(a, b) from x and 1 - x, both given so that neither loses digits."""
    if x == 0.0 or complement == 0.0:
        return 0.0 if x == 0.0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _betainc(b, a, complement, x)
    fraction = 1.0
    for coefficient in _coefficients(a, b):
        fraction = 1.0 + coefficient * x / fraction
    return math.exp(a * math.log(x) + b * math.log(complement) - _log_a_beta(a, b)) / fraction


@lru_cache(maxsize=16)
def _coefficients(a: float, b: float) -> tuple[float, ...]:
    """d_k / x of DLMF 8.17.23, last first; a gallery asks for the same ones at every decision.

    Evaluating the fraction from its end needs no guard against a zero denominator (Lentz's method has one in each
    step). The price is that the number of terms is fixed beforehand: it grows with the root of the larger parameter,
    and the tests hold it against scipy.
    """
    found = []
    for m in range(_terms(a, b) // 2, -1, -1):
        found.append(-(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1)))  # d_(2m+1)
        if m:  # there is no d_0
            found.append(m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m)))  # d_(2m)
    return tuple(found)


def _terms(a: float, b: float) -> int:
    return 24 + int(2.5 * math.sqrt(max(a, b)))


def _log_a_beta(a: float, b: float) -> float:
    """log(a B(a, b))."""
    return math.lgamma(a + 1) + math.lgamma(b) - math.lgamma(a + b)

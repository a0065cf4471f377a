"""Classifiers of scikit-learn that can be trained on an embedding, each with the settings that are tried.

Adding one is a function here and a line in `TRAINED_HEADS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

TREES = 200  # of a forest

Make = Callable[[int], Any]  # from a seed to an unfitted classifier


class Setting(NamedTuple):
    """One choice of hyper-parameters."""

    name: str
    make: Make


def _svms() -> tuple[Setting, ...]:
    """One class against the rest, linear: with more numbers than images a kernel has nothing to add."""
    from sklearn.svm import LinearSVC

    def svm(cost: float) -> Make:
        return lambda seed: LinearSVC(C=cost, class_weight="balanced", random_state=seed, max_iter=5000)

    plain = [Setting(f"C {cost:g}", svm(cost)) for cost in (1.0, 0.1, 10.0)]
    return (*plain, *(Setting(f"C {cost:g}, standardised", _standardised(svm(cost))) for cost in (0.001, 0.01)))


def _logistics() -> tuple[Setting, ...]:
    from sklearn.linear_model import LogisticRegression

    def logistic(cost: float) -> Make:
        return lambda seed: LogisticRegression(C=cost, class_weight="balanced", random_state=seed, max_iter=2000)

    plain = [Setting(f"C {cost:g}", logistic(cost)) for cost in (100.0, 1.0, 10.0, 1000.0)]
    return (*plain, *(Setting(f"C {cost:g}, standardised", _standardised(logistic(cost))) for cost in (0.001, 0.01)))


def _forests() -> tuple[Setting, ...]:
    from sklearn.ensemble import RandomForestClassifier

    def forest(features: str | float, leaf: int) -> Make:
        return lambda seed: RandomForestClassifier(
            TREES, max_features=features, min_samples_leaf=leaf, class_weight="balanced", random_state=seed
        )

    return (
        Setting(f"{TREES} trees", forest("sqrt", 1)),
        Setting(f"{TREES} trees, leaves of 4", forest("sqrt", 4)),
        Setting(f"{TREES} trees, a tenth of the numbers at each split", forest(0.1, 1)),
    )


def _standardised(make: Make) -> Make:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return lambda seed: make_pipeline(StandardScaler(), make(seed))


TRAINED_HEADS: dict[str, Callable[[], tuple[Setting, ...]]] = {  # the first setting where none can be chosen
    "svm": _svms,
    "random-forest": _forests,
    "logistic": _logistics,
}

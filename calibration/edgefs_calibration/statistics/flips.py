"""Whether one model is worse than another, by answers of both to the same questions.

What both get right or both get wrong tells nothing; the flips do. The bound is that of Tango 1998 (Statistics in
Medicine 17, 891-908): the largest difference that a score test does not reject. It holds with few flips and with none,
where the bound by a normal distribution would be zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z = 1.6448536269514722  # of a one-sided 95 % bound
_STEPS = 60  # of bisection


@dataclass(frozen=True)
class Flips:
    """Answers of a model beside those of a reference.

    Attributes:
        decisions: how many questions both answered.
        images: distinct images among them.
        reference: share that the reference got right, 0 to 1.
        found: share that the model got right.
        lost: right by the reference, wrong by the model.
        won: the other way round.
        effect: by how much the variance of the difference grows because one image is asked about several times
            (Kish's design effect), 1 where it doesn't.
    """

    decisions: int
    images: int
    reference: float
    found: float
    lost: int
    won: int
    effect: float

    @classmethod
    def of(cls, reference: NDArray[np.bool_], found: NDArray[np.bool_], images: Sequence[str]) -> Flips:
        """Count the flips between `[n]` answers, right or not, and what was found, with the image that each is about.

        Raises:
            ValueError: no answers, or not equally many.
        """
        if not len(reference) or not len(reference) == len(found) == len(images):
            raise ValueError(f"expected equally many answers; got {len(reference)}, {len(found)} and {len(images)}")
        names, of_image = np.unique(np.asarray(images), return_inverse=True)
        difference = reference.astype(np.float64) - found
        return cls(
            decisions=len(reference),
            images=len(names),
            reference=float(reference.mean()),
            found=float(found.mean()),
            lost=int((reference & ~found).sum()),
            won=int((found & ~reference).sum()),
            effect=_design_effect(difference, of_image, len(names)),
        )

    @property
    def drop(self) -> float:
        """Share lost less share won, -1 to 1; positive where the model is worse."""
        return (self.lost - self.won) / self.decisions

    @property
    def bound(self) -> float:
        """One-sided 95 % upper bound of the drop."""
        lost, won, n = (value / self.effect for value in (self.lost, self.won, self.decisions))
        low, high = self.drop, 1.0
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            if _score(lost, won, n, middle) > -_Z:
                low = middle
            else:
                high = middle
        return high

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "drop": self.drop, "bound": self.bound}


def _score(lost: float, won: float, n: float, drop: float) -> float:
    """Tango's statistic of the hypothesis that the true drop is `drop`; standard normal where it is."""
    linear = -lost - won + (2 * n - lost + won) * drop
    constant = -won * drop * (1 - drop)
    won_if = (np.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)  # share won, most likely then
    variance = n * (2 * won_if + drop * (1 - drop))
    return float((lost - won - n * drop) / np.sqrt(variance)) if variance > 0 else 0.0


def _design_effect(difference: NDArray[np.float64], of_image: NDArray[np.int64], images: int) -> float:
    n, around = len(difference), difference - difference.mean()
    alone = float((around**2).sum())
    if images < 2 or not alone:
        return 1.0
    together = float((np.bincount(of_image, around, images) ** 2).sum()) * images / (images - 1)
    return max(1.0, together / alone * (n - 1) / n)

"""What every range estimator offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class RangeEstimator(Protocol):
    """Sees the maps of all images, a few at a time, and keeps none of them."""

    def see(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Maps `[n,C,H,W]` of some images, by name."""
        ...

    def ranges(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest) of each map seen, by name."""
        ...

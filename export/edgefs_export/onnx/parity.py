"""Whether onnxruntime computes what torch computed, on real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.bundle.golden import relative_difference
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.decision.judge import SAFE_MARGIN

TOLERANCE = 1e-4  # relative difference of an fp32 embedding


@dataclass(frozen=True)
class Parity:
    """How far two embedders agree.

    Attributes:
        images: how many were compared.
        worst: largest relative difference of an embedding.
        flips: images whose nearest class differs.
        clear_flips: those among them that were not a tie.
    """

    images: int
    worst: float
    flips: int
    clear_flips: int

    @classmethod
    def of(
        cls,
        expected: NDArray[np.float32],
        found: NDArray[np.float32],
        expected_decisions: Sequence[Decision],
        found_decisions: Sequence[Decision],
        safe_margin: float = SAFE_MARGIN,
    ) -> Parity:
        """Compare embeddings `[N,D]` and the decisions that follow from them, by heads with the same `safe_margin`."""
        pairs = list(zip(expected_decisions, found_decisions, strict=True))
        flips = [a for a, b in pairs if a.nearest != b.nearest]
        return cls(
            images=len(found),
            worst=float(relative_difference(found, expected).max()) if len(found) else 0.0,
            flips=len(flips),
            clear_flips=sum((decision.margin or 0.0) > safe_margin for decision in flips),
        )

    def check(self) -> None:
        """Refuse an export that computes something else.

        Raises:
            ExportError: an embedding differs by more than `TOLERANCE`, or a clear decision is another one.
        """
        if not self.worst <= TOLERANCE:
            raise ExportError(
                f"onnxruntime computes something else than torch: embeddings of {self.images} images differ by up to "
                f"{self.worst:.1e} (at most {TOLERANCE:.0e}); nothing was written"
            )
        if self.clear_flips:
            raise ExportError(
                f"onnxruntime decides otherwise than torch on {self.clear_flips} of {self.images} images; "
                "nothing was written"
            )

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(vars(self))

"""Which class was taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgefs_calibration.statistics.rates import is_refused
from edgefs_runtime.decision.decision import Decision


@dataclass(frozen=True)
class Confusion:
    """Counts of what was shown (rows) and what was answered (columns); every image stands in exactly one cell.

    Attributes:
        rows: true classes: those the gallery knows, sorted, then the strangers, sorted.
        labels: the C classes that can be answered.
        counts: one row for each of `rows`: C counts for `labels`, then refused as unknown, then no decision.
    """

    rows: tuple[str, ...]
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls, truths: Sequence[str], decisions: Sequence[Decision], labels: Sequence[str], strangers: Sequence[str]
    ) -> Confusion:
        """Count the decisions; `labels` are the classes of the gallery, `strangers` the other true classes."""
        rows = (*sorted(labels), *sorted(strangers))
        cells = Counter(zip(truths, map(_answer, decisions), strict=True))
        answers = [*((True, label) for label in sorted(labels)), _REFUSED, _UNJUDGED]
        return cls(
            rows=rows,
            labels=tuple(sorted(labels)),
            counts=tuple(tuple(cells[row, answer] for answer in answers) for row in rows),
        )

    def worst_pairs(self, limit: int) -> list[tuple[str, str, int]]:
        """The most frequent (true class, answered class, images) off the diagonal, largest first."""
        pairs = [
            (row, label, count)
            for row, counts in zip(self.rows, self.counts, strict=True)
            for label, count in zip(self.labels, counts, strict=False)  # the last two columns are no classes
            if count and label != row
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:limit]

    def to_json(self) -> dict[str, Any]:
        """Rows, columns and counts as plain JSON values."""
        return {
            "rows": list(self.rows),
            "columns": [*self.labels, "unknown", "no decision"],
            "counts": [list(counts) for counts in self.counts],
        }


# A class may be called "no decision"; a pair with False can't be mistaken for one.
_REFUSED = (False, "unknown")
_UNJUDGED = (False, "no decision")


def _answer(decision: Decision) -> tuple[bool, str]:
    if is_refused(decision):
        return _REFUSED
    return _UNJUDGED if decision.label is None else (True, decision.label)

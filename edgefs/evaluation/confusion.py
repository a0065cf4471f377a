"""Which class was taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgefs_calibration.statistics.rates import is_refused
from edgefs_runtime.decision.decision import Decision

WIDEST_MATRIX = 500  # classes; beyond, nearly all of what is written would be zeros, which grow with their square


@dataclass(frozen=True)
class Confusion:
    """Counts of what was shown (rows) and what was answered (columns); every image stands in exactly one cell.

    Attributes:
        rows: true classes: those the gallery knows, sorted, then the strangers, sorted.
        labels: the C classes that can be answered.
        cells: images of (row, column), where there are any: columns are C of `labels`, then refused as unknown, then
            no decision. Sorted: of 2,000 classes all but a thousandth of the cells are empty.
    """

    rows: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(
        cls, truths: Sequence[str], decisions: Sequence[Decision], labels: Sequence[str], strangers: Sequence[str]
    ) -> Confusion:
        """Count the decisions; `labels` are the classes of the gallery, `strangers` the other true classes."""
        rows = (*sorted(labels), *sorted(strangers))
        row_of = {label: number for number, label in enumerate(rows)}
        answers = [*((True, label) for label in sorted(labels)), _REFUSED, _UNJUDGED]
        column_of = {answer: number for number, answer in enumerate(answers)}
        places = Counter(
            (row_of[truth], column_of[_answer(decision)]) for truth, decision in zip(truths, decisions, strict=True)
        )
        return cls(
            rows=rows,
            labels=tuple(sorted(labels)),
            cells=tuple((row, column, images) for (row, column), images in sorted(places.items())),
        )

    @property
    def counts(self) -> tuple[tuple[int, ...], ...]:
        """One row for each of `rows`, with all its columns."""
        full = [[0] * (len(self.labels) + 2) for _ in self.rows]
        for row, column, images in self.cells:
            full[row][column] = images
        return tuple(map(tuple, full))

    def worst_pairs(self, limit: int) -> list[tuple[str, str, int]]:
        """The most frequent (true class, answered class, images) off the diagonal, largest first."""
        pairs = [
            (self.rows[row], self.labels[column], images)
            for row, column, images in self.cells
            if column < len(self.labels) and self.rows[row] != self.labels[column]
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:limit]

    def to_json(self) -> dict[str, Any]:
        """Rows, columns and counts as plain JSON values; of more than 500 classes the cells that hold an image."""
        counts = (
            {"counts": [list(counts) for counts in self.counts]}
            if len(self.labels) <= WIDEST_MATRIX
            else {"cells": [list(cell) for cell in self.cells]}
        )
        return {"rows": list(self.rows), "columns": [*self.labels, "unknown", "no decision"], **counts}


# A class may be called "no decision"; a pair with False can't be mistaken for one.
_REFUSED = (False, "unknown")
_UNJUDGED = (False, "no decision")


def _answer(decision: Decision) -> tuple[bool, str]:
    if is_refused(decision):
        return _REFUSED
    return _UNJUDGED if decision.label is None else (True, decision.label)

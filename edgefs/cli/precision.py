"""What `edgefs export` tells of the precisions that it tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefs.pipelines.export.precision import Deployed, Trial


def told(deployed: Deployed) -> Iterator[str]:
    """What was tried and taken, line by line; nothing where float32 was asked for."""
    yield from trial_table(deployed.trials)
    yield from deployed.notes
    chosen = deployed.chosen
    if chosen is not None and chosen.is_slow:
        yield f"It is not faster than float32 on this machine ({chosen.speed:.2f} x); --precision auto takes what is."


def trial_table(trials: Sequence[Trial]) -> list[str]:
    """Every precision that was tried, a line each; empty where none was."""
    if not trials:
        return []
    from edgefs.evaluation.columns import in_columns

    head = ["", "accuracy", "may lose", "AUROC of unknowns", "may lose", "noise", "speed here", "MB", "gate"]
    return in_columns([head, *map(_row, trials)], "l" * len(head)).splitlines()


def _row(trial: Trial) -> list[str]:
    from edgefs.pipelines.export.precision.trials import may_lose

    right, unknowns = trial.gate.right, trial.gate.unknowns
    areas = ["not measured", ""]
    if unknowns is not None:
        areas = [f"{100 * unknowns.reference:.1f} -> {100 * unknowns.found:.1f}", may_lose(unknowns)]
    return [
        trial.name,
        f"{100 * right.reference:.1f} -> {100 * right.found:.1f} %",
        may_lose(right),
        *areas,
        f"{trial.sqnr:.1f} dB",
        f"{trial.speed:.2f} x" if trial.speed else "other machine",
        f"{trial.size / 1e6:.1f}",
        "passes" if trial.gate.passes else "fails",
    ]

"""The parts of the torture, with how often each is tried in the suite and in `make faults`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faults.kills import kills
from faults.power_cuts import power_cuts
from faults.table import Row


@dataclass(frozen=True)
class Part:
    """A function of a count and a seed; `small` for the suite, `whole` for `make faults`."""

    run: Callable[[int, int], list[Row]]
    small: int
    whole: int


PARTS = {
    "power_cuts": Part(power_cuts, 150, 2600),
    "kills": Part(kills, 60, 520),
}

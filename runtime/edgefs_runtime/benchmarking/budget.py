"""How long is measured: so many seconds, or so many frames."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Time or frames that each bundle gets for each thing that is measured of it.

    Attributes:
        seconds: measured for so long where `frames` is None.
        frames: decided about, however long that takes; None lets the time decide.
    """

    seconds: float
    frames: int | None = None

    def part(self, share: float) -> Budget:
        """Budget of one of several things that share the time; each of them takes as many frames."""
        return Budget(self.seconds * share, self.frames)

    def start(self, bundles: int = 1) -> Clock:
        """Begin to measure several bundles in turns."""
        return Clock(time.perf_counter() + bundles * self.seconds, self.frames)


@dataclass(frozen=True)
class Clock:
    """When to stop: at a time (`time.perf_counter`), or after so many frames."""

    end: float
    frames: int | None

    def left(self, done: int) -> int | None:
        """Frames that are still to come after so many; None where the time decides."""
        return None if self.frames is None else max(0, self.frames - done)

    def is_over(self, done: int) -> bool:
        """Whether so many frames of a bundle were enough; one always is measured."""
        if self.frames is not None:
            return done >= self.frames
        return done > 0 and time.perf_counter() >= self.end

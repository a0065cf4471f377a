"""Whether bundles are fast enough, for a CI that must stop one that is not."""

from __future__ import annotations

from dataclasses import dataclass

from edgefs_runtime.benchmarking.measuring import BenchFigures, Benchmark
from edgefs_runtime.benchmarking.percentiles import samples_needed


@dataclass(frozen=True)
class Limits:
    """What each bundle must keep, end to end with a frame in memory and nothing else going on.

    Attributes:
        p99: milliseconds.
        misses: share of frames that may miss the plan's deadline, 0 to 1.
    """

    p99: float | None = None
    misses: float | None = None

    def failures(self, benchmark: Benchmark) -> list[str]:
        """One sentence for each limit that a bundle does not keep."""
        return [sentence for bundle in benchmark.bundles for sentence in self._of(bundle, benchmark.plan.deadline)]

    def _of(self, bundle: BenchFigures, deadline: float | None) -> list[str]:
        found = []
        spread = bundle.stages["end_to_end"]
        p99 = spread.percentiles[99.0]
        if self.p99 is not None and p99 is None:
            found.append(
                f"{bundle.path}: its 99th percentile can't be told from {spread.samples} frames, "
                f"{samples_needed(99.0)} are needed: raise --seconds or --frames"
            )
        elif self.p99 is not None and p99 is not None and p99 > self.p99:
            found.append(f"{bundle.path}: its 99th percentile is {p99:.2f} ms, at most {self.p99:g} is allowed")
        late = bundle.misses.get("alone")
        if self.misses is not None and late is not None and late.share > self.misses:
            found.append(
                f"{bundle.path}: {late.frames} of {late.samples} frames missed the deadline of {deadline:g} ms "
                f"({late.share:.2%}), at most {self.misses:.2%} is allowed"
            )
        return found

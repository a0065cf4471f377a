"""What came out for challenge parts, and what a change would spoil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.base.wording import noun_of
from edgefs_runtime.challenge.parts import ChallengePart
from edgefs_runtime.decision.decision import Verdict

_NAMED = 3  # parts in a message


@dataclass(frozen=True)
class Result:
    """What one part got.

    Attributes:
        part: the part, with what is expected of it.
        verdict: what it got; NO_DECISION never passes.
        label: the class that was answered; None without one.
        reason: why there was no decision or why the part was refused; empty otherwise.
    """

    part: ChallengePart
    verdict: Verdict
    label: str | None
    reason: str

    @property
    def passes(self) -> bool:
        """Whether it got the expected verdict and, where one is asked for, the class."""
        label = self.part.label
        answered = not label or normal_label(self.label or "") == normal_label(label)
        return self.verdict == self.part.expected and answered

    @property
    def got(self) -> str:
        """What it got, in words: `OK (good)`, `NG (unknown)`, `NO_DECISION (black frame)`."""
        return f"{self.verdict} ({self.reason if self.verdict == 'NO_DECISION' else self.label or 'unknown'})"

    @property
    def would_fail(self) -> str:
        """A sentence for a part that a change would spoil."""
        return f"{self.part.name} ({self.part.id}) must get {self.part.wanted} and would get {self.got}"

    def to_json(self) -> dict[str, Any]:
        """The part and what it got as plain JSON values."""
        part = self.part
        return {
            "id": part.id,
            "name": part.name,
            "expected": part.expected,
            "expected_label": part.label or None,
            "verdict": self.verdict,
            "label": self.label,
            "reason": self.reason,
            "passes": self.passes,
        }


def regressions(before: Sequence[Result], after: Sequence[Result]) -> tuple[Result, ...]:
    """Results of parts, judged twice, that passed before and fail after."""
    return tuple(new for old, new in zip(before, after, strict=True) if old.passes and not new.passes)


def first_of(spoiled: Sequence[Result]) -> str:
    """The first parts that a change would spoil, and how many more there are, in one line."""
    more = f"; and {len(spoiled) - _NAMED} more" if len(spoiled) > _NAMED else ""
    sentences = "; ".join(result.would_fail for result in spoiled[:_NAMED])
    return f"{noun_of(len(spoiled), 'challenge part')} {sentences}{more}"

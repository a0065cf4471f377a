"""The rates an inspection line lives by: overkill and escapes first, each with its exact interval.

    rates = measure_rates(decisions, truths)
    print(rates.overkill)         # 1.2 % (3 of 250; 0.2 to 3.5 %)

A part that got no decision was neither passed nor sorted out by the model, so it is left out of overkill, escapes,
rechecks, refusals and catches: counting it would flatter them. It has a rate of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from edgefs_runtime.base.stats import clopper_pearson
from edgefs_runtime.decision.decision import Decision, Disposition

_SEVERITY = ("NG", "RECHECK", "OK", "NO_DECISION")


@dataclass(frozen=True)
class Rate:
    """`events` among `trials`."""

    events: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.trials:
            raise ValueError(f"a rate needs 0 <= events <= trials; got {self.events} of {self.trials}")

    @property
    def value(self) -> float:
        """Share of the trials, 0 to 1; NaN without any trial."""
        return self.events / self.trials if self.trials else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper–Pearson interval of 95 % confidence; (0, 1) without any trial."""
        return _interval(self.events, self.trials)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `value` is None without any trial."""
        low, high = self.interval
        return {
            "value": self.value if self.trials else None,
            "events": self.events,
            "trials": self.trials,
            "low": low,
            "high": high,
        }

    def __str__(self) -> str:
        if not self.trials:
            return "not measured (0 of 0)"
        low, high = self.interval
        return f"{percent(self.value)} ({self.events} of {self.trials}; {percent(low, '')} to {percent(high)})"


@dataclass(frozen=True)
class Truth:
    """What one image really shows.

    Attributes:
        label: its class.
        disposition: what the line should do with the part.
        known: whether the gallery that decided holds the class.
    """

    label: str
    disposition: Disposition
    known: bool


@dataclass(frozen=True)
class Rates:
    """What a set of decisions amounts to on the line.

    Attributes:
        overkill: ok parts judged NG, of all ok parts, whether their class is known or not.
        escapes: defective parts judged OK, of all defective parts, whether their class is known or not.
        recheck: parts sent to RECHECK, neither overkill nor escape.
        refused: parts of a known class refused as unknown.
        caught: parts of a class nobody taught refused as unknown; no trial where the set has no such class.
        unjudged: parts that got NO_DECISION, of all.
    """

    overkill: Rate
    escapes: Rate
    recheck: Rate
    refused: Rate
    caught: Rate
    unjudged: Rate

    @property
    def sensitivity(self) -> Rate:
        """Share of defective parts that are not judged OK: what escapes leave."""
        return _others(self.escapes)

    @property
    def specificity(self) -> Rate:
        """Share of ok parts that are not judged NG: what overkill leaves."""
        return _others(self.overkill)

    def to_json(self) -> dict[str, Any]:
        """Each rate by its name."""
        named = {**vars(self), "sensitivity": self.sensitivity, "specificity": self.specificity}
        return {name: rate.to_json() for name, rate in named.items()}


def by_part(
    decisions: Sequence[Decision], truths: Sequence[Truth], parts: Sequence[str]
) -> tuple[list[Decision], list[Truth]]:
    """One decision and one truth for each part (patient, lot) that several images may show.

    The images of one part are not independent, and it is the part that is sorted out.

    A part is judged as the worst of its images: NG before RECHECK before OK; without any judged image, not at all. It
    is defective when any of its images shows a defect, and known when the gallery holds all of its classes.

    Args:
        decisions: N decisions.
        truths: N truths.
        parts: N names of parts; an empty name is a part of its own.
    """
    members: dict[tuple[str, int], list[int]] = {}
    for position, name in enumerate(parts):
        members.setdefault((name, -1 if name else position), []).append(position)
    worst = [min(own, key=lambda position: _SEVERITY.index(decisions[position].verdict)) for own in members.values()]
    shown = [
        min((truths[position] for position in own), key=lambda truth: (truth.disposition == "ok", truth.known))
        for own in members.values()
    ]
    return [decisions[position] for position in worst], shown


def measure_rates(decisions: Sequence[Decision], truths: Sequence[Truth]) -> Rates:
    """Count what the line would have done, against what it should have done.

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = list(zip(decisions, truths, strict=True))
    judged = [(decision, truth) for decision, truth in pairs if decision.verdict != "NO_DECISION"]

    def rate(among: Callable[[Truth], bool], event: Callable[[Decision], bool]) -> Rate:
        trials = [decision for decision, truth in judged if among(truth)]
        return Rate(sum(map(event, trials)), len(trials))

    return Rates(
        overkill=rate(lambda truth: truth.disposition == "ok", lambda decision: decision.verdict == "NG"),
        escapes=rate(lambda truth: truth.disposition == "defect", lambda decision: decision.verdict == "OK"),
        recheck=rate(lambda _: True, lambda decision: decision.verdict == "RECHECK"),
        refused=rate(lambda truth: truth.known, is_refused),
        caught=rate(lambda truth: not truth.known, is_refused),
        unjudged=Rate(len(pairs) - len(judged), len(pairs)),
    )


@lru_cache(maxsize=4096)
def _interval(events: int, trials: int) -> tuple[float, float]:
    """The interval of a rate; thousands of classes have as many images, and so the same few rates."""
    return clopper_pearson(events, trials)


def _others(rate: Rate) -> Rate:
    return Rate(rate.trials - rate.events, rate.trials)


def is_refused(decision: Decision) -> bool:
    """Whether the image was judged, and no class of the gallery was found to fit."""
    return decision.label is None and decision.verdict != "NO_DECISION"


def percent(share: float, unit: str = " %") -> str:
    """A share from 0 to 1 as readers want it: `1.2 %`, never a rounded 0 or 100 that is not exact."""
    for decimals in (1, 2, 3):
        text = f"{100 * share:.{decimals}f}"
        if float(text) not in (0.0, 100.0):
            return text + unit
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}{unit}"
    return ("< 0.001" if share < 0.5 else "> 99.999") + unit

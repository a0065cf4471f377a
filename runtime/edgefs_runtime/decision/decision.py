"""What the device says about one image, and the few words it says it in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["OK", "NG", "RECHECK", "NO_DECISION"]
Disposition = Literal["ok", "defect"]

DISPOSITIONS: tuple[Disposition, ...] = ("ok", "defect")
NO_NUMBER = "the network computed NaN or infinity for this image"
OK_LABELS = frozenset({"good", "ok", "normal", "free"})  # taken for good parts unless the user says otherwise


def default_disposition(label: str) -> Disposition:
    """Disposition of a class nobody has described: `ok` for the usual names of a good part, else `defect`."""
    return "ok" if label.strip().lower() in OK_LABELS else "defect"


@dataclass(frozen=True)
class Region:
    """A place on the part: left, top, width and height in pixels of the original frame, with its score."""

    left: int
    top: int
    width: int
    height: int
    score: float


@dataclass(frozen=True)
class Decision:
    """The answer for one image. Making it never changes any state.

    Attributes:
        verdict: what the line acts on.
        label: the class, or None when the image was refused as unknown (or not judged at all).
        nearest: the best class whatever the rejection said; None only without a decision.
        disposition: `ok` or `defect` of `label`; None when there is no label.
        score: the head's score of `nearest` (larger is nearer; its unit belongs to the head).
        probability: calibrated probability of `nearest` among the known classes, 0 to 1.
        p_value: share of the gallery's own rows that look at least as strange, 0 to 1; unknown when below the budget.
        strangeness: how little the image looks like any class; what `p_value` is read from, and the anomaly score of a
            gallery of good parts. Larger is stranger; its unit belongs to the head.
        p_rule: how `p_value` came about: `conformal`, `student-t` (too few rows for the budget) or `none`.
        margin: difference of the two best probabilities, 0 to 1.
        ranking: up to five (label, probability), best first.
        regions: where on the part; empty until pixel maps exist.
        reason: why no decision could be made, or why the image was refused; empty otherwise.
        part_id: the caller's name for the part, if it gave one.
        bundle: digest of the bundle that decided, lower-case hex SHA-256.
        gallery: sequence of the gallery that decided: the number of operations it holds (0 = the seed alone).
        time: when, ISO 8601 in UTC.
        warning: what speaks against trusting the answer, such as values that the bundle's window cuts off; empty, and
            no field of the JSON, as a rule.
    """

    verdict: Verdict
    label: str | None
    nearest: str | None
    disposition: Disposition | None
    score: float | None
    probability: float | None
    p_value: float | None
    strangeness: float | None
    p_rule: str
    margin: float | None
    ranking: tuple[tuple[str, float], ...]
    regions: tuple[Region, ...]
    reason: str
    part_id: str | None
    bundle: str
    gallery: int
    time: str
    warning: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, in the order above."""
        fields = dataclasses.asdict(self)
        fields["ranking"] = [{"label": label, "probability": probability} for label, probability in self.ranking]
        return fields if self.warning else {key: value for key, value in fields.items() if key != "warning"}

"""How a bundle wants its decisions made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edgefs_runtime.base.errors import BundleError

if TYPE_CHECKING:
    from edgefs_runtime.decision.correction import Correction


@dataclass(frozen=True)
class DecisionSettings:
    """How a bundle wants its decisions made.

    Attributes:
        head: kind and settings of the head that is computed from the gallery, `{"kind": "lda", "shrinkage": 0.5}`;
            the default is the one that `adapt` takes where nothing is asked for.
        budget: share of parts of known classes that may be refused as unknown, 0 to 1; 0 refuses nothing.
        unknown: verdict for a part that no class fits.
        overkill: share of ok parts that may be judged NG, whether as unknown or as a defect; None leaves refusing to
            `budget` alone.
        escape_cost: how many overkills one escape costs: a part is judged OK where its probability of being a defect
            is at most 1 / (1 + escape_cost), good parts and defects being equally likely to come; None goes by the
            nearest class.
        correction: what sets right the left-out rows of an embedder that was trained on them; None where it was not.
    """

    head: Mapping[str, Any] = field(default_factory=lambda: {"kind": "blend"})
    budget: float = 0.05
    unknown: Literal["NG", "RECHECK"] = "NG"
    overkill: float | None = None
    escape_cost: float | None = None
    correction: Correction | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.budget < 1:
            raise BundleError(f"decision.budget = {self.budget!r}: expected a share from 0 to below 1")
        if self.unknown not in ("NG", "RECHECK"):
            raise BundleError(f"decision.unknown = {self.unknown!r}: expected NG or RECHECK")
        if self.overkill is not None and not 0 < self.overkill < 1:
            raise BundleError(f"decision.overkill = {self.overkill!r}: expected a share between 0 and 1")
        if self.escape_cost is not None and not 0 < self.escape_cost < float("inf"):
            raise BundleError(f"decision.escape_cost = {self.escape_cost!r}: expected a positive number")

    @classmethod
    def from_json(cls, head: Mapping[str, Any], fields: Mapping[str, Any]) -> DecisionSettings:
        """Read what `to_json` wrote, beside the head's own settings.

        Raises:
            BundleError: a field is out of range.
        """
        numbers = {name: float(fields[name]) for name in ("overkill", "escape_cost") if fields.get(name) is not None}
        correction = None
        if fields.get("crossfit") is not None:
            from edgefs_runtime.decision.correction import Correction  # of an embedder that was trained on its rows

            correction = Correction.from_json(fields["crossfit"])
        return cls(dict(head), float(fields["budget"]), fields["unknown"], correction=correction, **numbers)

    def to_json(self) -> dict[str, Any]:
        """All but the head, as plain JSON values; what is not set is left out."""
        fields = {"budget": self.budget, "unknown": self.unknown}
        correction = None if self.correction is None else self.correction.to_json()
        optional = {"overkill": self.overkill, "escape_cost": self.escape_cost, "crossfit": correction}
        return {**fields, **{name: value for name, value in optional.items() if value is not None}}

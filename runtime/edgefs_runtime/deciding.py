"""From embeddings to decisions: one gallery snapshot with the head, thresholds and temperature that follow from it.

A `Judge` is immutable and shared between threads. The workstation measures with the same class, so tested and deployed
can't differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision import Decision, Verdict
from edgefs_runtime.errors import BundleError
from edgefs_runtime.heads import fit_head
from edgefs_runtime.rejection import fit_rejection, fit_temperature
from edgefs_runtime.snapshot import Snapshot

_RANKED = 5  # classes in a ranking


@dataclass(frozen=True)
class DecisionSettings:
    """How a bundle wants its decisions made.

    Attributes:
        head: kind and settings of the head, `{"kind": "lda", "shrinkage": 0.5}`.
        budget: share of parts of known classes that may be refused as unknown, 0 to 1; 0 refuses nothing.
        unknown: verdict for a part that no class fits.
    """

    head: Mapping[str, Any] = field(default_factory=lambda: {"kind": "lda"})
    budget: float = 0.05
    unknown: Literal["NG", "RECHECK"] = "NG"

    def __post_init__(self) -> None:
        if not 0 <= self.budget < 1:
            raise BundleError(f"decision.budget = {self.budget!r}: expected a share from 0 to below 1")
        if self.unknown not in ("NG", "RECHECK"):
            raise BundleError(f"decision.unknown = {self.unknown!r}: expected NG or RECHECK")


class Judge:
    """Decides by what one snapshot of a gallery holds.

    Args:
        snapshot: the gallery's rows.
        settings: head, budget, verdict for unknowns.
        bundle: digest of the bundle, for provenance.

    Raises:
        BundleError: the head is not known to this runtime.
    """

    def __init__(self, snapshot: Snapshot, settings: DecisionSettings, bundle: str = "") -> None:
        self.snapshot = snapshot
        self.settings = settings
        self._bundle = bundle
        self._head = fit_head(settings.head, snapshot)
        left_out = self._head.left_out()
        self._rejection = fit_rejection(left_out, snapshot.classes, settings.budget)
        self.temperature = fit_temperature(left_out, snapshot.classes, self._head.default_temperature)

    @property
    def p_rule(self) -> str:
        """How p-values come about: `conformal`, `student-t` or `none`."""
        return self._rejection.rule

    def decide(self, vectors: NDArray[np.float32], part_ids: Sequence[str | None] | None = None) -> list[Decision]:
        """One decision for each row of `[N,D]`."""
        answer = self._head.answer(vectors)
        scores, p_values = answer.scores, self._rejection.p_values(answer)
        strangeness = self._rejection.strangeness(answer)
        probabilities = _softmax(scores / self.temperature)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :_RANKED]
        time = _now()
        ids = part_ids or [None] * len(vectors)
        return [
            self._decision(
                scores[row],
                probabilities[row],
                (float(p_values[row]), float(strangeness[row])),
                order[row].tolist(),
                ids[row],
                time,
            )
            for row in range(len(vectors))
        ]

    def strangeness(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """How strange rows `[N,D]` look to all classes, `[N]`: what p-values are read from; larger is stranger."""
        return self._rejection.strangeness(self._head.answer(vectors))

    def no_decision(self, reason: str, part_id: str | None = None) -> Decision:
        """The answer for a frame that can't be judged."""
        return Decision(
            verdict="NO_DECISION",
            label=None,
            nearest=None,
            disposition=None,
            score=None,
            probability=None,
            p_value=None,
            strangeness=None,
            p_rule=self.p_rule,
            margin=None,
            ranking=(),
            regions=(),
            reason=reason,
            part_id=part_id,
            bundle=self._bundle,
            gallery=self.snapshot.sequence,
            time=_now(),
        )

    def _decision(
        self,
        scores: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        strange: tuple[float, float],
        order: list[int],
        part_id: str | None,
        time: str,
    ) -> Decision:
        labels, dispositions = self.snapshot.labels, self.snapshot.dispositions
        best, (p_value, strangeness) = order[0], strange
        refused = p_value <= self.settings.budget  # NaN, without a rule, refuses nothing
        second = float(probabilities[order[1]]) if len(order) > 1 else 0.0
        return Decision(
            verdict=self.settings.unknown if refused else _VERDICT[dispositions[best]],
            label=None if refused else labels[best],
            nearest=labels[best],
            disposition=None if refused else dispositions[best],
            score=float(scores[best]),
            probability=float(probabilities[best]),
            p_value=None if self.p_rule == "none" else p_value,
            strangeness=strangeness,
            p_rule=self.p_rule,
            margin=float(probabilities[best]) - second,
            ranking=tuple((labels[row], float(probabilities[row])) for row in order),
            regions=(),
            reason=f"unknown: p = {p_value:.2g} is within the budget of {self.settings.budget:g}" if refused else "",
            part_id=part_id,
            bundle=self._bundle,
            gallery=self.snapshot.sequence,
            time=time,
        )


_VERDICT: dict[str, Verdict] = {"ok": "OK", "defect": "NG"}


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")

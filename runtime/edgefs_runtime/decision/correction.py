"""How much too good a trained embedder makes its own support look.

An embedder that was trained on the support has drawn its rows to their classes: left out of the gallery they still look
less strange than fresh parts do, and thresholds read off them refuse too much. The workstation measures by how much,
with embedders that were each trained without some of the rows (cross-fitting), and the bundle carries the correction.
Rows of classes that are taught later were never trained on, are honest, and stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.decision.heads import LeftOutScores
from edgefs_runtime.decision.snapshot import Snapshot


@dataclass(frozen=True)
class Correction:
    """A line from what rows of the support look like, left out, to what fresh rows of their class would.

    All rows of the named classes are corrected, also those that a device taught them later: that errs towards refusing
    less. Which class a left-out row goes to stays as it is, and so does what it counts for against a budget for
    overkill: no line sets that right.

    Attributes:
        labels: classes whose rows the embedder was trained on.
        shift: added to the scaled strangeness of their left-out rows.
        scale: multiplies it, above 0.
        temperature: multiplies the temperature that left-out rows suggest, above 0.
    """

    labels: tuple[str, ...]
    shift: float
    scale: float
    temperature: float

    def __post_init__(self) -> None:
        if not self.labels:
            raise BundleError(
                "decision.crossfit.labels is empty: expected the classes that the embedder was trained on"
            )
        if not math.isfinite(self.shift):
            raise BundleError(f"decision.crossfit.shift = {self.shift!r}: expected a finite number")
        for name in ("scale", "temperature"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise BundleError(f"decision.crossfit.{name} = {value!r}: expected a positive number")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Correction:
        """Read what `to_json` wrote.

        Raises:
            BundleError: a field is out of range, or the labels are not a list of text.
        """
        labels = fields["labels"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise BundleError("decision.crossfit.labels: expected a list of classes")
        return cls(tuple(labels), float(fields["shift"]), float(fields["scale"]), float(fields["temperature"]))

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**vars(self), "labels": list(self.labels)}

    def corrected(self, left_out: LeftOutScores, snapshot: Snapshot) -> LeftOutScores:
        """The rows of a snapshot, left out, as if the embedder had not been trained on them."""
        trained = left_out.of(self._is_trained(snapshot)[snapshot.classes])
        strangeness = np.where(trained, self.shift + self.scale * left_out.strangeness, left_out.strangeness)
        return left_out._replace(strangeness=strangeness)

    def temperature_of(self, snapshot: Snapshot) -> float:
        """What multiplies the temperature that this snapshot's rows suggest; 1 where no class of it was trained on."""
        return self.temperature if self._is_trained(snapshot).any() else 1.0

    def _is_trained(self, snapshot: Snapshot) -> NDArray[np.bool_]:
        """Which classes `[C]` of a snapshot the embedder was trained on."""
        return np.isin(np.array(snapshot.labels, np.str_), np.array(self.labels, np.str_))

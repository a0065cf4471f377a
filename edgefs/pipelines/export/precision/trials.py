"""What was tried for a device, what was measured of it, and what was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgefs.pipelines.export.precision.gate import Change, Gate
from edgefs_calibration.statistics.flips import Flips
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.base.wording import counted

Precision = Literal["fp32", "fp16", "int8"]

_FASTER = 1.02  # less is noise


@dataclass(frozen=True)
class Trial:
    """A candidate and what was measured of it.

    Attributes:
        precision: of most of the network.
        gate: against float32.
        sqnr: of embeddings, dB.
        cosine: mean, of embeddings.
        size: bytes.
        speed: how many times as fast as float32 on this machine; None where it is made for another one.
        estimator: of ranges, for int8.
        in_float: positions of segments that stay in float32.
        segments: how many there are.
    """

    precision: Precision
    gate: Gate
    sqnr: float
    cosine: float
    size: int
    speed: float | None
    estimator: str = ""
    in_float: tuple[int, ...] = ()
    segments: int = 0

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "in_float": list(self.in_float), "gate": self.gate.to_json()}

    @property
    def is_slow(self) -> bool:
        """Whether it was measured to be no faster than float32."""
        return self.speed is not None and self.speed <= _FASTER

    @property
    def name(self) -> str:
        """Name of the candidate: its precision, and what stays in float."""
        if self.precision != "int8":
            return self.precision
        if not self.in_float:
            return f"int8, {self.estimator}"
        first, last = self.in_float[0] + 1, self.in_float[-1] + 1
        which = f"segment {first}" if first == last else f"segments {first} to {last}"
        return f"int8, {self.estimator}, {which} of {self.segments} in fp32"

    @property
    def sentence(self) -> str:
        """Sentence without any timing: it goes into the bundle, whose bytes must not depend on the day."""
        right, unknowns, shipped = self.gate.right, self.gate.unknowns, self.gate.shipped
        asked = f"{counted(right.decisions, 'decision')} about {counted(right.images, 'image')}"
        said = (
            f"{self.name} against float32, {asked} in episodes of {counted(self.gate.shots, 'shot')}: "
            f"accuracy {100 * right.reference:.1f} % -> {100 * right.found:.1f} %, "
            f"at most {may_lose(right)} points lost with 95 % confidence"
        )
        if unknowns is not None:
            said += (
                f"; AUROC of unknowns {100 * unknowns.reference:.1f} -> {100 * unknowns.found:.1f}, "
                f"at most {may_lose(unknowns)} lost"
            )
        if shipped is not None:
            said += (
                f"; the trained head on {counted(shipped.images, 'test image')} {100 * shipped.reference:.1f} % -> "
                f"{100 * shipped.found:.1f} %, at most {may_lose(shipped)} points lost"
            )
        return f"{said}."


def may_lose(change: Flips | Change) -> str:
    """The bound in points; where even that is a gain, nothing."""
    return f"{max(0.0, 100 * change.bound):.2f}"


@dataclass(frozen=True)
class Deployed:
    """What goes into the bundle.

    Attributes:
        model: ONNX.
        gallery_model: in the same precision, where there is one.
        fields: of the manifest's `embedder`.
        chosen: what was measured of it; None for float32.
        trials: everything that was tried, in order.
        notes: what was done, in sentences.
    """

    model: bytes
    gallery_model: bytes | None
    fields: dict[str, Any]
    chosen: Trial | None = None
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What was measured of what was chosen, as plain JSON values; no timing, which differs from day to day."""
        if self.chosen is None:
            return dict(self.fields)
        told = {name: getattr(self.chosen, name) for name in ("estimator", "in_float", "segments", "sqnr", "cosine")}
        return {**self.fields, **told, "gate": self.chosen.gate.to_json()}


class GateError(ExportError):
    """The gate let no candidate pass; `trials` holds what was measured."""

    def __init__(self, message: str, trials: Sequence[Trial]) -> None:
        super().__init__(message)
        self.trials = tuple(trials)

"""What `edgefs predict` shows of its answers: a line for each, their order, and their summary."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import Decision

COLUMNS = (
    "path",
    "verdict",
    "label",
    "nearest",
    "disposition",
    "probability",
    "p_value",
    "p_rule",
    "margin",
    "strangeness",
    "score",
    "reason",
    "error",
    "bundle",
    "gallery",
    "time",
    "warning",
)  # of the table; new ones come last

_COLOURS = {"OK": "green", "NG": "red", "RECHECK": "yellow", "NO_DECISION": "magenta", "error": "red"}
_URGENCY = ("NG", "RECHECK", "NO_DECISION", "error", "OK")
_MOST_CLASSES = 12  # named in a summary


class Answered(NamedTuple):
    """An image with its decision, or why it can't be read."""

    path: Path
    answer: Decision | ImageError

    @property
    def kind(self) -> str:
        """The verdict, or `error`."""
        return self.answer.verdict if isinstance(self.answer, Decision) else "error"

    @property
    def label(self) -> str:
        """The class, or `unknown`; empty where nothing was decided."""
        if self.kind in ("NO_DECISION", "error") or isinstance(self.answer, ImageError):
            return ""
        return "unknown" if self.answer.label is None else self.answer.label

    @property
    def warning(self) -> str:
        """What speaks against trusting the answer; empty as a rule."""
        return self.answer.warning if isinstance(self.answer, Decision) else ""

    def mark(self) -> str:
        """The verdict, coloured: what the answer's line begins with."""
        return click.style(f"{self.kind:<11}", fg=_COLOURS[self.kind], bold=self.kind != "OK")

    def said(self) -> str:
        """The rest of the line."""
        if isinstance(self.answer, ImageError):
            return f"  {self.path}: {self.answer.reason}"
        return f"  {_said(self.answer)}  {self.path}"

    def to_json(self) -> dict[str, Any]:
        """Path and decision, or path and error."""
        if isinstance(self.answer, ImageError):
            return {"path": str(self.path), "error": self.answer.reason}
        return {"path": str(self.path), **self.answer.to_json()}

    def cells(self) -> list[object]:
        """What stands under `COLUMNS`."""
        fields = self.to_json()
        return [fields.get(column) for column in COLUMNS]


class Summary:
    """How often each verdict and class was given."""

    def __init__(self) -> None:
        self._labels: dict[str, Counter[str]] = {}

    def add(self, answered: Answered) -> None:
        """Count one more."""
        self._labels.setdefault(answered.kind, Counter())[answered.label] += 1

    @property
    def images(self) -> int:
        """All of them."""
        return sum(labels.total() for labels in self._labels.values())

    @property
    def unreadable(self) -> int:
        """Number of images that can't be read."""
        return self._labels["error"].total() if "error" in self._labels else 0

    def sentence(self) -> str:
        """All in one sentence: `12 images: 3 NG (scratches 2, unknown 1), 8 OK (good 8), 1 unreadable.`."""
        parts = [self._part(kind) for kind in _URGENCY if kind in self._labels]
        return f"{counted(self.images, 'image')}: {', '.join(parts)}."

    def _part(self, kind: str) -> str:
        labels = self._labels[kind]
        if kind == "error":
            return f"{labels.total():,} unreadable"
        named = [f"{label} {number:,}" for label, number in labels.most_common(_MOST_CLASSES) if label]
        more = len(labels) - _MOST_CLASSES
        if more > 0:
            named.append(f"{more:,} more classes")
        return f"{labels.total():,} {kind}" + (f" ({', '.join(named)})" if named else "")


def in_order(answers: Iterable[Answered], order: str) -> list[Answered]:
    """All answers: the most urgent verdict first, the least sure first, or by path; equals as they came."""
    return sorted(answers, key=lambda answered: _key(answered, order))


def is_coloured() -> bool | None:
    """Whether to colour: False where the user wants none (https://no-color.org), None to leave it to the terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _key(answered: Answered, order: str) -> Any:
    if order == "path":
        from edgefs_runtime.images.listing import natural_key

        return [natural_key(part) for part in answered.path.parts]
    if order == "verdict":
        return _URGENCY.index(answered.kind)
    number = None
    if isinstance(answered.answer, Decision):
        number = answered.answer.probability if order == "probability" else answered.answer.p_value
    return -1.0 if number is None else number  # what was not decided needs a look first


def _said(decision: Decision) -> str:
    if decision.verdict == "NO_DECISION":
        return f"({decision.reason})"
    likely = f"{100 * (decision.probability or 0):.0f} %"
    p_value = "" if decision.p_value is None else f", p {decision.p_value:.2g}"
    if decision.label is None:
        return f"unknown (nearest {decision.nearest} {likely}{p_value})"
    return f"{decision.label} ({likely}{p_value})"

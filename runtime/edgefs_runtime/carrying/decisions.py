"""Which decisions change by carrying over, told image by image; `judging` finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.wording import counted, plain

_SHOWN = 20  # changes that are listed for a person

Part = tuple[str, str]  # class and name


@dataclass(frozen=True)
class Image:
    """One image that came over.

    Attributes:
        label: its class.
        name: as the other gallery calls it: `7.2`.
        part: the physical part it shows; empty where unknown.
        digest: SHA-256 of its file.
        before: its embeddings `[V·D]` there.
        after: its embeddings `[V·D]` here.
    """

    label: str
    name: str
    part: str
    digest: str
    before: NDArray[np.float32] = field(compare=False)
    after: NDArray[np.float32] = field(compare=False)

    @property
    def leaves_with(self) -> Part:
        """Images of one part leave together."""
        return self.label, self.part or self.digest


class Answer(NamedTuple):
    """What is decided about an image; the label is None for an unknown."""

    verdict: str
    label: str | None

    def __str__(self) -> str:
        """As `NG (crazing)`."""
        return f"{self.verdict} ({self.label or 'unknown'})"


class Change(NamedTuple):
    """An image that is decided otherwise."""

    image: Image
    before: Answer
    after: Answer

    def __str__(self) -> str:
        """In a clause."""
        part = f"part {self.image.part}, " if self.image.part else ""
        which = f"{self.image.label} {self.image.name} ({part}{self.image.digest[:12]})"
        return plain(f"{which}: {self.before} before, {self.after} now")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        image = self.image
        return {
            "label": image.label,
            "image": image.name,
            "part": image.part,
            "digest": image.digest,
            "before": self.before._asdict(),
            "after": self.after._asdict(),
        }


@dataclass(frozen=True)
class Decisions:
    """What is decided about the images that came over, before and after.

    Attributes:
        judged: how many.
        alone: how many of them with their own part, which is the only one of its class.
        changed: those that are decided otherwise, in their order.
        is_by_old_settings: whether the other bundle said how it decides; else this one's head and budget stood for it.
    """

    judged: int
    alone: int
    changed: tuple[Change, ...]
    is_by_old_settings: bool

    @property
    def verdicts(self) -> int:
        """How many got another verdict."""
        return sum(change.before.verdict != change.after.verdict for change in self.changed)

    def lines(self) -> list[str]:
        """What a person should know of it."""
        other = len(self.changed) - self.verdicts
        changes = f"{self.verdicts} changed verdict, {other} only the class" if self.changed else "none changed"
        how = "each as if its part had not been taught"
        if self.alone:
            how += f", {self.alone} with it: no other part of the class was"
        if not self.is_by_old_settings:
            how += "; by this bundle's head and budget on both sides: --from OLD.edgefs has the old ones"
        more = len(self.changed) - _SHOWN
        return [
            f"decisions about {counted(self.judged, 'image')}: {changes} ({how})",
            *(f"changed: {change}" for change in self.changed[:_SHOWN]),
            *([f"changed: {more} more, which --json names"] if more > 0 else []),
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "judged": self.judged,
            "judged_with_own_part": self.alone,
            "verdicts_changed": self.verdicts,
            "changed": [change.to_json() for change in self.changed],
            "settings_before": "old bundle" if self.is_by_old_settings else "this bundle",
        }

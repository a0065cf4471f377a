"""What was carried over, told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs_runtime.base.wording import counted, noun_of
from edgefs_runtime.carrying.earlier import Agreement
from edgefs_runtime.carrying.ways import CARRIED, Planned, Way, by_class

_SAID: dict[Way, str] = {
    "known": "{} known already",
    "as it is": "{} as embedded before",
    "picture": "{} from kept pictures",
    "relabelled": "{} of another class in the new bundle",
    "mean": "{} that stand for unlabelled ones left",
    "missing": "{} without a kept picture left",
    "region": "{} whose kept picture shows another region left",
}


@dataclass(frozen=True)
class Carried:
    """What was carried over, or would be.

    Attributes:
        source: the gallery that it came from.
        ways: images by class and by the way each took.
        agreement: how well the two bundles agree, where that was measured.
        notes: a sentence each on what was not carried, and why.
        challenge: a sentence for each challenge part that gets something else since.
        parts: challenge parts that came along.
        sequence: of the gallery now.
    """

    source: Path
    ways: dict[str, dict[Way, int]]
    agreement: Agreement | None
    notes: tuple[str, ...]
    challenge: tuple[str, ...]
    parts: int
    sequence: int

    def headline(self, gallery: Path | None, *, check: bool = False) -> str:
        """What was done, in a sentence."""
        did = "Would carry over" if check else "Carried over"
        if not self.ways:
            return f"{did} challenge parts alone: nothing was taught where they lie, beside {self.source}"
        number = counted(self.classes, "class", "classes")
        return f"{did} {counted(self.images, 'image')} of {number} from {self.source} into {gallery}"

    def lines(self) -> list[str]:
        """How each class came over, what was not, and what challenge parts get since."""
        lines = [
            f"{label}: {', '.join(_SAID[way].format(counted(n, 'image')) for way, n in w.items())}"
            for label, w in self.ways.items()
        ]
        if self.agreement is not None:
            lines.append(str(self.agreement))
        lines += [f"not carried over: {note}" for note in self.notes]
        lines += [f"challenge: {sentence}" for sentence in self.challenge]
        if self.parts:
            lines.append(f"{counted(self.parts, 'challenge part')} of the old gallery came along")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of all that is reported."""
        return {
            "source": str(self.source),
            "images": self.images,
            "classes": self.ways,
            "agreement": None if self.agreement is None else self.agreement.cosine,
            "not_carried": list(self.notes),
            "challenge": list(self.challenge),
            "challenge_parts": self.parts,
            "gallery": self.sequence,
        }

    @property
    def images(self) -> int:
        """How many images were carried over."""
        return sum(count for ways in self.ways.values() for way, count in ways.items() if way in CARRIED)

    @property
    def classes(self) -> int:
        """Number of classes of which an image was carried."""
        return sum(any(way in CARRIED for way in ways) for ways in self.ways.values())


def images_by_way(planned: Sequence[Planned]) -> dict[str, dict[Way, int]]:
    """Images by class and way."""
    ways: dict[str, dict[Way, int]] = {}
    for one in planned:
        counts = ways.setdefault(one.label, {})
        for way in one.ways:
            counts[way] = counts.get(way, 0) + 1
    return ways


def notes_of(planned: Sequence[Planned]) -> list[str]:
    """A sentence each on images that are not carried over."""
    notes = lost(planned)
    for label, count in by_class(planned, "relabelled").items():
        notes.append(f"{counted(count, 'image')} of {label!r}: the new bundle was taught it as another class")
    return notes + [
        f"the mean of unlabelled images of {label!r}: refine it again" for label in by_class(planned, "mean")
    ]


def lost(planned: Sequence[Planned]) -> list[str]:
    """A sentence each on images that can't be carried over, with the cure."""
    missing, elsewhere = by_class(planned, "missing"), by_class(planned, "region")
    return [
        f"{counted(count, 'image')} of {label!r} {'has' if count == 1 else 'have'} no kept picture: enroll "
        f"{'it' if count == 1 else 'them'} again, with --keep-images for the next time"
        for label, count in missing.items()
    ] + [
        f"the kept {noun_of(count, 'picture')} of {counted(count, 'image')} of {label!r} show another region "
        "than this bundle looks at: enroll them again"
        for label, count in elsewhere.items()
    ]

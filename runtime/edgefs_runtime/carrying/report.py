"""What was carried over, told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs_runtime.base.wording import counted, noun_of
from edgefs_runtime.carrying.decisions import Decisions
from edgefs_runtime.carrying.earlier import Agreement
from edgefs_runtime.carrying.ways import CARRIED, LACKING, Planned, Way, by_class

_SAID: dict[Way, str] = {
    "known": "{} known already",
    "as it is": "{} as embedded before",
    "picture": "{} from kept pictures",
    "relabelled": "{} of another class in the new bundle",
    "mean": "{} that stand for unlabelled ones left",
    "missing": "{} without a kept picture left",
    "region": "{} whose kept picture shows another region left",
    "window": "{} whose kept picture shows another window of raw values left",
    "colour": "{} whose kept picture lacks the colour left",
    "page": "{} whose kept picture shows another page left",
}
_LACKS: dict[Way, str] = {
    "missing": "no kept picture",
    "region": "its kept picture does not show the region that this bundle looks at",
    "window": "its kept picture holds other raw values than this bundle's window shows",
    "colour": "its kept picture lacks the colour that this bundle looks at",
    "page": "its kept picture shows another page of the file than this bundle looks at",
}
_NAMED = 20  # images that are listed for a person


@dataclass(frozen=True)
class Missing:
    """An image that can't be carried over.

    Attributes:
        label: its class.
        name: as the other gallery calls it: `7.2` is the second of act 7.
        digest: SHA-256 of its file.
        time: when it was taught.
        lack: what is missing.
    """

    label: str
    name: str
    digest: str
    time: str
    lack: str

    def __str__(self) -> str:
        """In a clause."""
        return f"{self.label} {self.name} ({self.digest[:12]}, taught {self.time}): {self.lack}"


@dataclass(frozen=True)
class Carried:
    """What was carried over, or would be.

    Attributes:
        source: the gallery that it came from.
        ways: images by class and by the way each took.
        agreement: how well the two bundles agree, where that was measured.
        notes: a sentence each on what was not carried, and why.
        missing: the images that can't be.
        abouts: of pictures that show only about what this bundle would see of the frame, their number by class and by
            how they were kept and are looked at.
        decisions: what is decided about the images that came over, before and after; None where that is not known.
        challenge: a sentence for each challenge part that gets something else since.
        parts: challenge parts that came along.
        sequence: of the gallery now.
    """

    source: Path
    ways: dict[str, dict[Way, int]]
    agreement: Agreement | None
    notes: tuple[str, ...]
    missing: tuple[Missing, ...]
    abouts: dict[str, dict[str, int]]
    decisions: Decisions | None
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
        for label, abouts in self.abouts.items():
            lines += [f"{label}: {counted(n, 'picture')} approximate, {about}" for about, n in abouts.items()]
        lines += [f"not carried over: {note}" for note in self.notes]
        lines += [f"missing: {image}" for image in self.missing[:_NAMED]]
        if len(self.missing) > _NAMED:
            lines.append(f"missing: {len(self.missing) - _NAMED} more, which --json names")
        lines += self._decided()
        lines += [f"challenge: {sentence}" for sentence in self.challenge]
        if self.parts:
            lines.append(f"{counted(self.parts, 'challenge part')} of the old gallery came along")
        return lines

    def _decided(self) -> list[str]:
        if self.decisions is not None:
            return self.decisions.lines()
        if not self.images:
            return []
        return ["which decisions change is not known without the other bundle: name it with --from OLD.edgefs"]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values of all that is reported."""
        return {
            "source": str(self.source),
            "images": self.images,
            "classes": self.ways,
            "agreement": None if self.agreement is None else self.agreement.cosine,
            "not_carried": list(self.notes),
            "missing": [
                {"label": one.label, "image": one.name, "digest": one.digest, "taught": one.time, "lack": one.lack}
                for one in self.missing
            ],
            "approximate": self.abouts,
            "decisions": None if self.decisions is None else self.decisions.to_json(),
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
    return [_lost(way, label, count) for way in LACKING for label, count in by_class(planned, way).items()]


def _lost(way: Way, label: str, count: int) -> str:
    images, them = f"{counted(count, 'image')} of {label!r}", "it" if count == 1 else "them"
    if way == "missing":
        has = "has" if count == 1 else "have"
        return f"{images} {has} no kept picture: enroll {them} again, with --keep-images for the next time"
    pictures = f"the kept {noun_of(count, 'picture')} of {images}"
    what = {
        "region": "show{s} another region than this bundle looks at",
        "window": "show{s} the raw values through another window than this bundle",
        "colour": "lack{s} the colour that this bundle looks at",
        "page": "show{s} another page than this bundle looks at",
    }[way].format(s="s" if count == 1 else "")
    return f"{pictures} {what}: enroll {them} again"


def missing_of(planned: Sequence[Planned]) -> tuple[Missing, ...]:
    """The images that can't be carried over."""
    return tuple(
        Missing(one.label, name, digest, one.taught.time, _LACKS[way])
        for one in planned
        for way, name, digest in zip(one.ways, one.taught.names, one.taught.enrolment.digests, strict=True)
        if way in LACKING
    )


def abouts_of(planned: Sequence[Planned]) -> dict[str, dict[str, int]]:
    """How pictures that show only about what is seen now were kept, and how many, by class."""
    found: dict[str, dict[str, int]] = {}
    for one in planned:
        for about in filter(None, (one.abouts[number] for number in one.chosen)):
            abouts = found.setdefault(one.label, {})
            abouts[about] = abouts.get(about, 0) + 1
    return found

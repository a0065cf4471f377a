"""What stands on a contact sheet: data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import Disposition

Box = tuple[int, int, int, int]  # left, top, width, height, pixels of the upright frame


@dataclass(frozen=True)
class PictureShown:
    """The bytes of an image file, and what kind it is: `jpeg` or `png`."""

    data: bytes
    kind: str = "jpeg"


@dataclass(frozen=True)
class Shown:
    """One image: the frame, and beside it what the network sees.

    Attributes:
        name: its path relative to the data folder.
        size: (height, width) of the upright frame, pixels.
        frame: a small copy of it.
        input: what the network sees; None where it sees nothing, and then `reason` says why.
        kept: the part of the frame that reaches the network, where the resize rule cuts something off; else None.
        reason: why the image can't be used; empty where it can.
    """

    name: str
    size: tuple[int, int]
    frame: PictureShown
    input: PictureShown | None
    kept: Box | None = None
    reason: str = ""


@dataclass(frozen=True)
class ClassShown:
    """One class.

    Attributes:
        label: its name.
        disposition: what the line does with its parts.
        images: usable images.
        sides: how many of them stand in `train`, `val` and `test`, where the data is divided.
        frames: sizes and depth of the frames, in words.
        shown: some of them, spread over the class.
    """

    label: str
    disposition: Disposition
    images: int
    sides: dict[str, int]
    frames: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class LeftOutShown:
    """An image that is not used, why, and a small copy where it can be shown."""

    name: str
    reason: str
    picture: PictureShown | None = None


@dataclass(frozen=True)
class Sheet:
    """A contact sheet.

    Attributes:
        title: the folder's name.
        layout: how the folder was understood, in a sentence.
        notes: what else is to be known about the data, one sentence each.
        settings: (name, value) of what happens to a frame, in this order.
        input_size: (height, width) of the network's input, pixels.
        roi: region of interest; None takes the whole frame.
        classes: with some of their images.
        left_out: some of the images that are not used.
        reasons: (reason, images) of all of those, in the words of one of them where they differ in numbers only.
        other_files: files that are no images by their suffix.
    """

    title: str
    layout: str
    notes: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    input_size: tuple[int, int]
    roi: Box | None
    classes: tuple[ClassShown, ...]
    left_out: tuple[LeftOutShown, ...]
    reasons: tuple[tuple[str, int], ...]
    other_files: int

    @property
    def images(self) -> int:
        """Usable images of all classes."""
        return sum(one.images for one in self.classes)

    @property
    def unused(self) -> int:
        """Images that are not used."""
        return sum(number for _, number in self.reasons)

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        good = sum(one.disposition == "ok" for one in self.classes)
        classes = counted(len(self.classes), "class", "classes")
        left_out = f"; {counted(self.unused, 'image')} left out" if self.unused else ""
        return f"{counted(self.images, 'image')} of {classes}, {good} of good parts{left_out}."

    def to_json(self) -> dict[str, Any]:
        """What was found, without the pictures, as plain JSON values."""
        return {
            "title": self.title,
            "layout": self.layout,
            "notes": list(self.notes),
            "settings": dict(self.settings),
            "classes": [
                {
                    "label": one.label,
                    "disposition": one.disposition,
                    "images": one.images,
                    "sides": one.sides,
                    "frames": one.frames,
                    "shown": [{"path": image.name, "reason": image.reason} for image in one.shown],
                }
                for one in self.classes
            ],
            "left_out": [{"reason": reason, "images": number} for reason, number in self.reasons],
            "other_files": self.other_files,
        }

"""The parts of a RUN's record: its backbone, its data, and each image by path and digest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BackboneRecord:
    """Which network was adapted, or came out of a distillation.

    Attributes:
        name: of its architecture.
        origin: where its values come from, for people.
        digest: hex SHA-256 of them.
        size: height and width of the input it was trained at, pixels.
        mean: of each channel, 0 to 1, taken from the input.
        std: of each channel, which the input is divided by.
    """

    name: str
    origin: str
    digest: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> BackboneRecord:
        """Read what `to_json` wrote."""
        mean, std = tuple(fields["mean"]), tuple(fields["std"])
        return cls(fields["name"], str(fields["origin"]), fields["digest"], int(fields["size"]), mean, std)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}


@dataclass(frozen=True)
class TeacherRecord:
    """The network whose embedding a student learned."""

    name: str
    origin: str
    digest: str

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TeacherRecord:
        """Read it from `run.json`."""
        return cls(fields["name"], fields["origin"], fields["digest"])


@dataclass(frozen=True)
class DataRecord:
    """What was learned from.

    Attributes:
        given: as it was named on the command line, or `rendered`.
        digest: hex SHA-256 that names exactly this data.
        root: folder that paths of images are relative to; empty where no path is kept.
        layout: how the folder says which image is of which class; empty where there are no classes.
    """

    given: str
    digest: str
    root: str = ""
    layout: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DataRecord:
        """Read what `to_json` wrote."""
        return cls(fields["given"], fields["digest"], fields.get("root", ""), fields.get("layout", ""))

    def to_json(self) -> dict[str, str]:
        """The fields as plain JSON values, less what is empty."""
        optional = {"root": self.root, "layout": self.layout}
        return {"given": self.given, "digest": self.digest, **{key: value for key, value in optional.items() if value}}


@dataclass(frozen=True)
class ImageRecord:
    """One image of a RUN.

    Attributes:
        path: relative to the data's root, with forward slashes.
        label: its class.
        sha256: of the file's bytes, hex.
        group: the physical part it shows; empty when it is a part of its own.
        reason: why the frame shows nothing; empty where it can be judged.
    """

    path: str
    label: str
    sha256: str
    group: str = ""
    reason: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ImageRecord:
        """Read what `to_json` wrote."""
        group, reason = fields.get("group", ""), fields.get("reason", "")
        return cls(fields["path"], fields["label"], fields["sha256"], group, reason)

    def to_json(self) -> dict[str, str]:
        """The fields as plain JSON values, less what is empty."""
        optional = {"group": self.group, "reason": self.reason}
        described = {"path": self.path, "label": self.label, "sha256": self.sha256}
        return {**described, **{key: value for key, value in optional.items() if value}}


@dataclass(frozen=True)
class SidesRecord:
    """Images on the side where they stood: learned from, choices made on, tested on."""

    train: tuple[ImageRecord, ...] = ()
    validation: tuple[ImageRecord, ...] = ()
    test: tuple[ImageRecord, ...] = ()

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SidesRecord:
        """Read what `to_json` wrote; a side that is not there has no images."""
        sides = ("train", "validation", "test")
        return cls(*(tuple(ImageRecord.from_json(entry) for entry in fields.get(side, ())) for side in sides))

    @property
    def by_side(self) -> dict[str, tuple[ImageRecord, ...]]:
        """The images of each side by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def to_json(self) -> dict[str, list[dict[str, str]]]:
        """The fields as plain JSON values."""
        return {side: [image.to_json() for image in images] for side, images in self.by_side.items()}


@dataclass(frozen=True)
class LeftOutRecord:
    """A file that was not used, and why."""

    path: str
    reason: str

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> LeftOutRecord:
        """Read it from `run.json`."""
        return cls(fields["path"], fields["reason"])

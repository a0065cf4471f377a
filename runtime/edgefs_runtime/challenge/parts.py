"""The index of a folder of challenge parts: `parts.json`, which names every image file that counts.

An image file is on the disk before the index names it, and the index is replaced whole: what a kill leaves behind is
at worst a file that nothing names, which is ignored.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edgefs_runtime.base.durable import replace_file
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.bundle.identity import canonical_json

Expected = Literal["OK", "NG", "RECHECK"]

_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Part of the format: a kept file bears the suffix that was one when it was kept.
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm"})
_TEXTS = ("sha256", "name", "expected", "label", "added", "actor")


@dataclass(frozen=True)
class ChallengePart:
    """One kept image and what must be said about it.

    Attributes:
        sha256: of the image file, lower-case hex.
        name: of the file that it was added from, without its folder.
        expected: the verdict that it must get.
        label: the class that must be answered; empty where the verdict is enough.
        added: when, ISO 8601 in UTC.
        actor: who added it, as the caller names it.
        passed: what it did when it was last judged under the accepted bundle.
        camera: of which camera it is, see `Snapshot.seen`: it is judged through the first alignment of at least this
            number, and through the newest until there is one.
    """

    sha256: str
    name: str
    expected: Expected
    label: str
    added: str
    actor: str
    passed: bool
    camera: int = 0

    @property
    def id(self) -> str:
        """The name that tells it from a part of the same file name."""
        return self.sha256[:12]

    @property
    def file_name(self) -> str:
        """Name of the kept file: its digest, with the suffix of an image where it had one."""
        suffix = Path(self.name).suffix.lower()
        return self.sha256 + (suffix if suffix in _SUFFIXES else "")

    @property
    def wanted(self) -> str:
        """What must be said about it, in words: `NG (scratch)`."""
        return f"{self.expected} ({self.label})" if self.label else self.expected

    def expects_the_same(self, other: ChallengePart) -> bool:
        """Whether both ask for the same verdict and class of the same camera."""
        return (self.wanted, self.camera) == (other.wanted, other.camera)


@dataclass(frozen=True)
class Index:
    """What `parts.json` holds: the parts, in the order they were added, and the digest of the accepted bundle."""

    parts: tuple[ChallengePart, ...] = ()
    bundle: str = ""

    def of(self, sha256: str) -> ChallengePart | None:
        """The part with that content."""
        return next((part for part in self.parts if part.sha256 == sha256), None)

    def with_part(self, part: ChallengePart) -> Index:
        """The index with a part in the place of the one with the same content, or behind the others."""
        if self.of(part.sha256) is None:
            return dataclasses.replace(self, parts=(*self.parts, part))
        parts = tuple(part if old.sha256 == part.sha256 else old for old in self.parts)
        return dataclasses.replace(self, parts=parts)


def read_index(folder: Path) -> Index:
    """Read the index; an empty one where there is none yet.

    Raises:
        GalleryError: it can't be read, is damaged, or of a newer format.
    """
    path = folder / "parts.json"
    try:
        fields = json.loads(path.read_bytes())
        if fields["format"] != _FORMAT:
            raise GalleryError(f"{path}: format {fields['format']!r}, this runtime reads {_FORMAT}; update edgefs")
        crc = fields.pop("crc", None)  # an index from before checksums has none
        if crc is not None and crc != _crc(fields):
            raise ValueError("changed since it was written")
        return Index(tuple(_part(entry) for entry in fields["parts"]), _text(fields["bundle"]))
    except (FileNotFoundError, NotADirectoryError):
        return Index()
    except OSError as error:
        raise GalleryError(f"{path}: can't be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GalleryError(
            f"{path}: the index of the challenge parts is damaged; restore it, or move its folder away"
        ) from error


def write_index(folder: Path, index: Index) -> None:
    """Replace the index; it is on the disk when this returns.

    Raises:
        OSError: the folder can't be written or the disk is full; the old index stands.
    """
    fields = {"format": _FORMAT, "bundle": index.bundle, "parts": [dataclasses.asdict(part) for part in index.parts]}
    sealed = {**fields, "crc": _crc(fields)}
    replace_file(folder / "parts.json", [json.dumps(sealed, ensure_ascii=False, indent=1).encode()], synced=True)


def _crc(fields: Mapping[str, Any]) -> int:
    """CRC-32 of the fields as canonical JSON."""
    return zlib.crc32(canonical_json(fields).encode("ascii"))


def _part(entry: dict[str, Any]) -> ChallengePart:
    texts = {key: _text(entry[key]) for key in _TEXTS}
    if not _DIGEST.fullmatch(texts["sha256"]) or texts["expected"] not in get_args(Expected):
        raise ValueError("not a part")
    if not isinstance(entry["passed"], bool):
        raise TypeError("not a flag")
    camera = entry.get("camera", 0)  # an index from before alignments has none
    if type(camera) is not int:
        raise TypeError("not a number")
    return ChallengePart(**texts, passed=entry["passed"], camera=camera)  # type: ignore[arg-type]  # expected: see above


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # a lone surrogate could not be written again
    return value

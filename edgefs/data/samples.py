"""What a set of labelled images is, once every one of them has been read.

- `Sample`: one usable image with its label.
- `LeftOut`: one image that is not used, and why.
- `Dataset`: all of them, and a digest that names exactly this data.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Layout = Literal["flat", "split", "mvtec", "csv"]


@dataclass(frozen=True)
class Sample:
    """One usable image.

    Attributes:
        path: where it was found, below the dataset's root.
        label: its class.
        group: the physical part, lot or patient it shows; empty when it is a part of its own.
        split: `train`, `val` or `test` where the data says so, else empty.
        digest: lower-case hex SHA-256 of the file's bytes.
        size: (height, width) of the upright image, pixels.
        bits: 8 or 16, bits of one channel.
        fingerprint: grey thumbnail in 256 bytes, for `near_duplicates`.
        blank: why the frame shows nothing (black, saturated, constant) to the network; empty where it can be judged.
        white: raw value that almost none of its pixels exceeds; 0 for a frame of 8 bits.
    """

    path: Path
    label: str
    group: str
    split: str
    digest: str
    size: tuple[int, int]
    bits: int
    fingerprint: bytes = field(default=b"", repr=False, compare=False)
    blank: str = ""
    white: int = field(default=0, repr=False, compare=False)


@dataclass(frozen=True)
class LeftOut:
    """An image that is not used, with a reason that completes the sentence "left out: ..."."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one folder or CSV file.

    Attributes:
        root: the folder that paths are relative to; for a CSV file, the folder it lies in.
        layout: the convention that was recognised.
        samples: usable images, sorted by relative path.
        classes: their labels, sorted.
        left_out: images that are not used.
        digest: hex SHA-256 over relative paths, labels and content digests.
        other_files: number of files that are no images by their suffix.
        notes: what the user should know about how the data was read, one plain sentence each.
        blank: images that show nothing to the network, which stand in `left_out` too: nothing is learned from them, and
            where they test they have no decision. Empty where they were not asked to be left out.
        window: (black, white) through which frames of more than 8 bits were looked at; None where none was.
    """

    root: Path
    layout: Layout
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    digest: str
    other_files: int = 0
    notes: tuple[str, ...] = ()
    blank: tuple[Sample, ...] = ()
    window: tuple[int, int] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Usable images of each class, in the order of `classes`."""
        numbers = Counter(sample.label for sample in self.samples)
        return {label: numbers[label] for label in self.classes}


def relative_name(path: Path, root: Path) -> str:
    """`path` as seen from `root`, with forward slashes on every system."""
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def dataset_digest(samples: Iterable[Sample], root: Path) -> str:
    """Hex SHA-256 that names the data: the same wherever the folder lies and in whatever order it is listed."""
    rows = sorted([relative_name(sample.path, root), sample.label, sample.digest] for sample in samples)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

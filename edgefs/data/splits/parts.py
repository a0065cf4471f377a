"""What may never stand on two sides of a split: the images of one part.

Images belong to one part when they share a group or when their files are the same byte for byte, and so on from image
to image. Orders are drawn by hashing the seed with an image's content, so that a split depends on the data and the
seed alone: not on where the folder lies, how files are listed, or which other classes stand beside.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgefs.data.samples import Sample


@dataclass(frozen=True)
class Part:
    """Images that stay together.

    Attributes:
        members: positions in the sequence of samples, ascending.
        counts: images of each class; nearly always of one class.
        different: the same without counting copies of a file.
        key: the smallest content digest: the part's name in seeded orders.
    """

    members: tuple[int, ...]
    counts: dict[str, int]
    different: dict[str, int]
    key: str


def find_parts(samples: Sequence[Sample]) -> list[Part]:
    """Parts of `samples`, in the order of their first image."""
    root = list(range(len(samples)))

    def find(position: int) -> int:
        while root[position] != position:
            root[position] = position = root[root[position]]
        return position

    first_seen: dict[tuple[str, str], int] = {}
    for position, sample in enumerate(samples):
        for name in filter(all, (("group", sample.group), ("digest", sample.digest))):
            a, b = find(position), find(first_seen.setdefault(name, position))
            root[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = {}
    for position in range(len(samples)):
        members.setdefault(find(position), []).append(position)
    return [_part(samples, positions) for positions in members.values()]


def parts_by_class(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Parts that hold at least one image of a class, in their order, for each class that has any."""
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        for label in part.counts:
            found[label].append(part)
    return dict(found)


def part_counts(parts: Iterable[Part]) -> Counter[str]:
    """Number of parts of each class."""
    return Counter(label for part in parts for label in part.counts)


def draw_key(seed: int, *names: str) -> bytes:
    """Sorting by this key is a permutation that the seed picks."""
    return hashlib.sha256("\0".join([str(seed), *names]).encode("utf-8", "surrogateescape")).digest()


def _part(samples: Sequence[Sample], positions: list[int]) -> Part:
    return Part(
        members=tuple(positions),
        counts=dict(Counter(samples[position].label for position in positions)),
        different=dict(Counter(label for label, _ in {(samples[i].label, samples[i].digest) for i in positions})),
        key=min(samples[position].digest for position in positions),
    )

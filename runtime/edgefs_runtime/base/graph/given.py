"""What one operator of a graph is given, as far as it is known before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

Shape = tuple[int, ...]
Values = tuple[int, ...]
MOST_VALUES = 64  # numbers of a shape that is computed


class RefusedError(ValueError):
    """What a network holds that is not let in, as the end of a sentence."""


class Given(NamedTuple):
    """What one operator is given.

    Attributes:
        shapes: of its inputs; of one that is left out, None.
        values: of its inputs, where they are a few whole numbers that are known.
        attributes: whole numbers by name; `auto_pad` is a text.
        labels: how many classes it tells apart.
        outputs: how many it makes.
        factors: of its inputs, where they are a few numbers that need not be whole.
    """

    shapes: list[Shape | None]
    values: list[Values | None]
    attributes: dict[str, list[int]]
    auto_pad: bytes = b""
    labels: int = 0
    outputs: int = 1
    factors: Sequence[tuple[float, ...] | None] = ()

    def shape(self, number: int) -> Shape:
        """Shape of an input that must be there."""
        found = self.shapes[number] if number < len(self.shapes) else None
        if found is None:
            raise RefusedError("misses an input")
        return found

    def known(self, number: int) -> Values | None:
        """Values of an input; None where it is left out.

        Raises:
            RefusedError: they are not known before it runs.
        """
        if number >= len(self.shapes) or self.shapes[number] is None:
            return None
        found = self.values[number]
        if found is None:
            raise RefusedError("takes the size of an array from what it computes")
        return found

    def needed(self, number: int) -> Values:
        """Values of an input that must be there."""
        found = self.known(number)
        if found is None:
            raise RefusedError("misses an input")
        return found

    def one(self, name: str, default: int) -> int:
        """A number among the attributes."""
        return self.attributes.get(name, [default])[0]

    def many(self, name: str, default: list[int]) -> list[int]:
        """Numbers among the attributes."""
        return self.attributes.get(name, default)


Rule = Callable[[Given], list[Shape]]


def broadcast(*shapes: Shape) -> Shape:
    """The shape that arrays of these are computed together in."""
    rank = max(map(len, shapes), default=0)
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        most = max(sizes)
        if any(size not in (1, most) for size in sizes):
            raise RefusedError("computes arrays that don't fit together")
        result.append(0 if 0 in sizes else most)
    return tuple(result)


def named_axes(given: Given, rank: int, among: int | None = 1) -> list[int] | None:
    """Axes of an attribute or of an input, from 0; None where none are named."""
    named = given.attributes.get("axes") or (None if among is None else given.known(among))
    return None if named is None else [axis % rank for axis in named] if rank else []


def part_of_shape(given: Given) -> Shape:
    """The sizes that `Shape` tells, of all axes or of some that follow one another."""
    return given.shape(0)[slice(given.one("start", 0), given.attributes.get("end", [None])[0])]

"""What the few whole numbers of a shape become where it is computed from another one."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from edgefs_runtime.base.graph.given import MOST_VALUES, Given, Values, part_of_shape


def _gathered_values(given: Given) -> Values | None:
    data, places = given.values[0], given.values[1]
    return None if data is None or places is None else tuple(data[place] for place in places)


def _joined_values(given: Given) -> Values | None:
    parts = [part for part in given.values[:MOST_VALUES] if part is not None]
    return tuple(number for part in parts for number in part) if len(parts) == len(given.values) else None


def _sliced_values(given: Given) -> Values | None:
    starts, ends, steps = given.values[1], given.values[2], given.known(4) or (1,)
    if given.values[0] is None or not starts or not ends:
        return None
    return given.values[0][starts[0] : ends[0] : steps[0]]


def _counted(compute: Callable[[int, int], int]) -> Callable[[Given], Values | None]:
    def values(given: Given) -> Values | None:
        one, other = given.values[0], given.values[1]
        if one is None or other is None:
            return None
        count = max(len(one), len(other))
        pairs = zip(one * (count // len(one)), other * (count // len(other)), strict=True)
        return tuple(compute(*pair) for pair in pairs)

    return values


# What a few whole numbers become, where a shape is computed from another one.
VALUES: dict[str, Callable[[Given], Values | None]] = {
    **dict.fromkeys(("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"), lambda given: given.values[0]),
    "Add": _counted(lambda one, other: one + other),
    "Concat": _joined_values,
    "Div": _counted(lambda one, other: int(one / other)),
    "Gather": _gathered_values,
    "Mul": _counted(lambda one, other: one * other),
    "Shape": part_of_shape,
    "Size": lambda given: (prod(given.shape(0)),),
    "Slice": _sliced_values,
    "Sub": _counted(lambda one, other: one - other),
}

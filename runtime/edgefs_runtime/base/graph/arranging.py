"""Shapes that operators make which only lay numbers out anew: reshaping, joining, cutting, repeating."""

from __future__ import annotations

from math import prod

from edgefs_runtime.base.graph.given import Given, RefusedError, Shape, broadcast, named_axes


def flat(given: Given) -> list[Shape]:
    """Two dimensions: what stands before an axis, and what from it on."""
    shape, axis = given.shape(0), given.one("axis", 1)
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def reshaped(given: Given) -> list[Shape]:
    """The same numbers in another shape; 0 in it keeps a size, -1 is what is left."""
    shape, wanted = given.shape(0), given.needed(1)
    sizes = [
        shape[n] if size == 0 and not given.one("allowzero", 0) and n < len(shape) else size
        for n, size in enumerate(wanted)
    ]
    rest = prod(size for size in sizes if size != -1)
    sizes = [prod(shape) // rest if size == -1 and rest else size for size in sizes]
    if prod(sizes) != prod(shape):
        raise RefusedError("reshapes an array into one of another size")
    return [tuple(sizes)]


def transposed(given: Given) -> list[Shape]:
    """The axes in another order."""
    shape = given.shape(0)
    return [tuple(shape[axis] for axis in given.many("perm", [*range(len(shape))][::-1]))]


def joined(given: Given) -> list[Shape]:
    """Arrays one behind the other along an axis."""
    shapes = [given.shape(number) for number in range(len(given.shapes))]
    axis = given.one("axis", 0) % len(shapes[0])
    return [tuple(sum(one[n] for one in shapes) if n == axis else size for n, size in enumerate(shapes[0]))]


def split(given: Given) -> list[Shape]:
    """An array cut into parts along an axis."""
    shape = given.shape(0)
    axis = given.one("axis", 0) % len(shape)
    each = -(-shape[axis] // given.outputs)
    equal = [max(0, min(each, shape[axis] - number * each)) for number in range(given.outputs)]
    parts = given.attributes.get("split") or given.known(1) or equal
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def sliced(given: Given) -> list[Shape]:
    """At most: where it begins may be computed, and what is cut off is never more than there was."""
    shape = list(given.shape(0))
    try:
        starts, ends = given.needed(1), given.needed(2)
        axes, steps = given.known(3) or range(len(starts)), given.known(4) or (1,) * len(starts)
    except RefusedError:
        return [tuple(shape)]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if step < 0 and end < -shape[axis] else end
        shape[axis] = len(range(*slice(start, last, step).indices(shape[axis])))
    return [tuple(shape)]


def squeezed(given: Given) -> list[Shape]:
    """Without axes of one."""
    shape = given.shape(0)
    axes = named_axes(given, len(shape))
    return [tuple(size for n, size in enumerate(shape) if (n not in axes if axes is not None else size != 1))]


def unsqueezed(given: Given) -> list[Shape]:
    """With new axes of one."""
    shape = given.shape(0)
    named = given.attributes.get("axes") or given.needed(1)
    rank = len(shape) + len(named)
    places, rest = {axis % rank for axis in named}, iter(shape)
    return [tuple(1 if n in places else next(rest) for n in range(rank))]


def gathered(given: Given) -> list[Shape]:
    """What stands at chosen places along an axis."""
    shape, axis = given.shape(0), given.one("axis", 0)
    axis %= len(shape)
    return [(*shape[:axis], *given.shape(1), *shape[axis + 1 :])]


def picked(given: Given) -> list[Shape]:
    """Columns of a table."""
    return [(*given.shape(0)[:-1], prod(given.shape(1)))]


def expanded(given: Given) -> list[Shape]:
    """Repeated to a shape, as arrays of two shapes are computed together."""
    return [broadcast(given.shape(0), given.needed(1))]


def tiled(given: Given) -> list[Shape]:
    """Repeated along each axis."""
    return [tuple(size * times for size, times in zip(given.shape(0), given.needed(1), strict=True))]

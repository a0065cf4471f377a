"""Draws K shots of each class, from different parts as far as there are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgefs.data.samples import Sample
from edgefs.data.splits.parts import Part, draw_key, find_parts, parts_by_class
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.wording import counted


@dataclass(frozen=True)
class Draw:
    """The outcome of a draw: positions in the sequence that was drawn from, ascending.

    Attributes:
        shots: K images of each class.
        beside: images that share a part with a shot; neither learned from nor tested on.
        rest: images of untouched parts.
    """

    shots: tuple[int, ...]
    beside: tuple[int, ...]
    rest: tuple[int, ...]


def draw_shots(samples: Sequence[Sample], labels: Sequence[str], shots: int, seed: int, *, spare: int) -> Draw:
    """Draw `shots` different images of each class of `labels`.

    A class's parts are put into a seeded order and taken from the front until they hold enough images and, unless
    that would use up more than half of them, number `shots` too. The shots are drawn from them in turn.

    Args:
        samples: images to draw from.
        labels: classes to draw.
        shots: images of each class.
        seed: picks the draw.
        spare: parts of each class that must be left untouched, for the test: 0 or 1.

    Raises:
        DataError: a class has too few images or parts.
    """
    parts = parts_by_class(find_parts(samples))
    touched: dict[str, Part] = {}
    chosen: list[int] = []
    for label in labels:
        taken = _take_parts(parts.get(label, []), label, shots, spare, seed, touched)
        held = [_different_images(samples, part, label, seed) for part in taken]
        chosen += _in_turn(held, shots)
        touched |= {part.key: part for part in taken}
    for label in labels:
        _check_spare(parts.get(label, []), label, touched, spare, shots)
    members = {position for part in touched.values() for position in part.members}
    return Draw(
        shots=tuple(sorted(chosen)),
        beside=tuple(sorted(members - set(chosen))),
        rest=tuple(position for position in range(len(samples)) if position not in members),
    )


def _take_parts(
    parts: Sequence[Part], label: str, shots: int, spare: int, seed: int, touched: dict[str, Part]
) -> list[Part]:
    """The front of the seeded order, with parts that another class has already touched first: they test nothing."""
    images = {part.key: part.different[label] for part in parts}
    _check_budget(label, sorted(images.values()), shots, spare)
    own = sorted(parts, key=lambda part: (part.key not in touched, draw_key(seed, label, part.key)))
    untouched_needed = own[len(own) - spare :]
    if sum(images.values()) - sum(images[part.key] for part in untouched_needed) < shots:
        smallest = min(own, key=lambda part: images[part.key])  # kept for the test, so that the others suffice
        own.remove(smallest)
        own.append(smallest)
    wanted_parts = min(shots, max(1, len(own) // 2))
    taken: list[Part] = []
    while sum(images[part.key] for part in taken) < shots or len(taken) < wanted_parts:
        taken.append(own[len(taken)])
    return taken


def _different_images(samples: Sequence[Sample], part: Part, label: str, seed: int) -> list[int]:
    """One position for each different file of `label` in `part`, in seeded order: a copy is no second shot."""
    by_digest = {samples[position].digest: position for position in reversed(part.members)}
    own = [position for position in by_digest.values() if samples[position].label == label]
    return sorted(own, key=lambda position: draw_key(seed, samples[position].digest))


def _in_turn(held: list[list[int]], shots: int) -> list[int]:
    """The first of each, then the second of each, and so on."""
    longest = max(len(positions) for positions in held)
    drawn = [positions[turn] for turn in range(longest) for positions in held if turn < len(positions)]
    return drawn[:shots]


def _check_budget(label: str, images: list[int], shots: int, spare: int) -> None:
    """Refuse a class too small for its shots; `images` counts the different images in each part, ascending."""
    usable = images[spare:]
    if sum(usable) < shots:
        test = " and another part for the test" if spare else ""
        cure = f", or ask for at most {counted(sum(usable), 'shot')}" if usable else ""
        raise DataError(
            f"class {label!r} has {counted(sum(images), 'different image')} in {counted(len(images), 'part')}; "
            f"--shots {shots} needs {counted(shots, 'image')}{test}: add images{cure}"
        )


def _check_spare(parts: Sequence[Part], label: str, touched: dict[str, Part], spare: int, shots: int) -> None:
    if sum(part.key not in touched for part in parts) < spare:
        raise DataError(
            f"class {label!r} has {counted(len(parts), 'part')}, shared with other classes, and --shots {shots} "
            "touches all of them; nothing is left for the test: ask for fewer shots or add parts"
        )

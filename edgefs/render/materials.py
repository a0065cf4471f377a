"""Surfaces: what metal, stone, cloth, paint and skin look like from close by, as grey fields.

`MATERIALS` maps a name to a function that draws one float32 `[size,size]` field of mean about 0 and deviation about 1.
`surface` mixes one or two of them, as wear, coating and shadow do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgefs.render.fields import (
    Field,
    Generator,
    cells,
    fractal,
    grain,
    grating,
    noise,
    ridges,
    rings,
    specks,
    standardised,
    streaks,
)

STRAIGHT = 0.4  # share of surfaces whose grain follows the rows or the columns, as it does under a fixed camera


def direction(rng: Generator) -> float:
    """An angle in radians, often along the image's sides."""
    if rng.random() < STRAIGHT:
        return float(rng.integers(2) * np.pi / 2 + rng.normal(0, 0.03))
    return float(rng.uniform(0, np.pi))


def rolled(rng: Generator, size: int) -> Field:
    """Hot- or cold-rolled sheet: grain drawn out along one direction over slow clouds."""
    angle = direction(rng)
    fine = noise(rng, size, size / rng.uniform(1.5, 4), rng.uniform(2, 12), angle)
    clouds = np.float32(rng.uniform(0, 1.5)) * noise(rng, size, rng.uniform(1, 5), rng.uniform(1, 5), angle)
    return np.asarray(fine + clouds, np.float32)


def brushed(rng: Generator, size: int) -> Field:
    """Brushed, ground or drawn metal."""
    angle = direction(rng)
    marks = streaks(rng, size, angle, int(rng.integers(2, 40)))
    return np.asarray(marks + np.float32(rng.uniform(0, 0.8)) * noise(rng, size, size / 3, 10, angle), np.float32)


def turned(rng: Generator, size: int) -> Field:
    """A face turned on a lathe: rings around a point in or out of the picture."""
    centre = (float(rng.normal(0, 0.8)), float(rng.normal(0, 0.8)))
    return rings(rng, size, centre, int(rng.integers(2, 30)))


def milled(rng: Generator, size: int) -> Field:
    """Periodic marks of a tool, a knurl, a weave or a thread, one or two crossing."""
    angle = direction(rng)
    first = grating(rng, size, rng.uniform(2, size / 5), angle, rng.choice((0.0, 0.05, 0.3)))
    if rng.random() < 0.4:
        second = grating(rng, size, rng.uniform(2, size / 5), angle + rng.uniform(0.3, 1.57), 0.0)
        return first * second if rng.random() < 0.5 else first + second
    return first


def stone(rng: Generator, size: int) -> Field:
    """Clouds, rust, concrete, cast iron: a fractal."""
    return fractal(rng, size, rng.uniform(1, 10), rng.uniform(0.4, 0.95), rng.uniform(1, 3), direction(rng))


def veined(rng: Generator, size: int) -> Field:
    """Marble, leather, crazing: folded fractals."""
    return ridges(rng, size, rng.uniform(1.5, 12))


def celled(rng: Generator, size: int) -> Field:
    """Grain boundaries, pebbles, bubbles, scales."""
    return cells(rng, size, int(rng.integers(6, 45)), bool(rng.random() < 0.5))


def sanded(rng: Generator, size: int) -> Field:
    """Sandblasted, cast or powder-coated: fine isotropic grain of one to four pixels."""
    return noise(rng, size, size / rng.uniform(1.2, 4))


def peppered(rng: Generator, size: int) -> Field:
    """Few or many spots, dark or bright."""
    spots = specks(rng, size, int(rng.integers(5, 400)), int(rng.integers(1, 6)))
    return np.asarray(standardised(spots) * np.float32(rng.choice((-1, 1))), np.float32)


def patched(rng: Generator, size: int) -> Field:
    """Two tones with a border between them: oxide, wear, spilled oil."""
    field = fractal(rng, size, rng.uniform(1, 6), rng.uniform(0.3, 0.8), rng.uniform(1, 3), direction(rng))
    return standardised(np.tanh(field * np.float32(rng.uniform(1, 12)) - np.float32(rng.normal(0, 1))))


def stepped(rng: Generator, size: int) -> Field:
    """Terraces: contour lines of a cloud."""
    return standardised(np.floor(fractal(rng, size, 2.0) * np.float32(rng.uniform(1, 5))))


MATERIALS: dict[str, Callable[[Generator, int], Field]] = {
    "rolled": rolled,
    "brushed": brushed,
    "turned": turned,
    "milled": milled,
    "stone": stone,
    "veined": veined,
    "celled": celled,
    "sanded": sanded,
    "peppered": peppered,
    "patched": patched,
    "stepped": stepped,
}
_SHARES = np.array((4, 3, 1.5, 2, 3, 2, 1.5, 3, 1.5, 2, 0.7))


def surface(rng: Generator, size: int) -> Field:
    """One or two materials on top of each other with grain, standardised."""
    names = rng.choice(list(MATERIALS), 2, p=_SHARES / _SHARES.sum())
    field = standardised(MATERIALS[names[0]](rng, size))
    if rng.random() < 0.6:
        share = np.float32(rng.uniform(0.1, 1.0))
        other = standardised(MATERIALS[names[1]](rng, size))
        where = np.clip(noise(rng, size, 1.5) + 0.5, 0, 1) if rng.random() < 0.3 else 1.0
        field = field + share * other * where
    return standardised(field + np.float32(abs(rng.normal(0, 0.3))) * grain(rng, size))

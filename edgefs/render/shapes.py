"""Pictures of things rather than of surfaces: dead leaves, shaded bodies, printed marks.

Each function returns float32 RGB `[size,size,3]` in 0..1. Occlusion, edges at every scale and shading are what
photographs have and stationary textures lack (dead leaves: Lee, Mumford and Huang 2001).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edgefs.render.fields import Field, Generator, coordinates, fractal, noise

Colour = NDArray[np.float32]  # [3], red green blue, 0..1
Picture = NDArray[np.float32]  # [size,size,3]


def palette(rng: Generator, count: int) -> NDArray[np.float32]:
    """`count` colours `[count,3]` that belong together: grey, tinted, or a few free hues."""
    brightness = rng.uniform(0.05, 0.95, (count, 1))
    saturation = rng.choice((0.0, 0.1, 0.5, 1.0), p=(0.35, 0.2, 0.25, 0.2))
    base = rng.uniform(0, 1, 3)
    hues = base + rng.normal(0, rng.choice((0.05, 0.4)), (count, 3))
    return np.asarray(
        np.clip(brightness * (1 - saturation + 2 * saturation * np.clip(hues, 0, 1)), 0, 1).astype(np.float32),
        np.float32,
    )


def dead_leaves(rng: Generator, size: int) -> Picture:
    """Opaque shapes of every size, later ones in front, some textured, some with a soft shadow along one side."""
    canvas = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(canvas)
    count = int(rng.integers(15, 90))
    colours = (palette(rng, count) * 255).astype(int)
    radii = np.sort(0.02 + 0.5 * rng.pareto(2.0, count).clip(0, 2))[::-1] * size * rng.uniform(0.15, 0.5)
    kinds = rng.choice(4, 2)
    for colour, radius in zip(colours, radii, strict=True):
        _leaf(rng, draw, int(rng.choice(kinds)), float(radius), size, tuple(colour.tolist()))
    picture = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    texture = 1 + np.float32(rng.uniform(0, 0.25)) * fractal(rng, size, rng.uniform(4, 20), 0.7)
    return np.asarray(picture * texture[:, :, None], np.float32)


def bodies(rng: Generator, size: int) -> Picture:
    """A few shaded round, flat or ring-shaped bodies on a ground: what a part on a table looks like."""
    ground, *colours = palette(rng, 7)
    picture = ground * (1 + np.float32(0.15) * noise(rng, size, 2)[:, :, None])
    light = rng.uniform(0, 2 * np.pi)
    for colour in colours[: int(rng.integers(1, 7))]:
        inside, depth = _body(rng, size, light)
        shaded = colour * (0.35 + 0.8 * depth)[:, :, None]
        picture = picture + (shaded - picture) * inside[:, :, None]
    return np.asarray(picture, np.float32)


def marks(rng: Generator, size: int) -> Picture:
    """Letters, digits and bars printed or engraved on a ground."""
    ground, ink, other = (palette(rng, 3) * 255).astype(int)
    canvas = Image.new("RGB", (size, size), tuple(ground.tolist()))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 6))):
        text = "".join(chr(code) for code in rng.integers(48, 91, int(rng.integers(1, 7))))
        at = (float(rng.uniform(-0.1, 0.7)) * size, float(rng.uniform(-0.1, 0.8)) * size)
        draw.text(
            at, text, fill=tuple(ink.tolist()), font=_font(max(6, int(size * rng.choice((0.08, 0.15, 0.3, 0.6)))))
        )
        corner = rng.uniform(0, size, 2)
        sides = rng.uniform(1, size * 0.3, 2)
        draw.rectangle((*corner.tolist(), *(corner + sides).tolist()), outline=tuple(other.tolist()))
    turned = canvas.rotate(float(rng.normal(0, 20)), Image.Resampling.BILINEAR, fillcolor=tuple(ground.tolist()))
    picture: Picture = np.asarray(turned, dtype=np.float32) / np.float32(255)
    return picture


@functools.lru_cache(maxsize=32)
def _font(height: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Font of a height, kept: reading one costs more than rendering an image."""
    return ImageFont.load_default(height)


def _leaf(
    rng: Generator, draw: ImageDraw.ImageDraw, kind: int, radius: float, size: int, fill: tuple[int, ...]
) -> None:
    x, y = rng.uniform(-0.1, 1.1, 2) * size
    a, b = radius * rng.uniform(0.4, 1.6, 2)
    if kind == 0:
        draw.ellipse((x - a, y - b, x + a, y + b), fill=fill)
    elif kind == 1:
        draw.rectangle((x - a, y - b, x + a, y + b), fill=fill)
    elif kind == 2:
        turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        draw.polygon([(x + a * float(np.cos(t)), y + b * float(np.sin(t))) for t in turns], fill=fill)
    else:
        turn = rng.uniform(0, np.pi)
        reach = 4 * radius * np.array((np.cos(turn), np.sin(turn)))
        draw.line((x - reach[0], y - reach[1], x + reach[0], y + reach[1]), fill=fill, width=max(1, int(radius / 4)))


def _body(rng: Generator, size: int, light: float) -> tuple[Field, Field]:
    """Coverage and brightness, both `[size,size]`, of one body lit from `light`."""
    x, y = coordinates(size)
    centre_x, centre_y = rng.uniform(-0.8, 0.8, 2).astype(np.float32)
    turn = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    half_x, half_y = (rng.uniform(0.1, 0.7) * rng.uniform(0.4, 1, 2)).astype(np.float32)
    u = ((x - centre_x) * cos + (y - centre_y) * sin) / half_x
    v = ((y - centre_y) * cos - (x - centre_x) * sin) / half_y
    kind = rng.integers(4)
    distance = np.maximum(np.abs(u), np.abs(v)) if kind == 3 else np.hypot(u, v)
    inside = np.clip((1 - distance) * np.float32(size / 2) * min(half_x, half_y), 0, 1)
    if kind == 2:
        hole = np.float32(rng.uniform(0.2, 0.8))
        inside = inside * np.clip((distance - hole) * np.float32(size / 2) * min(half_x, half_y), 0, 1)
    tilt = u * np.float32(np.cos(light - turn)) + v * np.float32(np.sin(light - turn))
    if kind in (0, 2):
        depth = np.clip(0.5 + 0.5 * tilt, 0, 1.2)
    else:
        height = np.sqrt(np.clip(1 - np.minimum(distance, 1) ** 2, 0, 1))
        depth = np.clip(0.25 + 0.6 * height + 0.4 * tilt, 0, 1.3)
    return inside, depth

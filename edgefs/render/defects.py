"""Shapes of defects, as masks, and what a mask does to a surface.

A mask is float32 `[size,size]`, 0 where the surface is sound and 1 in the core of the defect. Places and lengths are
fractions of the image's side, angles are radians. `relief` and `darken` turn a mask into light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from edgefs.render.fields import Field, Generator, enlarged, fractal

OVERSAMPLE = 2  # Pillow draws without antialiasing: masks are drawn larger and reduced

Point = tuple[float, float]
Line = NDArray[np.float64]  # one value a step


def scratch_mask(rng: Generator, size: int, start: Point, length: float, angle: float, width: float) -> Field:
    """A nearly straight, tapering line; `width` in pixels of the result."""
    steps = 12
    bend = rng.normal(0, 0.25)
    angles = angle + bend * np.linspace(-0.5, 0.5, steps) + rng.normal(0, 0.04, steps)
    path = _walk(start, angles, length / steps)
    thickness = width * (0.35 + 0.65 * np.sin(np.linspace(0.25, np.pi - 0.2, steps)))
    return _strokes(size, [(path, thickness)], blur=0.35)


def crack_mask(rng: Generator, size: int, start: Point, length: float, angle: float, width: float) -> Field:
    """A jagged line that forks; thinner towards its ends."""
    strokes: list[tuple[Field, Line]] = []
    queue = [(start, length, angle, width)]
    while queue and len(strokes) < 6:
        at, reach, heading, thick = queue.pop(0)
        steps = max(int(reach * 40), 5)
        path = _walk(at, heading + np.cumsum(rng.normal(0, 0.22, steps)) + rng.normal(0, 0.5, steps), reach / steps)
        strokes.append((path, thick * np.linspace(1, 0.35, steps)))
        for _ in range(int(rng.integers(0, 3))):
            fork = path[int(rng.integers(1, len(path)))]
            turn = rng.choice((-1, 1)) * rng.uniform(0.5, 1.1)
            queue.append(((float(fork[0]), float(fork[1])), reach * rng.uniform(0.3, 0.6), heading + turn, thick * 0.7))
    return _strokes(size, strokes, blur=0.3)


def blob_mask(
    rng: Generator, size: int, centre: Point, radius: float, roughness: float, soft: float, stretch: float = 1.0
) -> Field:
    """A closed, wobbly outline; `roughness` 0 is an ellipse, `soft` is the blur of its edge in pixels."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wobble = sum(
        rng.normal(0, roughness / order) * np.cos(order * turn + rng.uniform(0, 6.28)) for order in range(2, 7)
    )
    reach = radius * np.maximum(1 + wobble, 0.2)
    tilt = rng.uniform(0, np.pi)
    along, across = reach * np.cos(turn) * np.sqrt(stretch), reach * np.sin(turn) / np.sqrt(stretch)
    x = centre[0] + along * np.cos(tilt) - across * np.sin(tilt)
    y = centre[1] + along * np.sin(tilt) + across * np.cos(tilt)
    canvas = Image.new("L", (size, size))
    ImageDraw.Draw(canvas).polygon([(float(a) * size, float(b) * size) for a, b in zip(x, y, strict=True)], fill=255)
    return _as_mask(canvas.filter(ImageFilter.GaussianBlur(max(soft, 0.5))))


def pits_mask(rng: Generator, size: int, centre: Point, spread: float, count: int, radius: float) -> Field:
    """A cloud of small round holes; `radius` in pixels of the result."""
    canvas = Image.new("L", (size * OVERSAMPLE, size * OVERSAMPLE))
    draw = ImageDraw.Draw(canvas)
    for x, y in rng.normal(centre, spread, (count, 2)) * size * OVERSAMPLE:
        a, b = rng.uniform(0.5, 1.2, 2) * radius * OVERSAMPLE
        draw.ellipse((x - a, y - b, x + a, y + b), fill=int(rng.integers(140, 256)))
    return _as_mask(canvas.reduce(OVERSAMPLE))


def scale_mask(rng: Generator, size: int, centre: Point, radius: float, cover: float) -> Field:
    """Flakes inside a soft blob: rolled-in scale, rust, peeling; `cover` 0..1 is how much of it is flakes."""
    texture = fractal(rng, size, rng.uniform(6, 16), 0.7, rng.uniform(1, 3), rng.uniform(0, np.pi))
    inside = blob_mask(rng, size, centre, radius, 0.3, size * 0.03, rng.uniform(1, 2.5))
    return np.asarray(np.clip((texture + np.float32(2 * cover - 1)) * 2, 0, 1) * inside, np.float32)


def darken(surface: Field, mask: Field, depth: float) -> Field:
    """Darken by `depth` (0..1; negative brightens) where the mask is 1."""
    return np.asarray(surface * (1 - np.float32(depth) * mask), np.float32)


def relief(surface: Field, height: Field, light: float, strength: float) -> Field:
    """Light from direction `light` on a surface raised (or, with negative strength, sunk) by `height`."""
    slope_y, slope_x = np.gradient(height)
    shade = slope_x * np.float32(np.cos(light)) + slope_y * np.float32(np.sin(light))
    return np.asarray(surface * (1 - np.clip(np.float32(strength) * shade, -0.9, 0.9)), np.float32)


def random_mask(rng: Generator, size: int) -> tuple[Field, str]:
    """One defect of any kind anywhere, with its kind."""
    centre = (float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.9)))
    angle = float(rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.1)) if rng.random() < 0.3 else rng.uniform(0, 6.28)
    scale = size / 128
    kind = str(rng.choice(("scratch", "crack", "blob", "soft", "pits", "scale", "mesh")))
    if kind == "scratch":
        mask = scratch_mask(rng, size, centre, rng.uniform(0.1, 0.9), angle, rng.uniform(0.7, 4) * scale)
    elif kind == "crack":
        mask = crack_mask(rng, size, centre, rng.uniform(0.15, 0.7), angle, rng.uniform(0.7, 2.5) * scale)
    elif kind == "blob":
        mask = blob_mask(rng, size, centre, rng.uniform(0.01, 0.15), rng.uniform(0, 0.4), scale, rng.uniform(1, 6))
    elif kind == "soft":
        mask = blob_mask(rng, size, centre, rng.uniform(0.05, 0.4), 0.4, rng.uniform(2, 8) * scale, rng.uniform(1, 3))
    elif kind == "pits":
        mask = pits_mask(
            rng, size, centre, rng.uniform(0.03, 0.4), int(rng.integers(3, 60)), rng.uniform(0.6, 3) * scale
        )
    elif kind == "scale":
        mask = scale_mask(rng, size, centre, rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.7))
    else:
        mask = np.clip(enlarged(_mesh(rng), size), 0, 1)
    return mask, kind


def _mesh(rng: Generator) -> Field:
    """A net of fine cracks on a 64 x 64 grid: crazing."""
    veins = np.abs(fractal(rng, 64, rng.uniform(4, 12), 0.7, rng.uniform(1, 2), rng.uniform(0, np.pi)))
    return np.clip(1 - veins * rng.uniform(4, 10), 0, 1)


def _walk(start: Point, angles: Line, step: float) -> Field:
    """Points `[len(angles)+1,2]` reached by equal steps in the given directions."""
    moves = np.stack([np.cos(angles), np.sin(angles)], axis=1) * step
    return np.concatenate([[start], start + np.cumsum(moves, axis=0)]).astype(np.float32)


def _strokes(size: int, strokes: list[tuple[Field, Line]], blur: float) -> Field:
    canvas = Image.new("L", (size * OVERSAMPLE, size * OVERSAMPLE))
    draw = ImageDraw.Draw(canvas)
    for path, thickness in strokes:
        points = [(float(x), float(y)) for x, y in path * size * OVERSAMPLE]
        for begin, end, width in zip(points[:-1], points[1:], thickness, strict=True):
            draw.line((begin, end), fill=255, width=max(1, round(float(width) * OVERSAMPLE)))
    return _as_mask(canvas.reduce(OVERSAMPLE).filter(ImageFilter.GaussianBlur(blur)))


def _as_mask(canvas: Image.Image) -> Field:
    mask: Field = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    return mask

"""Scalar fields: the noises, gratings and cells that procedural surfaces are mixed from.

Every function returns a float32 `[size,size]` field drawn from `rng`, with mean about 0 and deviation about 1 unless it
says otherwise. Fields are smooth where they can be: a small random grid is enlarged by Pillow, which is what makes a
whole image cost milliseconds.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]
Generator = np.random.Generator

LIFT = np.float32(1.4)  # interpolation takes away a third of the noise's deviation; this gives it back


def standardised(field: Field) -> Field:
    """The field with mean 0 and deviation 1; a constant field becomes zeros."""
    centred = field - field.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-6), np.float32)


def unit(field: Field) -> Field:
    """The field stretched to 0..1."""
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)


@functools.lru_cache(maxsize=8)
def coordinates(size: int) -> tuple[Field, Field]:
    """Columns x and rows y of every pixel, from -1 to 1; shared, so not to be written to."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def along(size: int, angle: float) -> Field:
    """Distance from the centre along a direction, -1.4 to 1.4; `angle` in radians, 0 = along the rows."""
    x, y = coordinates(size)
    return np.asarray(x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)), np.float32)


def noise(rng: Generator, size: int, cells: float, stretch: float = 1.0, angle: float = 0.0) -> Field:
    """Smooth noise.

    Args:
        rng: source of every random choice.
        size: height and width, pixels.
        cells: number of bumps across the image.
        stretch: how much longer than wide a bump is; 1 = round.
        angle: direction of the long side, radians.
    """
    across, long = size / cells, size / cells * stretch  # pixels a bump takes, across and along
    grid_width, grid_height = int(1.5 * size / long) + 5, int(1.5 * size / across) + 5
    grid = Image.fromarray(rng.standard_normal((grid_height, grid_width), dtype=np.float32))
    cos, sin = np.cos(angle), np.sin(angle)
    centre = size / 2
    place = (
        cos / long, sin / long, grid_width / 2 - (cos + sin) * centre / long,
        -sin / across, cos / across, grid_height / 2 + (sin - cos) * centre / across,
    )  # fmt: skip
    # Bilinear costs less and, on large turned bumps, leaves faint creases like folds.
    creased = angle != 0.0 and across >= size / 6
    resample = Image.Resampling.BILINEAR if creased else Image.Resampling.BICUBIC
    turned = grid.transform((size, size), Image.Transform.AFFINE, place, resample)
    field: Field = np.asarray(turned) * LIFT
    return field


def grain(rng: Generator, size: int) -> Field:
    """White noise of one pixel."""
    return rng.standard_normal((size, size), dtype=np.float32)


def fractal(
    rng: Generator, size: int, cells: float = 3.0, roughness: float = 0.5, stretch: float = 1.0, angle: float = 0.0
) -> Field:
    """Noise of four octaves, each with twice the cells and `roughness` times the amplitude: clouds, rust, stone."""
    total = noise(rng, size, cells, stretch, angle)
    amplitude = 1.0
    for _ in range(3):
        cells *= 2.1
        amplitude *= roughness
        if cells > size / 2:
            break
        total = total + np.float32(amplitude) * noise(rng, size, cells, stretch, angle)
    return standardised(total)


def ridges(rng: Generator, size: int, cells: float = 4.0) -> Field:
    """Fractal folded at zero: veins, wrinkles, crazing; the veins are high."""
    return standardised(-np.abs(fractal(rng, size, cells, 0.6)))


def profile(rng: Generator, length: int, smooth: int) -> Field:
    """A random line `[length]`: a sum of white noise at several widths up to `smooth` pixels."""
    line = rng.standard_normal(length, dtype=np.float32) * np.float32(rng.uniform(0.2, 1.0))
    width = 2
    while width <= smooth:
        knots = rng.standard_normal(length // width + 2, dtype=np.float32)
        line = line + np.interp(np.arange(length) / width, np.arange(len(knots)), knots).astype(np.float32)
        width *= 3
    return standardised(line)


def streaks(rng: Generator, size: int, angle: float, smooth: int = 12) -> Field:
    """A random profile drawn out along a direction: brushing, rolling and drawing marks."""
    line = profile(rng, 2 * size, smooth)
    position = (along(size, angle + np.pi / 2) * (size / 2) + size).astype(np.int32)
    return line[np.clip(position, 0, 2 * size - 1)]


def rings(rng: Generator, size: int, centre: tuple[float, float] = (0.0, 0.0), smooth: int = 8) -> Field:
    """A random profile turned around a centre (x, y in -1..1): what a lathe leaves."""
    x, y = coordinates(size)
    radius = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1]))
    line = profile(rng, 3 * size, smooth)
    return np.asarray(line[np.clip((radius * (size / 2)).astype(np.int32), 0, 3 * size - 1)], np.float32)


def grating(rng: Generator, size: int, periods: float, angle: float, warp: float = 0.0) -> Field:
    """A periodic wave, sine, square, saw or rectified, bent by noise of `warp` periods: milling, threads, weave."""
    phase = along(size, angle) * np.float32(np.pi * periods) + np.float32(rng.uniform(0, 6.28))
    if warp:
        phase = phase + np.float32(warp * 6.28) * noise(rng, size, rng.uniform(1, 4))
    wave = np.sin(phase)
    shape = rng.integers(4)
    if shape == 1:
        wave = np.sign(wave)
    elif shape == 2:
        wave = (phase / np.float32(2 * np.pi)) % np.float32(1)
    elif shape == 3:
        wave = np.abs(wave)
    return standardised(wave)


def cells(rng: Generator, size: int, count: int, borders: bool) -> Field:
    """Voronoi cells (Worley 1996): distance to the nearest of `count` points, or to the borders between them."""
    x, y = coordinates(48)
    points = rng.uniform(-1.1, 1.1, (count, 2, 1, 1)).astype(np.float32)
    distance = np.hypot(x - points[:, 0], y - points[:, 1])  # [count,48,48]
    nearest = np.partition(distance, 1, axis=0) if borders else distance.min(axis=0, keepdims=True)
    field = np.minimum(nearest[1] - nearest[0], 0.25) if borders else nearest[0]
    return standardised(enlarged(field, size))


def specks(rng: Generator, size: int, count: int, blur: int) -> Field:
    """`count` single points spread over `blur` pixels each; 0 where there is none, 1 at the strongest."""
    small = max(size // max(blur, 1), 8)
    grid = np.zeros((small, small), np.float32)
    grid[rng.integers(0, small, count), rng.integers(0, small, count)] = rng.uniform(0.3, 1, count)
    return np.clip(enlarged(grid, size), 0, 1)


def enlarged(field: Field, size: int) -> Field:
    """A small field `[h,w]` brought to `[size,size]`."""
    return np.asarray(Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC))

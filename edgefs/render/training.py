"""Training images: anything an inspection camera might see, and much that it won't.

`render_training_image` draws a scene (a surface with defects, dead leaves, bodies on a table, printed marks, an
abstract), puts light on it and photographs it with a camera of varying quality. What counts for distilling a network
is that no two images are alike; nothing here is meant to be any real data set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgefs.render.defects import darken, random_mask, relief
from edgefs.render.fields import Field, Generator, along, coordinates, noise, unit
from edgefs.render.materials import surface
from edgefs.render.shapes import Picture, bodies, dead_leaves, marks, palette

_SCENES = ("surface", "leaves", "bodies", "marks", "abstract", "collage")
_SHARES = (0.56, 0.14, 0.08, 0.04, 0.1, 0.08)


def render_training_image(rng: Generator, size: int) -> NDArray[np.uint8]:
    """One random image.

    Args:
        rng: source of every random choice; the same state gives the same image.
        size: height and width, pixels; what is drawn scales with it.

    Returns:
        uint8 RGB `[size,size,3]`.
    """
    return _photographed(rng, _lit(rng, _scene(rng, size)))


def render_training_images(task: tuple[Sequence[int], int, int]) -> NDArray[np.uint8]:
    """Render (seed, count, size) as uint8 RGB `[count,size,size,3]`; one argument, for a pool of processes."""
    seed, count, size = task
    rng = np.random.default_rng(seed)
    return np.stack([render_training_image(rng, size) for _ in range(count)])


def _scene(rng: Generator, size: int) -> Picture:
    kind = rng.choice(_SCENES, p=_SHARES)
    if kind == "surface":
        return _coloured(rng, _defective_surface(rng, size))
    if kind == "leaves":
        return dead_leaves(rng, size)
    if kind == "bodies":
        return _textured(rng, bodies(rng, size))
    if kind == "marks":
        return _textured(rng, marks(rng, size))
    if kind == "abstract":
        return _gradient_map(rng, surface(rng, size))
    return _collage(rng, size)


def _defective_surface(rng: Generator, size: int) -> Field:
    """Brightness around 1 of a material with up to four defects of one or two kinds."""
    contrast = np.float32(np.exp(rng.normal(-2.3, 0.7)))  # deviation over mean: 0.03 to 0.4
    field = np.clip(1 + contrast * surface(rng, size), 0.02, 3)
    for _ in range(int(rng.choice(5, p=(0.2, 0.3, 0.25, 0.15, 0.1)))):
        mask, kind = random_mask(rng, size)
        depth = rng.uniform(0.15, 0.9)
        if kind != "mesh" and rng.random() < 0.35:
            field = relief(field, mask, rng.uniform(0, 6.28), rng.uniform(1, 6) * size / 128)
            depth *= 0.3
        elif rng.random() < 0.35:
            depth = -rng.uniform(0.2, 1.5)
        field = darken(field, mask, float(depth))
    return np.asarray(field, np.float32)


def _coloured(rng: Generator, field: Field) -> Picture:
    """Colour mostly in grey, as inspection cameras see; else one tint, or another tint in the shadows."""
    tint = palette(rng, 1)[0]
    tint = tint / max(float(tint.max()), 0.2)
    if rng.random() < 0.6:
        tint = np.ones(3, np.float32)
    brightness = np.float32(rng.uniform(0.15, 0.8))
    return np.asarray(brightness * field[:, :, None] * tint, np.float32)


def _gradient_map(rng: Generator, field: Field) -> Picture:
    """A field through a scale of three to six colours."""
    stops = palette(rng, int(rng.integers(3, 7)))
    position = unit(field) * np.float32(len(stops) - 1.001)
    low = position.astype(np.int32)
    share = (position - low)[:, :, None]
    return np.asarray(stops[low] * (1 - share) + stops[low + 1] * share, np.float32)


def _textured(rng: Generator, picture: Picture) -> Picture:
    contrast = np.float32(rng.uniform(0, 0.2))
    return np.asarray(picture * (1 + contrast * surface(rng, len(picture)))[:, :, None], np.float32)


def _collage(rng: Generator, size: int) -> Picture:
    """Two scenes on either side of a wavy or a sharp border."""
    first, second = _scene(rng, size), _scene(rng, size)
    border = along(size, rng.uniform(0, 6.28)) + np.float32(rng.choice((0.0, 0.15))) * noise(rng, size, 3)
    share = np.clip((border - np.float32(rng.normal(0, 0.4))) * np.float32(size * rng.choice((0.02, 0.5))) + 0.5, 0, 1)
    return np.asarray(first + (second - first) * share[:, :, None], np.float32)


def _lit(rng: Generator, picture: Picture) -> Picture:
    """Uneven light: a slope, a spot, a vignette, a blind's shadow."""
    size = len(picture)
    light = 1 + np.float32(rng.uniform(0, 0.6)) * along(size, rng.uniform(0, 6.28))
    if rng.random() < 0.3:
        x, y = coordinates(size)
        place = rng.normal(0, 0.6, 2).astype(np.float32)
        spot = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / np.float32(rng.uniform(0.05, 1.0)))
        light = light + np.float32(rng.uniform(-0.4, 1.2)) * spot
    if rng.random() < 0.2:
        light = light * (1 + np.float32(rng.uniform(0.1, 0.4)) * np.tanh(3 * noise(rng, size, 2)))
    return np.asarray(picture * np.clip(light, 0.05, 3)[:, :, None], np.float32)


def _photographed(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """Exposure, tone curve, blur of the lens, noise of the sensor, grey or colour, eight bits."""
    if rng.random() < 0.45:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.5:
        picture = _exposed(rng, picture)
    picture = np.clip(picture, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.25:
        picture = 1 - picture
    if rng.random() < 0.5:
        channels = 3 if rng.random() < 0.3 else 1
        noisy = rng.standard_normal((*picture.shape[:2], channels), dtype=np.float32)
        picture = picture + np.float32(abs(rng.normal(0, 0.03))) * noisy
    pixels = (np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint8)
    if rng.random() < 0.3:
        blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5) * len(pixels) / 128))
        pixels = np.asarray(blurred)
    return np.asarray(pixels, np.uint8)


def _exposed(rng: Generator, picture: Picture) -> Picture:
    """Stretch so that a random mean and contrast come out, from faint to harsh."""
    mean, deviation = float(picture.mean()), max(float(picture.std()), 0.01)
    wanted = np.float32(np.exp(rng.normal(-1.9, 0.6)))
    gain = min(float(wanted) / deviation, 12.0)
    return np.asarray((picture - np.float32(mean)) * np.float32(gain) + np.float32(rng.uniform(0.25, 0.75)), np.float32)

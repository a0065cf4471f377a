"""Simulated changes of a camera or a lamp, for benchmarks: each takes and gives a Pillow image in RGB.

They are made on the image as it came from the disk, before the bundle's own resizing, with fixed settings; noise is
seeded by the caller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.float64]  # [H,W,3], 0 to 1
Step = Callable[[Image.Image, np.random.Generator], Image.Image]


def _tone(change: Callable[[Pixels], Pixels]) -> Step:
    def step(image: Image.Image, _rng: np.random.Generator) -> Image.Image:
        return _image(change(_pixels(image)))

    return step


def _vignette(strength: float) -> Step:
    """Darker towards the corners, about a centre off the middle: a lamp that was moved."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        y, x = np.linspace(-1, 1, height)[:, None] - 0.2, np.linspace(-1, 1, width)[None] + 0.3
        return np.asarray(pixels * (1 - strength * np.clip((x**2 + y**2) / 2, 0, 1))[:, :, None])

    return _tone(change)


def _blur(radius: float) -> Step:
    """Put out of focus by a Gaussian of `radius` pixels at 200 pixels height."""
    return lambda image, _rng: image.filter(ImageFilter.GaussianBlur(radius * image.height / 200))


def _noise(deviation: float) -> Step:
    """Add noise of the sensor; standard deviation in grey levels of 255."""

    def step(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        pixels = _pixels(image)
        return _image(pixels + rng.normal(0, deviation / 255, pixels.shape))

    return step


def _zoom(factor: float) -> Step:
    def step(image: Image.Image, _rng: np.random.Generator) -> Image.Image:
        width, height = image.size
        left, top = (width - width / factor) / 2, (height - height / factor) / 2
        box = (left, top, width - left, height - top)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)

    return step


def _cast(*gains: float) -> Step:
    return _tone(lambda pixels: pixels * np.array(gains))


CHANGES: dict[str, tuple[Step, ...]] = {
    "none": (),
    "gain 0.7": (_cast(0.7, 0.7, 0.7),),
    "gamma 1.5": (_tone(lambda pixels: pixels**1.5),),
    "contrast 0.6": (_tone(lambda pixels: 0.5 + 0.6 * (pixels - 0.5)),),
    "vignette": (_vignette(0.7),),
    "blur": (_blur(1.2),),
    "noise": (_noise(12),),
    "colour cast": (_cast(1.15, 1.0, 0.75),),
    "zoom 1.15": (_zoom(1.15),),
    "lamp": (_cast(1.2, 1.15, 0.95), _tone(lambda pixels: pixels**0.8), _vignette(0.4)),
    "camera": (_zoom(1.08), _blur(0.8), _cast(0.9, 0.85, 0.8), _noise(6)),
}


def changed(image: Image.Image, change: str, seed: int) -> Image.Image:
    """An image as the changed camera would have given it."""
    rng = np.random.default_rng(seed)
    image = image.convert("RGB")
    for step in CHANGES[change]:
        image = step(image, rng)
    return image


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, np.float64) / 255


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))

"""The frames that are decided about while measuring: real ones, or rendered ones of a camera's size.

Each is held twice, as a camera hands it over (an array) and as a file (encoded): decoding a frame may cost more than
everything after it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import Pixels, open_image, read_file

CAMERA_SIZE = (1920, 1080)  # width, height in pixels of a usual inspection camera
_MOST_FRAMES = 16
_MOST_PIXELS = 50_000_000  # of a frame that is rendered
_MOST_BYTES = 400_000_000  # of frames held in memory
_RENDERED = 5
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class BenchFrame:
    """One frame: `pixels` `[H,W]` or `[H,W,3]`, the same as a file's bytes, and what it is called."""

    name: str
    pixels: Pixels
    encoded: bytes


@dataclass(frozen=True)
class Frames:
    """What is decided about, again and again from the first on.

    Attributes:
        source: `files` or `rendered`.
        frames: at least one.
    """

    source: str
    frames: tuple[BenchFrame, ...]

    def __getitem__(self, number: int) -> BenchFrame:
        """The frame of any number, from 0 on without end."""
        return self.frames[number % len(self.frames)]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The different (width, height), pixels."""
        return sorted({(frame.pixels.shape[1], frame.pixels.shape[0]) for frame in self.frames})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "source": self.source,
            "count": len(self.frames),
            "sizes": [list(size) for size in self.sizes],
            "encoded_bytes": round(sum(len(frame.encoded) for frame in self.frames) / len(self.frames)),
        }


def read_frames(paths: Sequence[Path]) -> Frames:
    """Real frames, of which the first 16 or the first 400 MB are kept.

    Raises:
        ImageError: none was given, or one can't be read; the message names it.
    """
    if not paths:
        raise ImageError("no frame was given; name at least one image")
    kept: list[BenchFrame] = []
    held = 0
    for path in paths[:_MOST_FRAMES]:
        try:
            encoded = read_file(path)
            pixels = np.ascontiguousarray(open_image(encoded).pixels)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
        held += pixels.nbytes
        if kept and held > _MOST_BYTES:
            break
        kept.append(BenchFrame(str(path), pixels, encoded))
    return Frames("files", tuple(kept))


def render_frames(size: tuple[int, int] = CAMERA_SIZE, seed: int = 0) -> Frames:
    """Colour frames of a round part on brushed metal, the same every time; as files they are JPEG of quality 90.

    Args:
        size: width and height, pixels.
        seed: of what differs between them.

    Raises:
        ImageError: the size is empty, or more than a frame may have.
    """
    width, height = size
    if min(size) < 1 or width * height > _MOST_PIXELS:
        raise ImageError(f"a camera of {width} x {height} pixels: expected at least 1 x 1 and at most {_MOST_PIXELS:,}")
    count = max(1, min(_RENDERED, _MOST_BYTES // (3 * width * height)))
    frames = []
    for number in range(count):
        pixels = _render(width, height, np.random.default_rng((seed, number)))
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY)
        frames.append(BenchFrame(f"rendered frame {number + 1}", pixels, file.getvalue()))
    return Frames("rendered", tuple(frames))


def _render(width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 RGB `[H,W,3]`."""
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    brushed = rng.normal(0, 5, (height, 1)).astype(np.float32)
    noise = rng.normal(0, 3, (height, width)).astype(np.float32)
    grey = 150 + 35 * x - 20 * y**2 + brushed + noise
    left, top = rng.uniform(-0.3, 0.3, 2)
    part = (x - left) ** 2 + (y - top) ** 2
    grey -= 60 * (part < 0.3) + 40 * (part < 0.05)
    grey += 50 * (np.abs(y - top - rng.uniform(-1, 1) * (x - left)) < 0.01)  # a scratch
    colour = grey[:, :, None] * np.array([1.0, 0.97, 0.92], np.float32)
    return np.asarray(np.clip(colour, 0, 255), np.uint8)

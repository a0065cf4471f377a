"""What a bundle is tested on at the device: rendered pictures, never a customer's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNT = 4


def golden_inputs(size: tuple[int, int]) -> NDArray[np.uint8]:
    """`COUNT` smooth random pictures, uint8 RGB `[COUNT,H,W,3]`, the same for every bundle of this input size."""
    rng = np.random.default_rng(20260)
    return np.stack([_picture(rng, size) for _ in range(COUNT)])


def _picture(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Three octaves of coloured noise: edges and plains, so that no stage of a network sees nothing."""
    height, width = size
    picture = np.zeros((height, width, 3), np.float32)
    for side, weight in ((3, 0.5), (9, 0.3), (31, 0.2)):
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
        picture += weight * np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return np.asarray(np.clip(np.rint((picture - 127.5) * 1.8 + 127.5), 0, 255), np.uint8)

"""What is seen of a picture with transparent parts: it lies on black.

Transparent pixels hide arbitrary colours: the rest of a background, what an optimiser found to compress best. The part
is what is seen. An alpha channel that is 0 everywhere hides the whole picture and is none: programs that write 32-bit
pixels often leave the fourth byte unset, and what shows such files passes over it.
"""

from __future__ import annotations

import numpy as np

from edgefs_runtime.images.picture import Pixels, strips


def lay_on_black(colour: Pixels, alpha: Pixels) -> None:
    """Multiply `colour` `[H,W]` or `[H,W,3]`, in place, by `alpha` `[H,W]` of its dtype; the greatest hides nothing."""
    if not alpha.any():
        return
    for rows in strips(*alpha.shape):
        colour[rows] = blended(colour[rows], alpha[rows])


def blended(colour: Pixels, alpha: Pixels) -> Pixels:
    """`colour` `[H,W]` or `[H,W,3]` on black, rounded to the nearest as Pillow's `alpha_composite` does."""
    bits = 8 * colour.dtype.itemsize
    if alpha.min() == 2**bits - 1:
        return colour
    wide = np.dtype(f"u{2 * colour.dtype.itemsize}")
    product = np.multiply(colour, alpha[:, :, None] if colour.ndim == 3 else alpha, dtype=wide)
    product += wide.type(1 << (bits - 1))
    product += product >> bits  # divides by 2**bits - 1
    product >>= bits
    return product.astype(colour.dtype)


def hide_key(colour: Pixels, key: tuple[int, ...]) -> None:
    """Blacken `colour` `[H,W]` or `[H,W,3]`, in place, where it has the one value that stands for transparent."""
    for rows in strips(*colour.shape[:2]):
        strip = colour[rows]
        hidden = strip == np.array(key if colour.ndim == 3 else key[0], colour.dtype)
        strip[hidden.all(axis=2) if colour.ndim == 3 else hidden] = 0

"""The rendered pictures in tests/golden/images, from which the golden RUNs, bundles and galleries were made."""

from __future__ import annotations

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGES = GOLDEN / "images"
KINDS = ("good", "stripes", "dots")  # what `adapt` was given; `checks` is taught on the device


def parts(kind: str, first: int, count: int) -> list[Path]:
    """`count` pictures of a kind, in their order, from number `first` on."""
    return [IMAGES / kind / f"{kind}-{number:03}.png" for number in range(first, first + count)]

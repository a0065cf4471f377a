"""One flipped bit in a file, put back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def flipped(path: Path, chance: random.Random) -> Iterator[int]:
    """Flip one bit of the file for the length of a `with` block, which is given the place of its byte."""
    at, bit = chance.randrange(path.stat().st_size), 1 << chance.randrange(8)
    _flip(path, at, bit)
    try:
        yield at
    finally:
        if path.exists():
            _flip(path, at, bit)


def _flip(path: Path, at: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0] ^ bit
        file.seek(at)
        file.write(bytes([byte]))

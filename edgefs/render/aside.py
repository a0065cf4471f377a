"""Pictures rendered by another process while this one does something else.

Rendering is hundreds of small steps of Python and numpy, which a thread does no faster: it takes turns with all others.
The process finds its modules where this one does, and runs nothing of the caller's: a script that calls the library
needs no `if __name__ == "__main__"`, as it would for `multiprocessing`.
"""

from __future__ import annotations

import io
import math
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, TimeoutError

import numpy as np
from numpy.typing import NDArray

from edgefs.render.training import render_training_image

_CHILD = "import sys; sys.path[:] = sys.argv[2:]; from edgefs.render.aside import write_pictures as w; w(sys.argv[1])"


class RenderedAside:
    """Square pictures that another process renders, in the order of their seeds; a context manager, which ends it.

    Args:
        seeds: one for each picture; all of them are kept until they are taken.
        side: height and width, pixels.
    """

    def __init__(self, seeds: Sequence[int], side: int) -> None:
        self._side = side
        self._coming: dict[int, Future[NDArray[np.uint8] | None]] = {seed: Future() for seed in seeds}
        self._process = _start(seeds, side) if seeds else None
        self._reader = threading.Thread(target=self._read, args=(deque(self._coming.values()),), daemon=True)
        self._reader.start()

    def __enter__(self) -> RenderedAside:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def take(self, seed: int, side: int, patience: float = 0.0) -> NDArray[np.uint8] | None:
        """The picture of a seed, which is let go; None where it isn't there, or won't be.

        Args:
            seed: of the picture.
            side: its height and width, pixels.
            patience: seconds to wait for it.

        Returns:
            uint8 `[side,side,3]`.
        """
        coming = self._coming.pop(seed, None) if side == self._side else None
        try:
            return None if coming is None else coming.result(patience)
        except TimeoutError:
            return None

    def _read(self, coming: deque[Future[NDArray[np.uint8] | None]]) -> None:
        """Hand on each picture as it comes; None for those of a process that has ended, or could not start."""
        output = (self._process and self._process.stdout) or io.BytesIO()
        shape = (self._side, self._side, 3)
        with output:
            while coming:
                pixels = output.read(math.prod(shape))
                whole = len(pixels) == math.prod(shape)
                coming.popleft().set_result(np.frombuffer(pixels, np.uint8).reshape(shape) if whole else None)


def _start(seeds: Sequence[int], side: int) -> subprocess.Popen[bytes] | None:
    """Start the process; None where it can't be: then its pictures are rendered where they are asked for."""
    order = ",".join(map(str, (side, *seeds)))
    try:
        return subprocess.Popen(  # noqa: S603  (this interpreter and numbers)
            [sys.executable, "-I", "-c", _CHILD, order, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def write_pictures(order: str) -> None:
    """Render to standard output, as the process that `RenderedAside` starts: `side,seed,seed,…`."""
    side, *seeds = map(int, order.split(","))
    for seed in seeds:
        sys.stdout.buffer.write(render_training_image(np.random.default_rng(seed), side).tobytes())
        sys.stdout.buffer.flush()

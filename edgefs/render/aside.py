"""Pictures rendered by another process while this one does something else.

Rendering is hundreds of small steps of Python and numpy, which a thread does no faster: it takes turns with all others.
The process finds its modules where this one does, and runs nothing of the caller's: a script that calls the library
needs no `if __name__ == "__main__"`, as it would for `multiprocessing`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future

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
        self._process: subprocess.Popen[bytes] | None = None
        if not seeds:
            return
        command = [sys.executable, "-I", "-c", _CHILD, ",".join(map(str, (side, *seeds))), *sys.path]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, args=(tuple(seeds),), daemon=True)
        self._reader.start()

    def __enter__(self) -> RenderedAside:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._reader.join()
            self._process.wait()

    def take(self, seed: int) -> NDArray[np.uint8]:
        """The picture of a seed, uint8 `[side,side,3]`, once it is there; what nobody renders aside is rendered now."""
        coming = self._coming.pop(seed, None)
        picture = None if coming is None else coming.result()
        return render_training_image(np.random.default_rng(seed), self._side) if picture is None else picture

    def _read(self, seeds: Sequence[int]) -> None:
        """Hand on each picture as it comes; nothing in the place of those of a process that has ended."""
        assert self._process is not None and self._process.stdout is not None
        coming = [self._coming[seed] for seed in seeds]
        with self._process.stdout as output:
            for one in coming:
                pixels = output.read(3 * self._side**2)
                whole = len(pixels) == 3 * self._side**2
                one.set_result(np.frombuffer(pixels, np.uint8).reshape(self._side, self._side, 3) if whole else None)


def write_pictures(order: str) -> None:
    """Render to standard output, as the process that `RenderedAside` starts: `side,seed,seed,…`."""
    side, *seeds = map(int, order.split(","))
    for seed in seeds:
        sys.stdout.buffer.write(render_training_image(np.random.default_rng(seed), side).tobytes())
        sys.stdout.buffer.flush()

"""Pictures rendered by another process while this one does something else.

Rendering is hundreds of small steps of Python and numpy, which a thread would do no faster: it would take turns with
all others. The process runs this very module and writes pixels to its output. It imports what this process would, from
where this process would; nothing else is started, so that a script that calls the library needs no `if __name__`.
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

_CHILD = "import sys; sys.path[:] = sys.argv[2:]; from edgefs.render import aside; aside.write_pictures(sys.argv[1])"


class RenderedAside:
    """Square pictures that another process renders, in the order of their seeds; a context manager that ends it.

    Args:
        seeds: one of each picture.
        side: height and width, pixels.
    """

    def __init__(self, seeds: Sequence[int], side: int) -> None:
        self._side = side
        self._coming: dict[int, Future[NDArray[np.uint8] | None]] = {seed: Future() for seed in seeds}
        order = f"{side} " + " ".join(map(str, seeds))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD, order, *sys.path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._reader = threading.Thread(target=self._read, args=(tuple(seeds),), daemon=True)
        self._reader.start()

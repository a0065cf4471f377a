"""Where the torture writes: in memory where that can be, so that no disk is worn and a sync costs nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is removed at the end; `EDGEFS_STATE` and `EDGEFS_CACHE` lie in it meanwhile."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    before = {name: os.environ.get(name) for name in ("EDGEFS_STATE", "EDGEFS_CACHE")}
    with tempfile.TemporaryDirectory(prefix="edgefs-faults-", dir=parent) as name:
        folder = Path(name).resolve()
        os.environ["EDGEFS_STATE"], os.environ["EDGEFS_CACHE"] = str(folder / "state"), str(folder / "cache")
        try:
            yield folder
        finally:
            for key, value in before.items():
                os.environ.pop(key)
                if value is not None:
                    os.environ[key] = value

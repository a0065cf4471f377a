"""The gallery on the device: labelled embeddings in one SQLite file that can be merged and audited.

- A process that teaches owns the file: `Gallery.open(path, seed)`, then `enroll`, `forget`, `undo`, `merge`.
- A process that only decides takes `read_snapshot(path, seed)`, which locks and writes nothing.
- `belonging` says which gallery belongs to a bundle.
- `records` holds the format's rules, `ledger` what the rows mean, `database` how the file is opened; `check_gallery`
  looks at a file that may be too damaged to open.

Each name is loaded when it is asked for: a cold `edgefs predict` without a gallery should not wait for SQLite.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefs_runtime.gallery.check import check_gallery
    from edgefs_runtime.gallery.database import GalleryBusyError, GalleryDamagedError
    from edgefs_runtime.gallery.log import LogEntry
    from edgefs_runtime.gallery.reading import read_snapshot, seed_snapshot
    from edgefs_runtime.gallery.seed import Seed
    from edgefs_runtime.gallery.store import Gallery

__all__ = [
    "Gallery",
    "GalleryBusyError",
    "GalleryDamagedError",
    "LogEntry",
    "Seed",
    "check_gallery",
    "read_snapshot",
    "seed_snapshot",
]

_PLACES = {
    "Gallery": "store",
    "GalleryBusyError": "database",
    "GalleryDamagedError": "database",
    "LogEntry": "log",
    "Seed": "seed",
    "check_gallery": "check",
    "read_snapshot": "reading",
    "seed_snapshot": "reading",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)

"""Keeping what was computed of a large gallery, beside it."""

from __future__ import annotations

from pathlib import Path

from edgefs_runtime.decision.held import Fit
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.gallery.fitted_file import write_fitted
from edgefs_runtime.gallery.many import Many
from edgefs_runtime.gallery.seed import Seed


def keep(gallery: Path, snapshot: Snapshot, seed: Seed, fit: Fit | None) -> None:
    """Write the snapshot file of a large gallery.

    Raises:
        OSError: it can't be written; the one before stands.
    """
    if isinstance(snapshot.held, Many):
        write_fitted(gallery, snapshot, seed, snapshot.held.to_keep(snapshot, fit))

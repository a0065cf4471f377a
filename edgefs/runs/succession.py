"""Which model a new one succeeds."""

from __future__ import annotations

from pathlib import Path

from edgefs.runs.run import Run
from edgefs_runtime.base.errors import RunError
from edgefs_runtime.bundle.bundle import Bundle


def predecessor(path: Path) -> str:
    """The identity of the RUN or bundle that a new model succeeds.

    Raises:
        RunError: it is neither, or a bundle from before identities.
        BundleError: it is not a whole bundle.
    """
    if path.is_dir():
        return Run.open(path).identity
    if not path.exists():
        raise RunError(f"--succeeds {path}: no such RUN or bundle")
    identity = Bundle.open(path).manifest.identity
    if not identity:
        raise RunError(
            f"--succeeds {path}: exported before models had an identity; name the RUN that it was exported from, or "
            f"carry over on the device with `edgefs gallery carry NEW.edgefs --from {path.name}`"
        )
    return identity

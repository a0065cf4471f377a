"""How frames are looked at, by what a command was told: one way for `adapt`, `distill` and `look`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgefs_runtime.base.errors import BundleError, EdgefsError
from edgefs_runtime.images.preprocess import AS_THE_FILE_SAYS, Preprocess

FRAME_FIELDS = ("roi", "rotation", "channels", "window", "page", "damaged")  # settings that every such command has


def preprocess_by(told: Mapping[str, Any], **further: Any) -> Preprocess:
    """Make the preprocessing that settings ask for.

    Args:
        told: settings by name, each of `FRAME_FIELDS` among them; a window of None is that of the file, until the
            images choose one.
        further: the other fields of `Preprocess`, such as its size.

    Raises:
        EdgefsError: they don't go together.
    """
    fields = {name: told[name] for name in FRAME_FIELDS}
    try:
        return Preprocess(**{**fields, "window": fields["window"] or AS_THE_FILE_SAYS}, **further)
    except BundleError as error:
        raise EdgefsError(str(error)) from error

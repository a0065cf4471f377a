"""Where edgefs keeps what outlives a bundle on this device."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def state_folder() -> Path:
    """`$EDGEFS_STATE`, else the platform's folder for an application's state. It may not exist yet."""
    if chosen := os.environ.get("EDGEFS_STATE"):
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "edgefs"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "edgefs"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edgefs"


def gallery_path(name: str) -> Path:
    """The usual place of the gallery of the model called `name`: it outlives a new version of the bundle."""
    return state_folder() / f"{name}.gallery"


def challenge_folder(gallery: Path) -> Path:
    """The folder of the parts that guard a gallery, beside it: `X.challenge` for `X.gallery`.

    A gallery of another name keeps its whole name, since `line.1` and `line.2` would else share a folder.
    """
    return gallery.with_name((gallery.stem if gallery.suffix == ".gallery" else gallery.name) + ".challenge")

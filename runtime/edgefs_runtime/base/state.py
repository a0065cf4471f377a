"""Where edgefs keeps what outlives a bundle on this device.

What belongs to a model is named by its identity, which `adapt` made, and by the embedding space of the bundle, which
another precision changes; the model's name stands in front for people. So two models of one name never meet in one
file, and no name, however long, makes a file name that a file system refuses. Bundles from before identities keep
`<name>.gallery`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.version import __version__

_LONGEST_PREFIX = 80  # bytes of UTF-8; with digests and every sibling's suffix it stays far below 255
_LONGEST_NAME = 220  # bytes: longer ones leave no room for the hidden names of a `<name>.gallery`'s siblings
_KEYED = re.compile(r"(.*-[0-9a-f]{16})-[0-9a-f]{8}")  # prefix and identity, then the embedding space


def state_folder() -> Path:
    """`$EDGEFS_STATE`, else the platform's folder for an application's state. It may not exist yet.

    platformdirs would be one more package on the device, and would not find every gallery of before (ADR 17).
    """
    if chosen := os.environ.get("EDGEFS_STATE"):
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "edgefs"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "edgefs"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edgefs"


def gallery_path(name: str, identity: str = "", space: str = "") -> Path:
    """The usual place of a model's gallery: it outlives a new version of the bundle.

    Args:
        name: of the model, for people; one that was renamed finds its gallery under the old name.
        identity: of the model, hex; empty for a bundle from before identities, whose gallery goes by the name.
        space: id of the embedding space, hex.
    """
    if not identity:
        return state_folder() / f"{_named(name)}.gallery"
    path = state_folder() / f"{_prefix(name)}-{identity[:16]}-{space[:8]}.gallery"
    if not lies(path):
        renamed = [other for other in galleries_of(identity) if other.stem.endswith(f"-{space[:8]}")]
        return renamed[0] if renamed else path
    return path


def galleries_of(identity: str) -> list[Path]:
    """The galleries in the state folder of the model of this identity, of every embedding space; sorted."""
    return _listed(rf".*-{identity[:16]}-[0-9a-f]{{8}}\.gallery")


def _listed(pattern: str) -> list[Path]:
    key = re.compile(pattern, re.DOTALL)
    try:
        with os.scandir(state_folder()) as entries:
            names = [entry.name for entry in entries if key.fullmatch(entry.name)]
    except OSError:  # there is no such folder yet, or it can't be looked into: then nothing is read from it
        return []
    return [state_folder() / name for name in sorted(names)]


def challenges_of(identity: str) -> list[Path]:
    """The folders in the state folder of parts that guard the model of this identity; sorted, nearly always one."""
    return _listed(rf".*-{identity[:16]}\.challenge")


def identity_in(gallery: Path) -> str:
    """The start of a model's identity, hex [16], that a gallery's name tells; empty where it tells none."""
    keyed = _KEYED.fullmatch(gallery.stem)
    return keyed[1][-16:] if keyed else ""


def challenge_folder(gallery: Path) -> Path:
    """The folder of the parts that guard a gallery, beside it: `X.challenge` for `X.gallery`.

    A gallery of another name keeps its whole name, since `line.1` and `line.2` would else share a folder. Galleries of
    one identity share theirs: the parts hold for the model at every precision.
    """
    stem = gallery.stem if gallery.suffix == ".gallery" else gallery.name
    keyed = _KEYED.fullmatch(stem) if gallery.suffix == ".gallery" else None
    return gallery.with_name((keyed[1] if keyed else stem) + ".challenge")


def socket_folder(gallery: Path) -> Path:
    """The folder of the socket by which a gallery's owner is asked, beside the file itself and not a link to it."""
    real = Path(os.path.realpath(gallery))
    return real.with_name(real.name + ".socket")


def lies(path: Path) -> bool:
    """Whether something lies there; what can't lie there, as a name that is too long, does not.

    Raises:
        GalleryError: this user may not look.
    """
    try:
        path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL):
            return False
        raise GalleryError(f"{path}: can't be looked at ({error.strerror or error}); pass --gallery FILE") from error
    return True


def _prefix(name: str) -> str:
    """The start of a name, safe on every file system: no dot (`CON.x` is a device on Windows), bounded in bytes."""
    return name.replace(".", "_").encode()[:_LONGEST_PREFIX].decode("utf-8", "ignore").strip()


def _named(name: str) -> str:
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"{_prefix(name)}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def has_passed(digest: str, software: str) -> bool:
    """Whether this bundle was looked at, and has passed its self-test, on this machine.

    It is noted under everything that the outcome depends on.

    Args:
        digest: of the bundle.
        software: what embeds here, with its version: `Backend.software`.
    """
    return os.path.isfile(_note(digest, software))  # noqa: PTH113 - where nobody may look, it has not


def note_passed(digest: str, software: str) -> None:
    """Remember that the self-test passed; where the state folder can't be written the test just runs again."""
    note = _note(digest, software)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    except OSError:
        return


def _note(digest: str, software: str) -> Path:
    import platform  # whoever asks has both loaded, and other commands do without

    import numpy as np

    machine = f"{__version__} {software} {np.__version__} {platform.machine()} {platform.node()}"
    name = f"{digest[:32]}-{hashlib.sha256(machine.encode()).hexdigest()[:16]}"
    return state_folder() / "passed" / name

"""Files of this user's own that say what they are for and are whole: an engine, a timing cache.

    edgefs-sealed 1
    {"about":{...},"sha256":"...","size":...}
    the content

An engine is code to whoever loads it. So it is read only from the folder that this user's `edgefs engine` writes to, as
a plain file that belongs to this user and that nobody else may write; never from a bundle. The SHA-256 tells damage,
not malice: who may write here needs no engine to run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefs_runtime.base.durable import replace_file
from edgefs_runtime.base.errors import ProviderError
from edgefs_runtime.base.state import state_folder
from edgefs_runtime.bundle.identity import canonical_json

_MAGIC = b"edgefs-sealed 1\n"
_LONGEST_HEADER = 10_000  # bytes


def private_folder(name: str = "") -> Path:
    """The folder of engines, or a folder in it, which only this user may write; it is made where it is not there.

    Raises:
        ProviderError: it can't be made, is another user's, or others may write it.
    """
    folder = private_folder() / name if name else state_folder() / "engines"
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        _check_owner(folder, folder.stat())
    except OSError as error:
        raise ProviderError(f"{folder}: can't be used for engines ({error.strerror or error})") from error
    return folder


def write_sealed(path: Path, about: Mapping[str, Any], content: bytes) -> None:
    """Write a file whole, or leave what was there.

    Args:
        path: place of the file, in `private_folder`.
        about: what it is for, as JSON.
        content: the rest.

    Raises:
        ProviderError: it can't be written.
    """
    header = canonical_json({"about": about, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})
    try:
        replace_file(path, [_MAGIC, header.encode("ascii"), b"\n", content], synced=True)
        path.chmod(0o600)
    except OSError as error:
        raise ProviderError(f"{path}: can't be written ({error.strerror or error})") from error


def read_sealed(path: Path, expected: Mapping[str, Any]) -> tuple[dict[str, Any], bytes] | None:
    """What a file is for, and its content; None where there is no such file.

    Args:
        path: place of the file.
        expected: what the file must say it is for; it may say more.

    Raises:
        ProviderError: it is not this user's own, is damaged, or is for something else.
    """
    try:
        data = _read_own(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProviderError(f"{path}: can't be read ({error.strerror or error})") from error
    about, content = _opened(path, data)
    for key, value in expected.items():
        if about.get(key) != value:
            raise ProviderError(
                f"{path}: is for {key} {about.get(key)!r}, this is {value!r}; run `edgefs engine` again"
            )
    return about, content


def _read_own(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ProviderError(f"{path}: not a plain file")
        _check_owner(path, status)
        return file.read()


def _check_owner(path: Path, status: os.stat_result) -> None:
    if os.name != "posix":  # the folder of the user's profile is the user's own
        return
    if status.st_uid != os.getuid():
        raise ProviderError(f"{path}: belongs to another user, and engines are code; remove it or set EDGEFS_STATE")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ProviderError(f"{path}: other users may write it, and engines are code; remove it")


def _opened(path: Path, data: bytes) -> tuple[dict[str, Any], bytes]:
    end = data.find(b"\n", len(_MAGIC), _LONGEST_HEADER)
    if not data.startswith(_MAGIC) or end < 0:
        raise ProviderError(f"{path}: was not written by this edgefs; remove it and run `edgefs engine` again")
    content = data[end + 1 :]
    try:
        header = json.loads(data[len(_MAGIC) : end])
        about, sha256 = dict(header["about"]), header["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProviderError(f"{path}: is damaged; remove it and run `edgefs engine` again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ProviderError(f"{path}: is damaged (its SHA-256 differs); remove it and run `edgefs engine` again")
    return about, content

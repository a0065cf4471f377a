"""Writing a RUN folder: whole or not at all, and where it may stand.

It is written beside its place under a hidden name and renamed at the end, so a folder of that name is always whole.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgefs.runs.record import RUN
from edgefs.runs.run import Record, sha256
from edgefs.runs.sealing import sealed
from edgefs_runtime.base.durable import is_running, sync_file, sync_folder
from edgefs_runtime.base.errors import BundleError, RunError
from edgefs_runtime.base.strict_json import write_json
from edgefs_runtime.bundle.manifest import check_name

_LONGEST = 200  # bytes of a RUN's name that its hidden name begins with
_LONGEST_NAME = 240  # bytes: file systems take 255, and a training lies beside it


def write_run(folder: Path, record: Record, files: Mapping[str, bytes], *, overwrite: bool) -> Record:
    """Write a RUN folder, whole or not at all, and return its record as it stands there.

    Args:
        folder: its place; `check_place` says whether it is free.
        record: less the digests of files, and the identity.
        files: content of the others by name.
        overwrite: replace a RUN that stands there.

    Raises:
        RunError: the place is taken, or can't be written.
    """
    check_place(folder, overwrite=overwrite)
    written = record.written({name: sha256(data) for name, data in files.items()})
    fields = json.loads(write_json(written.to_json()))  # as a reader finds them
    text = json.dumps(sealed(fields), indent=1, ensure_ascii=False, sort_keys=True)
    # A file name may hold bytes that are no text: \udcXX in JSON, from which the name comes back as it was.
    contents = {**files, RUN: text.encode("utf-8", "backslashreplace")}
    temporary = folder.with_name(f".{_short(folder.name)}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            (temporary / name).write_bytes(data)
            sync_file(temporary / name)
        _put_in_place(temporary, folder)
    except OSError as error:
        raise RunError(f"{folder}: can't be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return written


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Say at once, not after an hour's work, that a RUN can't be written at `folder`; tidy up what was killed there.

    Raises:
        RunError: something stands there that is not ours to replace.
    """
    if len(os.fsencode(folder.name)) > _LONGEST_NAME:
        raise RunError(f"{folder}: the folder's name has more than {_LONGEST_NAME} bytes; choose a shorter one with -o")
    try:
        for leftover in folder.parent.glob(f".{glob.escape(_short(folder.name))}.*.new"):
            if not _is_alive(leftover.name.split(".")[-3]):
                shutil.rmtree(leftover, ignore_errors=True)
        if not folder.exists():
            _check_writable(folder)
            return
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise RunError(f"{folder}: can't be used ({error.strerror or error}); choose another place with -o") from error
    if not folder.is_dir():
        raise RunError(f"{folder}: a file stands there; choose another place with -o")
    if (folder / RUN).is_file():
        if not overwrite:
            raise RunError(f"{folder}: a RUN stands there already; choose another place with -o, or pass --overwrite")
    elif any(folder.iterdir()):
        raise RunError(f"{folder}: not empty, and no RUN; choose another place with -o")
    _check_writable(folder)


def _check_writable(folder: Path) -> None:
    """Try it: permissions alone don't tell on a network drive, a full disk, or of folders that no one may add to."""
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        Path(tempfile.mkdtemp(dir=above, prefix=".edgefs-")).rmdir()
    except OSError as error:
        why = f"{above}: {error.strerror or error}"
        raise RunError(f"{folder}: can't be written ({why}); choose another place with -o") from error


def _short(name: str) -> str:
    """A name's start, so that a hidden name made of it is none that a file system refuses."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST]) if len(os.fsencode(name)) > _LONGEST else name


def name_from(folder: str, otherwise: str) -> str:
    """A folder's name where it can be a model's."""
    try:
        check_name(folder)
    except BundleError:
        return otherwise
    return folder


def _put_in_place(temporary: Path, folder: Path) -> None:
    if folder.exists():
        old = temporary.with_suffix(".old")
        folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)


def _is_alive(pid: str) -> bool:
    return not pid.isdigit() or is_running(int(pid))  # what can't be told is left alone

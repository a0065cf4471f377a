"""The members of a bundle as they are read: by name, with the sizes and hashes that the manifest says.

The network is by far the largest and is read by onnxruntime, so it is not held in this process (`MemoryFile`).
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edgefs_runtime.base.archive import ArchiveError, Entry, OtherFileError, read_directory
from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.memory_file import MemoryFile
from edgefs_runtime.bundle.manifest import Manifest

MANIFEST, MODEL, SEED, GOLDEN, HEAD = "manifest.json", "embedder.onnx", "gallery.npz", "golden.npz", "head.onnx"
REPORT, SIGNATURE = "report.html", "manifest.dsse.json"
REQUIRED = (MANIFEST, MODEL, SEED, GOLDEN)
MEMBERS = (*REQUIRED, HEAD, REPORT, SIGNATURE)  # also their order in the file
# Bytes that a member may have; of the network and the seed gallery as many as there are.
_MOST_BYTES = {MANIFEST: 4_000_000, GOLDEN: 100_000_000, HEAD: 500_000_000, REPORT: 100_000_000, SIGNATURE: 1_000_000}


class Members(NamedTuple):
    """What a file holds that is put together like a bundle."""

    model: MemoryFile
    others: Mapping[str, bytes]


def read_members(path: Path) -> Members:
    """Read a file whose members have the names of a bundle's; nothing in it is believed yet.

    Raises:
        BundleError: no such file, not a bundle, or truncated.
    """
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise BundleError(f"{path}: a pipe or a device, expected a bundle (.edgefs)")
        with path.open("rb", buffering=0) as file:
            return _read(path, file)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        hint = "; `edgefs export` makes a bundle from a RUN folder" if (path / "run.json").is_file() else ""
        raise BundleError(f"{path}: a folder, expected a bundle (.edgefs){hint}") from error
    except OSError as error:
        raise BundleError(f"{path}: can't be read ({error.strerror or error})") from error
    except OtherFileError as error:
        raise BundleError(
            f"{path}: not an edgefs bundle, but another kind of file; `edgefs export` makes one"
        ) from error
    except ArchiveError as error:
        raise BundleError(f"{path}: not a whole bundle: {error}; copy or export it again") from error


def _read(path: Path, file: BinaryIO) -> Members:
    def read(start: int, size: int) -> bytes:
        file.seek(start)
        return file.read(size)

    entries = read_directory(read, os.fstat(file.fileno()).st_size)
    _check_names(path, entries)
    others = {name: read(entry.start, entry.size) for name, entry in entries.items() if name != MODEL}
    for name in (MANIFEST, SIGNATURE):  # every other member has its SHA-256 in the manifest
        if name in others and zlib.crc32(others[name]) != entries[name].crc:
            raise BundleError(f"{path}: not a whole bundle: {name} is damaged; copy or export it again")
    return Members(MemoryFile(file, entries[MODEL].start, entries[MODEL].size), others)


def _check_names(path: Path, entries: Mapping[str, Entry]) -> None:
    strangers = sorted(entries.keys() - set(MEMBERS))
    missing = [name for name in REQUIRED if name not in entries]
    if strangers:
        raise BundleError(f"{path}: not an edgefs bundle: holds {strangers[0][:60]!r}")
    if missing:
        raise BundleError(f"{path}: not an edgefs bundle: {missing[0]} is missing")
    for name, most in _MOST_BYTES.items():
        if name in entries and entries[name].size > most:
            raise BundleError(f"{path}: {name} is larger than {most} bytes")


def check_members(manifest: Manifest, members: Members) -> None:
    """Hold the members against what the manifest says of them.

    Raises:
        BundleError: one is missing, not described, or another one.
    """
    described, present = set(manifest.members), {MODEL, *members.others}
    if manifest.has_trained_head != (HEAD in present):
        raise BundleError(
            f"{HEAD} is missing, the manifest describes a trained head"
            if manifest.has_trained_head
            else f"{HEAD} is not described by the manifest"
        )
    for name in present - described - {MANIFEST, SIGNATURE}:
        raise BundleError(f"{name} is not described by the manifest")
    for name in described - present:
        raise BundleError(f"{name} is missing, the manifest describes it")
    for name, member in manifest.members.items():
        size, sha256 = _measured(members, name)
        if size != member.size:
            raise BundleError(f"{name} has {size} bytes, the manifest says {member.size}")
        if sha256 != member.sha256:
            raise BundleError(f"{name} is not the one that was exported (its SHA-256 differs); copy or export it again")


def _measured(members: Members, name: str) -> tuple[int, str]:
    """Size in bytes and hex SHA-256 of a member."""
    if name == MODEL:
        return members.model.size, members.model.sha256
    return len(members.others[name]), hashlib.sha256(members.others[name]).hexdigest()

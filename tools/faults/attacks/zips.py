"""Archives that are none, lie about what they hold, or hold what a bundle does not."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from faults.acts import BUNDLE
from faults.attacks.making import Attack, members, stored

_END = 22  # bytes of the record that ends an archive


def _bytes(change: Callable[[bytearray], bytes | bytearray]) -> Attack:
    def write(folder: Path) -> Path:
        path = folder / "attack.edgefs"
        path.write_bytes(change(bytearray(BUNDLE.read_bytes())))
        return path

    return write


def _packed(at: int, form: str, value: int) -> Attack:
    """One number of the end record, or of the first directory entry where `at` is not negative, is another."""

    def change(data: bytearray) -> bytearray:
        start = len(data) + at if at < 0 else struct.unpack_from("<I", data, len(data) - _END + 16)[0] + at
        struct.pack_into(form, data, start, value)
        return data

    return _bytes(change)


def _named(name: str) -> Attack:
    return lambda folder: stored(folder, {**members(), name: b"x"})


def _compressed(folder: Path) -> Path:
    path = folder / "attack.edgefs"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members().items():
            archive.writestr(name, data)
    return path


def _bomb(folder: Path) -> Path:
    path = folder / "attack.edgefs"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in members():
            archive.writestr(name, bytes(20_000_000))
    return path


ZIPS: dict[str, Attack] = {
    "zip: an empty file": _bytes(lambda _data: b""),
    "zip: text": _bytes(lambda _data: b"hello\n"),
    "zip: the first half": _bytes(lambda data: data[: len(data) // 2]),
    "zip: the last half": _bytes(lambda data: data[len(data) // 2 :]),
    "zip: the last byte missing": _bytes(lambda data: data[:-1]),
    "zip: text in front": _bytes(lambda data: b"#!/bin/sh\n" + data),
    "zip: text behind": _bytes(lambda data: data + b"more"),
    "zip: twice": _bytes(lambda data: data + data),
    "zip: compressed": _compressed,
    "zip: a bomb": _bomb,
    "zip: a member that climbs": _named("../outside"),
    "zip: a member at the root": _named("/etc/outside"),
    "zip: a member with control characters": _named("\x1b[2J\n"),
    "zip: ten thousand members": lambda folder: stored(folder, {f"m{n}": b"" for n in range(10_000)}),
    "zip: no members": lambda folder: stored(folder, {}),
    "zip: a manifest alone": lambda folder: stored(folder, {"manifest.json": members()["manifest.json"]}),
    "zip: 65,535 entries": _packed(-_END + 10, "<H", 65_535),
    "zip: a directory of 4 GB": _packed(-_END + 12, "<I", 0xFFFFFFFF),
    "zip: a directory at 4 GB": _packed(-_END + 16, "<I", 0xFFFFFFFF),
    "zip: a comment that is not there": _packed(-_END + 20, "<H", 9),
    "zip: encrypted": _packed(8, "<H", 1),
    "zip: of another method": _packed(10, "<H", 99),
    "zip: a member of 4 GB": _packed(24, "<I", 0xFFFFFFFF),
    "zip: a member that begins in another": _packed(42, "<I", 60),
    "zip: a wrong checksum": _packed(16, "<I", 1),
    "zip: a name of 65,535 bytes": _packed(28, "<H", 65_535),
}

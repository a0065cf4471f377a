"""Arrays that are none: `.npy` headers that lie, and values that no network makes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgefs_runtime.base.arrays import pack_arrays
from faults.attacks.making import BOMB, Attack, members, with_members

Arrays = dict[str, np.ndarray]


def _of(member: str) -> Arrays:
    with np.load(io.BytesIO(members()[f"{member}.npz"])) as arrays:
        return dict(arrays)


def _changed(member: str, change: Callable[[Arrays], object]) -> Attack:
    def write(folder: Path) -> Path:
        arrays = _of(member)
        change(arrays)
        return with_members(folder, **{member: pack_arrays(arrays)})

    return write


def _set(member: str, key: str, change: Callable[[np.ndarray], Any]) -> Attack:
    return _changed(member, lambda arrays: arrays.update({key: np.asarray(change(arrays[key]))}))


def _raw(member: str, key: str, data: bytes) -> Attack:
    """One array's file has these bytes."""

    def write(folder: Path) -> Path:
        old, new = zipfile.ZipFile(io.BytesIO(members()[f"{member}.npz"])), io.BytesIO()
        with zipfile.ZipFile(new, "w") as archive:
            for name in old.namelist():
                archive.writestr(name, data if name == f"{key}.npy" else old.read(name))
        return with_members(folder, **{member: new.getvalue()})

    return write


def _header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(64)


def _shaped(shape: str, descr: str = "'<f4'") -> bytes:
    return _header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n")


def _pictures(count: int, data: bytes, images: int | None = None) -> Arrays:
    """The arrays of so many kept pictures of these bytes; images beyond them have none."""
    lengths = np.zeros(images or count, np.int64)
    lengths[:count] = len(data)
    return {"thumbnails": np.frombuffer(data * count, np.uint8), "lengths": lengths}


_HEADERS = {
    "a shape of 10^12": _shaped("(1000000, 1000000)"),
    "a shape of 10^19": _shaped("(10000000000000000000,)"),
    "a shape of 5,000 digits": _shaped(f"({'9' * 5000},)"),
    "a negative shape": _shaped("(-1, 96)"),
    "a shape of text": _shaped("('x',)"),
    "a thousand dimensions": _shaped(f"({'1,' * 1000})"),
    "objects": _shaped("(3,)", "'|O'"),
    "text of a gigabyte each": _shaped("(3,)", "'<U250000000'"),
    "a structure": _shaped("(3,)", "[('a', '<f4')]"),
    "code": _header("__import__('os').system('touch outside')\n"),
    "ten thousand brackets": _header("(" * 10_000 + "\n"),
    "of another version": b"\x93NUMPY\x09\x00" + bytes(80),
    "of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(80),
    "no array": b"hello",
    "nothing": b"",
}
_VALUES: dict[str, Attack] = {
    "gallery: NaN": _set("gallery", "vectors", lambda a: a * np.nan),
    "gallery: infinity": _set("gallery", "vectors", lambda a: a + np.inf),
    "gallery: 1e38": _set("gallery", "vectors", lambda a: a * 0 + np.float32(1e38)),
    "gallery: in three dimensions": _set("gallery", "vectors", lambda a: a[:, :, None]),
    "gallery: of 7 numbers": _set("gallery", "vectors", lambda a: a[:, :7]),
    "gallery: no rows": _changed("gallery", lambda a: a.update({k: v[:0] for k, v in a.items()})),
    "gallery: complex": _set("gallery", "vectors", lambda a: a.astype(np.complex64)),
    "gallery: a label of 4 MB": _set("gallery", "labels", lambda a: np.where(a == "good", "g" * 100_000, a)),
    "gallery: a label of two lines": _set("gallery", "labels", lambda a: np.where(a == "good", "go\nod", a)),
    "gallery: a label that moves the cursor": _set("gallery", "labels", lambda a: np.where(a == "good", "\x1b[2J", a)),
    "gallery: an empty label": _set("gallery", "labels", lambda a: np.where(a == "good", "", a)),
    "gallery: another disposition": _set("gallery", "dispositions", lambda a: np.full(len(a), "maybe")),
    "gallery: digests that are none": _set("gallery", "digests", lambda a: np.full(len(a), "x")),
    "gallery: lengths below zero": _set("gallery", "lengths", lambda a: a - 1),
    "gallery: lengths that overflow": _set("gallery", "lengths", lambda a: a + 2**62),
    "gallery: lengths in two dimensions": _set("gallery", "lengths", lambda a: a[:, None]),
    "gallery: pictures of gigapixels": _changed("gallery", lambda a: a.update(_pictures(len(a["lengths"]), BOMB))),
    "gallery: pictures of 17 MB": _changed(
        "gallery", lambda a: a.update(_pictures(2, bytes(17 << 20), len(a["lengths"])))
    ),
    "gallery: fewer labels": _set("gallery", "labels", lambda a: a[1:]),
    "gallery: no labels": _changed("gallery", lambda a: a.pop("labels")),
    "golden: inputs of floats": _set("golden", "inputs", lambda a: a.astype(np.float32)),
    "golden: of another size": _set("golden", "inputs", lambda a: a[:, :7, :7]),
    "golden: of one channel": _set("golden", "inputs", lambda a: a[..., :1]),
    "golden: of 300 MB": _set("golden", "inputs", lambda a: np.zeros((len(a), 5000, 5000, 3), np.uint8)),
    "golden: none": _changed("golden", lambda a: a.update({k: v[:0] for k, v in a.items()})),
    "golden: NaN": _set("golden", "vectors", lambda a: a * np.nan),
    "golden: vectors of float64": _set("golden", "vectors", lambda a: a.astype(np.float64) * 1e300),
    "golden: margins of NaN": _set("golden", "margins", lambda a: a * np.nan),
    "golden: fewer margins": _set("golden", "margins", lambda a: a[:1]),
    "golden: margins in two dimensions": _set("golden", "margins", lambda a: a[:, None]),
    "golden: a class that is not there": _set("golden", "nearest", lambda a: np.full(len(a), "nobody")),
    "golden: 2,000 inputs": _changed("golden", lambda a: a.update({k: np.repeat(v, 500, 0) for k, v in a.items()})),
}
ARRAYS: dict[str, Attack] = {
    **{f"npz gallery: header {name}": _raw("gallery", "vectors", data) for name, data in _HEADERS.items()},
    **{f"npz golden: header {name}": _raw("golden", "inputs", data) for name, data in _HEADERS.items()},
    **{f"npz {name}": attack for name, attack in _VALUES.items()},
    "npz gallery: no archive": lambda folder: with_members(folder, gallery=b"hello"),
    "npz golden: no archive": lambda folder: with_members(folder, golden=b""),
}

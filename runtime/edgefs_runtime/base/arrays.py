"""Arrays as the bytes of an `.npz`, written the same way every time and read without running anything.

numpy's own reader takes the header of an array for an expression of Python and reserves what its shape says. What numpy
writes of a plain array is simpler, and the shape must be that of the bytes that are there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.archive import read_archive
from edgefs_runtime.base.errors import BundleError

_MAGIC = b"\x93NUMPY\x01\x00"
_LAST_CHARACTER = 0x10FFFF  # of Unicode
_MOST_HEADER = 4096  # bytes
_HEADER = re.compile(
    r"\{'descr': '([<|][fiuU][0-9]{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]{1,15},? ?){0,8})\), \} *\n"
)


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an uncompressed `.npz`; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(sorted(arrays.items())))  # numpy writes no time stamps
    return buffer.getvalue()


def unpack_arrays(data: bytes, kinds: Mapping[str, str], name: str) -> dict[str, NDArray[Any]]:
    """Read the arrays that `kinds` names.

    Args:
        data: of the `.npz`.
        kinds: of each array the numpy dtype, as `f4`, or only its kind, as `U`.
        name: of the file, for messages.

    Raises:
        BundleError: not an `.npz`, an array is missing or of another kind, or one that would have to run code.
    """
    try:
        members = read_archive(data)
        arrays = {key: _array(members[f"{key}.npy"].content) for key in kinds}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BundleError(f"{name} does not hold the arrays {', '.join(kinds)}") from error
    wrong = [key for key, kind in kinds.items() if not arrays[key].dtype.str[1:].startswith(kind)]
    if wrong:
        raise BundleError(f"{name}: {wrong[0]} has dtype {arrays[wrong[0]].dtype}")
    return arrays


def _array(content: memoryview) -> NDArray[Any]:
    start = len(_MAGIC) + 2
    end = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    if content[: len(_MAGIC)] != _MAGIC or end - start > _MOST_HEADER:
        raise ValueError("no array as numpy writes it")
    header = _HEADER.fullmatch(str(content[start:end], "latin-1"))
    if header is None:
        raise ValueError("no plain array")
    dtype, order, dims = np.dtype(header[1]), header[2], tuple(map(int, re.findall("[0-9]+", header[3])))
    if prod(dims) * dtype.itemsize != len(content) - end:
        raise ValueError("an array's shape is not that of its bytes")
    if dtype.kind == "U" and (np.frombuffer(content[end:], dtype.str[0] + "u4") > _LAST_CHARACTER).any():
        raise ValueError("no text")
    array = np.frombuffer(content[end:], dtype) if len(content) > end else np.empty(0, dtype)
    return np.array(array.reshape(dims, order="F" if order == "True" else "C"))

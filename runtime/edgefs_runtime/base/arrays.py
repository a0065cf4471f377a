"""Arrays as the bytes of an `.npz`, written the same way every time and read without running anything."""

from __future__ import annotations

import io
from collections.abc import Mapping
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.archive import read_archive
from edgefs_runtime.base.errors import BundleError


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an uncompressed `.npz`; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(sorted(arrays.items())))  # numpy writes no time stamps
    return buffer.getvalue()


def unpack_arrays(data: bytes, kinds: Mapping[str, str], name: str) -> dict[str, NDArray[Any]]:
    """Read the arrays that `kinds` names, each of a numpy dtype kind.

    Raises:
        BundleError: not an `.npz`, an array is missing or of another kind, or one that would have to run code.
    """
    try:
        members = read_archive(data)
        arrays = {key: _array(members[f"{key}.npy"].content) for key in kinds}
    except (OSError, ValueError, KeyError, EOFError, TokenError) as error:  # the last: a torn header
        raise BundleError(f"{name} does not hold the arrays {', '.join(kinds)}") from error
    wrong = [key for key, kind in kinds.items() if arrays[key].dtype.kind != kind]
    if wrong:
        raise BundleError(f"{name}: {wrong[0]} has dtype {arrays[wrong[0]].dtype}")
    return arrays


def _array(content: memoryview) -> NDArray[Any]:
    return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))

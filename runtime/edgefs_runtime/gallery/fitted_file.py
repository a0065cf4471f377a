"""The snapshot file of a large gallery: what decides by it, without its rows.

It lies where the snapshot file of a small one does, and readers beside an owner decide by it as by that. It stays when
the owner lets go: whoever opens a gallery of the same content takes sums, sample and fit from it.

Rules, with their reasons: eight magic bytes with the format's version; the length of the header (8 bytes,
little-endian) and a JSON header, which lists the arrays with type and shape in their order; the arrays, raw and
little-endian, so that reading copies nothing; the alignments of the device's camera; a CRC-32 over everything before
it. A file that fails any of this is passed over: everything in it can be computed from the database.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.held import Fit, Held
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.decision.sums import Grid, Sums
from edgefs_runtime.gallery.seed import Seed
from edgefs_runtime.gallery.snapshot_file import (
    STRANGE,
    checked,
    read_alignments,
    read_header,
    snapshot_data,
    write_blocks,
)

MAGIC = b"EFSSNAP4"

_SUMS = ("counts", "rows", "products", "directions")

Arrays = Mapping[str, NDArray[Any]]


class Fitted(NamedTuple):
    """What was computed of a large gallery.

    Attributes:
        content: digest of what counts in it.
        sums: of its rows.
        places: `[s]`, of the images whose rows are here.
        rows: float32 `[s,V·D]`.
        peaks: float64 `[E]`, the largest coordinate of each event that counts, in their order.
        fit: what decides by it; None where nobody asked.
    """

    content: str
    sums: Sums
    places: NDArray[np.int64]
    rows: NDArray[np.float32]
    peaks: NDArray[np.float64]
    fit: Fit | None


def write_fitted(gallery: Path, snapshot: Snapshot, seed: Seed, fitted: Fitted) -> None:
    """Replace a gallery's snapshot file.

    Raises:
        OSError: the folder can't be written or the disk is full; the old file stands.
    """
    alignments = [(number, alignment.to_bytes()) for number, alignment in snapshot.alignments]
    arrays: dict[str, NDArray[Any]] = {
        "classes": snapshot.classes,
        "parts": snapshot.parts,
        **{f"sums.{name}": getattr(fitted.sums, name) for name in _SUMS},
        "sample.places": fitted.places,
        "sample.rows": fitted.rows,
        "peaks": fitted.peaks,
    }
    header: dict[str, Any] = {
        "space_id": seed.space_id,
        "bundle": seed.digest,
        "content": fitted.content,
        "sequence": snapshot.sequence,
        "labels": snapshot.labels,
        "dispositions": snapshot.dispositions,
        "means": snapshot.means,
        "warnings": snapshot.warnings,
        "shape": snapshot.held.shape,
        "views": snapshot.views,
        "sums": {"grid": list(fitted.sums.grid), "peak": fitted.sums.peak},
        "fit": None,
        "alignments": [(number, len(data)) for number, data in alignments],
    }
    if fitted.fit is not None:
        header["fit"] = {"key": fitted.fit.key, "numbers": dict(fitted.fit.numbers)}
        arrays |= {f"head.{name}": array for name, array in fitted.fit.head.items()}
        arrays |= {f"fit.{name}": array for name, array in fitted.fit.arrays.items()}
    # The largest numbers first, so that all lie where the processor wants them.
    order = sorted(arrays.items(), key=lambda named: -named[1].dtype.itemsize)
    plain = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in order}
    header["arrays"] = [(name, array.dtype.str, array.shape) for name, array in plain.items()]
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 16)
    blocks = [array.tobytes() for array in plain.values()]
    write_blocks(gallery, MAGIC, text, [*blocks, *(data for _, data in alignments)])


def load_fitted(gallery: Path, seed: Seed) -> Fitted | None:
    """What was kept of a large gallery; None where nothing was, or it is damaged or of another bundle."""
    found = load_beside(gallery, seed, _nowhere)
    return found and found[1]


def load_beside(gallery: Path, seed: Seed, beside: Callable[[str], Held]) -> tuple[Snapshot, Fitted] | None:
    """A large gallery as its snapshot file tells it; None where there is none that can be believed.

    Args:
        gallery: whose snapshot file it is.
        seed: of the bundle.
        beside: gives the rows that are not in the file, by the digest of the content.
    """
    try:
        return _read(snapshot_data(gallery), seed, beside)
    except STRANGE:
        return None


def _read(data: bytes, seed: Seed, beside: Callable[[str], Held]) -> tuple[Snapshot, Fitted] | None:
    found = read_header(data, MAGIC, seed)
    if found is None:
        return None
    header, start = found
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind, shape in header["arrays"]:
        array = np.frombuffer(data, kind, int(np.prod(shape, dtype=np.int64)), start).reshape(shape)
        arrays[name], start = array, start + array.nbytes
    sums = Sums(
        grid=Grid(*header["sums"]["grid"]),
        peak=header["sums"]["peak"],
        **{name: arrays[f"sums.{name}"] for name in _SUMS},
    )
    fit = _fit(header["fit"], arrays)
    fitted = Fitted(header["content"], sums, arrays["sample.places"], arrays["sample.rows"], arrays["peaks"], fit)
    snapshot = Snapshot(
        held=Beside(tuple(header["shape"]), fitted, functools.partial(beside, fitted.content)),
        labels=tuple(header["labels"]),
        dispositions=tuple(header["dispositions"]),
        classes=arrays["classes"],
        parts=arrays["parts"],
        sequence=header["sequence"],
        views=header["views"],
        alignments=tuple(read_alignments(data, header["alignments"], start)),
        means=tuple(header["means"]),
        warnings=tuple(header["warnings"]),
        content=fitted.content,
        known_sums=sums,
        fit=fit,
    )
    _refuse_others(fitted, len(snapshot.classes), len(snapshot.labels), seed)
    return checked(snapshot, seed), fitted


def _refuse_others(fitted: Fitted, n: int, classes: int, seed: Seed) -> None:
    """Refuse arrays that are not those of so many images and classes with a ValueError."""
    dim, sample = seed.dim // seed.views, len(fitted.places)
    sums, places = fitted.sums, fitted.places
    wanted = (
        (sums.counts, np.int64, (classes,)),
        (sums.rows, np.int64, (classes, dim)),
        (sums.directions, np.int64, (classes, dim)),
        (sums.products, np.float64, (dim, dim)),
        (places, np.int64, (sample,)),
        (fitted.rows, np.float32, (sample, seed.dim)),
        (fitted.peaks, np.float64, (len(fitted.peaks),)),
    )
    are_ours = all(array.dtype == kind and array.shape == shape for array, kind, shape in wanted)
    if not are_ours or (sample and not 0 <= places.min() <= places.max() < n) or int(sums.counts.sum()) % max(n, 1):
        raise ValueError("arrays of something else")


class Beside:
    """Rows of a gallery that another process owns: a sample at hand, the others from a copy (`decision.held.Held`)."""

    def __init__(self, shape: tuple[int, int], fitted: Fitted, many: Callable[[], Held]) -> None:
        self.shape = shape
        self._rows = dict(zip(fitted.places.tolist(), fitted.rows, strict=True))
        self._make = many

    def load(self) -> NDArray[np.float32]:
        """All of them, float32 `[N,W]`."""
        return self._many.load()

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some of them, float32 `[n,W]`."""
        if all(place in self._rows for place in places.tolist()):
            return np.stack([self._rows[place] for place in places.tolist()])
        return self._many.take(places)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All of them in their order, some at a time."""
        yield from self._many.blocks()

    @cached_property
    def _many(self) -> Held:
        return self._make()


def _nowhere(content: str) -> Held:
    raise GalleryError(f"the rows of {content:.12} were not kept")


def _fit(header: Mapping[str, Any] | None, arrays: Arrays) -> Fit | None:
    if header is None:
        return None
    head, others = (
        {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
        for prefix in ("head", "fit")
    )
    return Fit(str(header["key"]), head, dict(header["numbers"]), others)

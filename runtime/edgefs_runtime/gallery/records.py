"""The rows of a gallery, and the bytes that their checksums are taken over.

The rules of the format, each with its reason:

- A row is never changed. A removal is a row of its own that names what it removes, so the file is its own audit log.
- A row is named by (device, seq). Each device numbers what it does 1, 2, 3 … across both tables, so a gap is a lost
  row, and rows of several devices can be put together without renumbering.
- The canonical bytes of a row are: the length of a header (8 bytes, little-endian), the header, and then for each blob
  its length (8 bytes, little-endian) and its bytes. Lengths stand in front, so no two rows share their bytes.
- The header is a JSON object of the table's name and every column but `hash` and `crc`: keys sorted, no spaces, ASCII
  with escapes. Columns hold text, integers and blobs, never floats, so there is one way to write each value.
- A column that is NULL is left out: a later schema may add a nullable column and the old rows keep their checksums.
  A blob is written `null` in the header, and follows it; blobs follow in the order of their names.
- `hash` is the SHA-256 of the hash of the device's row before (32 bytes; zeros before the first) and the canonical
  bytes: nobody can change, drop or insert a row without changing every later one of that device.
- `crc` is the CRC-32 of the canonical bytes and the hash. SQLite's own check does not look inside blobs, a flipped bit
  in an embedding would go unseen; a CRC is quick enough to be looked at whenever the file is opened.
- Vectors are raw little-endian float32, k x D, as the embedder gave them: what is derived can be derived again.
- A row of schema 3 names its blobs by their SHA-256 (`content`), and the blobs lie in a table of their own: the chain
  holds although what was forgotten is let go one day. Rows of before, and every seed's, carry their vectors.
- Seed rows carry no time: two devices with one bundle must write the same bytes, or merging would double the seed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from functools import lru_cache
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.snapshot import Enrolment, State

Key = tuple[str, int]  # (device, seq)

SEED_PREFIX = "seed:"
NO_HASH = "0" * 64  # stands before a device's first row


class Act(NamedTuple):
    """Who does something on which device, when and under which bundle, and the number it gets."""

    device: str
    seq: int
    bundle: str
    time: str
    actor: str
    reason: str


class Event(NamedTuple):
    """One row of `event`: something that was added. The fields are the table's columns, in order.

    Attributes:
        operation: seq of the first row of the same act; an undo can bring back several events at once.
        kind: `enroll`; `align` for a change of the device's camera; `settings` for what tells of a merge or of carrying
            over (see `deeds`); `approve`, `repair` and `restore` (see `decrees`).
        vectors: `n` x `dim` little-endian float32; empty where `content` names them.
        digests: JSON list of the images' SHA-256.
        parts: JSON list of the physical parts' names, empty where unknown.
        shots: JSON list of the thumbnails' SHA-256, empty where none was kept.
        roi: JSON [left, top, width, height] in pixels of the frame, where the thumbnails show only that region.
        payload: JSON object of an `align` event: `alignment` in base64, and `measure`, what was measured of it. Its `n`
            images are unlabelled, so that it has no vectors. Of a `settings` event: what was done.
        bundle: digest of the bundle the device ran.
        restores: JSON [device, seq] of the event that this one brings back, or carries over from another gallery.
        undoes: the operation of this device that this row takes back.
        content: JSON object, since schema 3: of each blob of the row its `dtype`, `shape` and `sha256`, by name.
    """

    device: str
    seq: int
    operation: int
    kind: str
    label: str
    disposition: str
    state: str
    n: int
    dim: int
    vectors: bytes
    digests: str
    parts: str
    shots: str
    roi: str | None
    payload: str | None
    space_id: str
    bundle: str
    time: str
    actor: str
    approver: str
    reason: str
    restores: str | None = None
    undoes: int | None = None
    content: str | None = None
    hash: str = ""
    crc: int = 0

    @property
    def key(self) -> Key:
        """What names the row."""
        return self.device, self.seq

    @property
    def vectors_digest(self) -> str:
        """SHA-256 of the vectors where they lie in the table of blobs; else empty."""
        return _vectors_digest(self.content) if self.content else ""

    @property
    def origin(self) -> Key:
        """The event that was taught: the row itself, or the one it brings back."""
        return _key(json.loads(self.restores)) if self.restores else self.key

    def enrolment(self, blob: bytes | None = None) -> Enrolment:
        """The act of teaching, without its thumbnails; `blob` holds the vectors of a row that only names them."""
        vectors = self.rows(blob)
        return Enrolment(
            label=self.label,
            disposition=cast(Disposition, self.disposition),
            vectors=vectors,
            digests=tuple(json.loads(self.digests)),
            groups=tuple(json.loads(self.parts)),
            state=cast(State, self.state),
            actor=self.actor,
            approver=self.approver,
            reason=self.reason,
            region=tuple(json.loads(self.roi)) if self.roi else None,
        )

    def rows(self, blob: bytes | None = None) -> NDArray[np.float32]:
        """The embeddings alone, float32 `[n,V·D]`, as its camera saw them."""
        rows = np.frombuffer(self.vectors if blob is None else blob, "<f4").reshape(self.n, self.dim)
        return rows.astype(np.float32, copy=False)

    def alignment(self) -> Alignment:
        """The map of an `align` event.

        Raises:
            GalleryError: its payload is something else.
        """
        try:
            return Alignment.from_bytes(base64.b64decode(json.loads(self.payload or "")["alignment"], validate=True))
        except (ValueError, KeyError, TypeError) as error:
            raise GalleryError(f"row {self.seq} of device {self.device:.12} holds no alignment") from error


class Removed(NamedTuple):
    """One row of `removed`: one act that took events away. The fields are the table's columns, in order.

    Attributes:
        kind: `forget` or `undo`; `remove` for single images.
        label: the class that was forgotten.
        n: images that went.
        targets: JSON list of [device, seq], the events that no longer count; of `remove` [device, seq, [position]],
            images of every event with that origin. An undo may name a row of `remove`, which is void then.
        undoes: the operation of this device that this row takes back; NULL for a forget.
    """

    device: str
    seq: int
    operation: int
    kind: str
    label: str
    n: int
    targets: str
    bundle: str
    time: str
    actor: str
    reason: str
    undoes: int | None = None
    hash: str = ""
    crc: int = 0

    @property
    def key(self) -> Key:
        """What names the row."""
        return self.device, self.seq

    @property
    def target_keys(self) -> list[Key]:
        """The events that no longer count, or of which some images don't."""
        return [_key(pair[:2]) for pair in json.loads(self.targets)]

    @property
    def positions(self) -> dict[Key, set[int]]:
        """Of a row of `remove`, the images by origin that no longer count."""
        if self.kind != "remove":
            return {}
        return {_key([device, seq]): set(places) for device, seq, places in json.loads(self.targets)}


class Meta(NamedTuple):
    """The one row of `meta`: what the file is. It is checksummed but stands in no chain.

    Attributes:
        formerly: JSON list of the names under which earlier owners of a restored file numbered their acts.
        keep_days: how long what was forgotten can be brought back; NULL for the default.
    """

    device: str
    bundle_name: str
    space_id: str
    dim: int
    created: str
    formerly: str | None = None
    keep_days: int | None = None
    hash: str = ""
    crc: int = 0


class Shot(NamedTuple):
    """One row of `shot`: the kept picture of one image; its own SHA-256 stands in the event's chained row.

    Attributes:
        jpeg: the file: a PNG, or a JPEG as galleries of before kept.
        media: its media type; NULL for `image/jpeg`.
    """

    device: str
    seq: int
    position: int
    digest: str
    part: str
    roi: str | None
    jpeg: bytes
    media: str | None = None


class Blob(NamedTuple):
    """One row of `blob`: what rows of `event` name by its digest."""

    sha256: str
    data: bytes


Record = Event | Removed
Row = Event | Removed | Meta | Shot | Blob
Sealed = TypeVar("Sealed", bound=Event | Removed | Meta)

TABLES: dict[type[Row], str] = {Event: "event", Removed: "removed", Meta: "meta", Shot: "shot", Blob: "blob"}

_HEADER_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical(record: Event | Removed | Meta) -> bytes:
    """The bytes that a row's checksums are taken over, by the rules above."""
    header: dict[str, object] = {"table": TABLES[type(record)]}
    blobs: dict[str, bytes] = {}
    for name, value in zip(record._fields[:-2], record, strict=False):  # all but hash and crc
        if isinstance(value, bytes):
            header[name], blobs[name] = None, value
        elif value is not None:
            header[name] = value
    blocks = [_HEADER_JSON.encode(header).encode("ascii"), *(blobs[name] for name in sorted(blobs))]
    return b"".join(part for block in blocks for part in (len(block).to_bytes(8, "little"), block))


def seal(record: Sealed, previous: str = NO_HASH) -> Sealed:
    """The row with its hash and CRC; `previous` is the hash of the device's row before."""
    content = canonical(record)
    digest = hashlib.sha256(bytes.fromhex(previous) + content).hexdigest()
    return cast(Sealed, record._replace(hash=digest, crc=_crc(content, digest)))


def is_intact(record: Event | Removed | Meta) -> bool:
    """Whether the row is what was written, as far as a CRC can tell."""
    return isinstance(record.hash, str) and record.crc == _crc(canonical(record), record.hash)


def follows(record: Record, previous: str) -> bool:
    """Whether the row stands in the chain after the row of hash `previous`."""
    return record.hash == hashlib.sha256(bytes.fromhex(previous) + canonical(record)).hexdigest()


def json_list(values: object) -> str:
    """A list as it is written into a column."""
    return json.dumps(values, separators=(",", ":"))


def _crc(content: bytes, digest: str) -> int:
    return zlib.crc32(digest.encode("utf-8", "surrogatepass"), zlib.crc32(content))


@lru_cache(maxsize=20_000)  # asked for several times of each row
def _vectors_digest(content: str) -> str:
    return str(json.loads(content)["vectors"]["sha256"])


def _key(pair: list[object]) -> Key:
    device, seq = pair
    return cast(str, device), cast(int, seq)

"""The blobs of rows: what a row of schema 3 names by its digest, apart from the row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Record


def apart(drafts: Sequence[Record]) -> tuple[list[Record], dict[str, bytes]]:
    """Rows, not yet sealed, with their embeddings beside them; a seed's rows are the same bytes in every schema."""
    rows: list[Record] = []
    blobs: dict[str, bytes] = {}
    for draft in drafts:
        if isinstance(draft, Event) and draft.vectors and not draft.device.startswith(SEED_PREFIX):
            digest = hashlib.sha256(draft.vectors).hexdigest()
            blobs[digest] = draft.vectors
            draft = draft._replace(vectors=b"", content=_content(digest, draft.n, draft.dim))
        rows.append(draft)
    return rows, blobs


def together(drafts: Sequence[Record], blobs: Mapping[str, bytes]) -> list[Record]:
    """Rows, not yet sealed, as a file of an older schema holds them."""
    return [
        draft._replace(vectors=blobs[draft.vectors_digest], content=None)
        if isinstance(draft, Event) and draft.content is not None
        else draft
        for draft in drafts
    ]


def named_blobs(events: Iterable[Event]) -> set[str]:
    """The digests of all blobs that some rows name."""
    return {
        str(blob["sha256"])
        for event in events
        if event.content is not None
        for blob in json.loads(event.content).values()
    }


def _content(digest: str, n: int, dim: int) -> str:
    fields = {"vectors": {"dtype": "<f4", "sha256": digest, "shape": [n, dim]}}
    return json.dumps(fields, separators=(",", ":"))

"""From an alignment of this device's camera to the row that keeps it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.gallery.records import Act, Event, json_list
from edgefs_runtime.gallery.seed import Seed


@dataclass(frozen=True)
class Aligned:
    """An alignment, and what the audit log says of it.

    Attributes:
        alignment: from the camera of now into the gallery's space.
        digests: SHA-256 of the unlabelled images that it was fitted from.
        measure: what was measured of it, plain JSON values; kept as text, since no column holds floats.
        actor: who did it.
        reason: why.
    """

    alignment: Alignment
    digests: tuple[str, ...]
    measure: Mapping[str, object] = field(default_factory=dict)
    actor: str = ""
    reason: str = ""


def align_event(drafted: Aligned, seed: Seed, act: Act) -> Event:
    """The row, not yet sealed, of a change of the camera.

    Raises:
        GalleryError: the alignment is of another embedding space.
    """
    dim = drafted.alignment.dim
    if dim * seed.views != seed.dim:
        raise GalleryError(
            f"the alignment is of {dim} dimensions, this gallery's embeddings have {seed.dim // seed.views}; "
            "nothing was changed"
        )
    encoded = base64.b64encode(drafted.alignment.to_bytes()).decode("ascii")
    return Event(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind="align",
        label="",
        disposition="ok",
        state="approved",
        n=len(drafted.digests),
        dim=0,
        vectors=b"",
        digests=json_list(drafted.digests),
        parts=json_list([]),
        shots=json_list([]),
        roi=None,
        payload=json.dumps({"alignment": encoded, "measure": dict(drafted.measure)}, sort_keys=True),
        space_id=seed.space_id,
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        approver="",
        reason=act.reason,
    )

"""Heads: what turns embeddings into scores of classes, computed from a gallery snapshot.

A head is one file here and one line in `HEADS`. A head that was trained on the workstation is a `TrainedHead`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.decision.heads.base import Answer, Head, LeftOutScores
from edgefs_runtime.decision.heads.blend import BlendHead
from edgefs_runtime.decision.heads.lda import LdaHead
from edgefs_runtime.decision.heads.linear import LinearHead
from edgefs_runtime.decision.heads.prototype import PrototypeHead
from edgefs_runtime.decision.heads.trained import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.snapshot import Snapshot

HEADS: dict[str, Callable[..., Head]] = {
    "blend": BlendHead,
    "lda": LdaHead,
    "linear": LinearHead,
    "prototype": PrototypeHead,
}
OF_MANY = ("blend", "lda", "prototype")  # those that a large gallery's sums are enough for

__all__ = [
    "HEADS",
    "Answer",
    "BlendHead",
    "Head",
    "LdaHead",
    "LeftOutScores",
    "LinearHead",
    "PrototypeHead",
    "TrainedHead",
    "TrainedHeadModel",
    "fit_head",
]


def large(kind: str) -> Callable[..., Head]:
    """The head of a kind for large galleries."""
    from edgefs_runtime.decision.heads.of_many import OF_MANY as BY_KIND  # rarely needed

    return BY_KIND[kind]


def fit_head(settings: Mapping[str, Any], snapshot: Snapshot) -> Head:
    """Compute the head a manifest describes (`{"kind": "lda", …}`) from a snapshot.

    Raises:
        BundleError: a kind or a setting this runtime does not know.
    """
    options = dict(settings)
    kind = options.pop("kind", None)
    if kind not in HEADS:
        raise BundleError(f"head {kind!r} is not known to this runtime (known: {', '.join(sorted(HEADS))})")
    try:
        if snapshot.is_large and kind in OF_MANY:
            return large(kind)(snapshot, **options)
        return HEADS[kind](snapshot, **options)
    except TypeError as error:
        raise BundleError(f"head {kind!r} does not take these settings: {error}") from error

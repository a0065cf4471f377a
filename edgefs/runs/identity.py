"""Which model a RUN is: its identity, kept through every export and at every precision.

It is a digest of what makes the model, so the same `adapt` gives the same identity wherever it ran, and two RUNs that
differ in anything that decides never share one, whatever their names. A RUN from before identities gets the one that
its `run.json` implies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from edgefs_runtime.bundle.identity import canonical_json

# Fields of `run.json`: nothing of where and when, and no figures.
_MAKES = ("name", "method", "plan", "preprocess", "head", "fallback_head", "decision", "labels", "strangers", "seed")
_TOLD = ("metrics.json", "report.html")


def identity_of(fields: Mapping[str, Any]) -> str:
    """The identity of a RUN, hex SHA-256.

    Args:
        fields: of `run.json`, its files' digests among them.
    """
    if known := fields.get("identity"):
        return str(known)
    made = {key: fields.get(key) for key in _MAKES}
    made |= {
        "files": {name: digest for name, digest in fields["files"].items() if name not in _TOLD},
        "backbone": fields["backbone"]["digest"],
        "data": fields["data"]["digest"],
    }
    return hashlib.sha256(canonical_json(made).encode("ascii")).hexdigest()

"""The checksum of `run.json`: damage and edits by hand are noticed when it is read.

    sealed(fields)            the fields with their checksum, as they are written
    checked(fields, folder)   what was written less the checksum, or one line that it no longer fits

A RUN of format 1.0 has none. One of format 1.1 or later that has none has lost it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefs.runs.record import RUN
from edgefs_runtime.base.errors import RunError
from edgefs_runtime.base.version import version_key
from edgefs_runtime.bundle.identity import canonical_json

_CHECKSUM = "checksum"
_SINCE = (1, 1)


def sealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the checksum of all the others.

    Args:
        fields: finite plain JSON values, as a reader finds them.
    """
    return {**fields, _CHECKSUM: _checksum(fields)}


def checked(fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields less their checksum, where it fits them.

    Args:
        fields: as `run.json` has them.
        folder: where that lies, for the error.

    Raises:
        RunError: the checksum is missing or that of other fields.
    """
    rest = {name: value for name, value in fields.items() if name != _CHECKSUM}
    if _CHECKSUM not in fields and version_key(str(fields["format_version"])) < _SINCE:
        return rest
    if fields.get(_CHECKSUM) != (fitting := _checksum(rest)):
        raise RunError(
            f"{folder}: {RUN} does not fit its checksum: it is damaged or was edited; restore it or make the RUN again "
            f'(to keep an edit of your own, write "{_CHECKSUM}": "{fitting}" into it)'
        )
    return rest


def _checksum(fields: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the fields as canonical JSON."""
    return hashlib.sha256(canonical_json(fields).encode("ascii")).hexdigest()

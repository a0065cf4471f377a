"""Writing a bundle: members in a fixed order with fixed time stamps, so that equal contents are equal bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefs_runtime.base.durable import replace_file
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.bundle.manifest import FORMAT_VERSION, check_name, manifest_bytes
from edgefs_runtime.bundle.members import MANIFEST, MEMBERS

SUFFIX = ".edgefs"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say


def pack(fields: Mapping[str, Any], members: Mapping[str, bytes]) -> bytes:
    """The bytes of a bundle.

    Args:
        fields: of the manifest, less `format_version` and `members`.
        members: content by name, less the manifest.

    Raises:
        BundleError: the model's name is not usable.
    """
    check_name(fields["name"])
    described = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    }
    manifest = manifest_bytes({**fields, "format_version": FORMAT_VERSION, "members": described})
    contents = {MANIFEST: manifest, **members}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents, key=MEMBERS.index):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, on every system: it is a byte of the file
            info.external_attr = 0o644 << 16
            archive.writestr(info, contents[name])
    return buffer.getvalue()


def write_bundle(path: Path, data: bytes) -> None:
    """Put a packed bundle in its place; whatever happens, a whole bundle or the old file stands there.

    Raises:
        ExportError: the folder can't be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, [data], synced=True)
    except OSError as error:
        raise ExportError(f"{path}: can't be written ({error.strerror or error}); nothing was written") from error

"""Bundles made from another one."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def remade(bundle: Path, out: Path, **fields: object) -> Path:
    """The bundle with other fields in its manifest."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = {**json.loads(members["manifest.json"]), **fields}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return out

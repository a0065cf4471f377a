"""Bundles made from the golden one with some members changed, and a manifest that agrees with them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faults.acts import BUNDLE

Attack = Callable[[Path], Path]
# A PNG of a few bytes that claims 60,000 x 60,000 pixels.
BOMB = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes.fromhex("0000ea60 0000ea60 08 02 00 00 00 00000000")
GONE = object()  # stands for a field that is missing


def members() -> dict[str, bytes]:
    """Of the golden bundle."""
    with zipfile.ZipFile(BUNDLE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def stored(folder: Path, content: Mapping[str, bytes]) -> Path:
    """A bundle of these members, whatever they are."""
    path = folder / "attack.edgefs"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def with_members(folder: Path, **changed: bytes) -> Path:
    """The bundle with members changed, named without their suffix; sizes and digests agree."""
    content = members()
    manifest = json.loads(content["manifest.json"])
    names = {name.partition(".")[0]: name for name in content}
    content |= {names[key]: data for key, data in changed.items()}
    for name, entry in manifest["members"].items():
        entry |= {"size": len(content[name]), "sha256": hashlib.sha256(content[name]).hexdigest()}
    return stored(folder, {**content, "manifest.json": json.dumps(manifest).encode()})


def with_manifest(text: Callable[[dict[str, Any]], bytes]) -> Attack:
    """The bundle with the manifest's bytes that `text` makes of its fields."""

    def write(folder: Path) -> Path:
        content = members()
        return stored(folder, {**content, "manifest.json": text(json.loads(content["manifest.json"]))})

    return write


def with_field(place: str, value: object) -> Attack:
    """The bundle with one field, `decision.budget`, of another value, or `GONE`; `Raw` stands in it as it is."""

    def text(fields: dict[str, Any]) -> bytes:
        *parents, last = place.split("/")
        inner = fields
        for parent in parents:
            inner = inner[parent]
        inner.pop(last, None)
        if value is GONE:
            return json.dumps(fields).encode()
        inner[last] = "@@" if isinstance(value, Raw) else value
        written = json.dumps(fields)
        return (written.replace('"@@"', value.text) if isinstance(value, Raw) else written).encode()

    return with_manifest(text)


class Raw:
    """Text that stands in the manifest as it is, such as `1e999`."""

    def __init__(self, text: str) -> None:
        self.text = text


HUGE = Raw("1e999")
LONG = Raw("9" * 5000)
DEEP = Raw("[" * 100_000 + "]" * 100_000)
NOT_A_NUMBER = Raw("NaN")

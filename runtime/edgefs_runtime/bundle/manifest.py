"""The manifest of a bundle: what the other members are, and how they are to be used.

Fields that this runtime does not know are kept in `raw` and do no harm; a later minor format may add some. A later
major format may change the meaning of what is known, so it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.strict_json import read_json
from edgefs_runtime.base.version import __version__, version_key
from edgefs_runtime.bundle.identity import canonical_json
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess

FORMAT_MAJOR, FORMAT_MINOR = 1, 0
FORMAT_VERSION = f"{FORMAT_MAJOR}.{FORMAT_MINOR}"
_NAME = re.compile(r"[^\W_][\w .+-]{0,99}")  # it becomes part of a file name on the device
_MOST_VERSION, _MOST_NAME, _MOST_TEXT = 32, 100, 1000  # characters
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Member(NamedTuple):
    """Size in bytes and hex SHA-256 of one member of the bundle."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says about itself.

    Attributes:
        name: of the model across its versions, for people.
        version: of the model, as its maker counts.
        members: every other member but the signature.
        preprocess: from frame to network input.
        decision: the gallery's head, budget and verdict for unknowns.
        labels: classes of the seed gallery with their dispositions.
        raw: the whole JSON object.
        identity: hex digest that `adapt` gave the model, the same at every precision; state on a device goes by it.
            Empty in bundles from before identities.
        succeeds: identity of the model whose successor this one is; empty where it is none.
    """

    name: str
    version: str
    members: Mapping[str, Member]
    preprocess: Preprocess
    decision: DecisionSettings
    labels: Mapping[str, Disposition]
    raw: Mapping[str, Any]
    identity: str = ""
    succeeds: str = ""

    @property
    def has_trained_head(self) -> bool:
        """Whether a head that was trained on the workstation comes along."""
        return is_trained(self.raw["head"])


def check_name(name: str) -> None:
    """Refuse a name that could not safely be part of a file name.

    Raises:
        BundleError: empty, over 100 characters, or with a character that is no letter, digit, space or one of `._+-`.
    """
    if not _NAME.fullmatch(name) or name.endswith((" ", ".")):
        raise BundleError(
            f"the name {name[:40]!r} is not usable: at most 100 letters, digits, spaces and . _ + -, beginning with a "
            "letter or digit"
        )


def manifest_bytes(fields: Mapping[str, Any]) -> bytes:
    """The member's bytes: canonical JSON, so that equal manifests are equal bytes."""
    return canonical_json(fields).encode("ascii")


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: not JSON, of another major format, made for a newer runtime, or a field is missing or wrong.
    """
    try:
        raw = read_json(data)
    except ValueError as error:
        raise BundleError(f"manifest.json is not JSON as edgefs writes it ({error!s:.200})") from error
    if not isinstance(raw, dict):
        raise BundleError("manifest.json is not a JSON object")
    _check_versions(raw)
    try:
        return _parse(raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"manifest.json: a field is missing or of the wrong kind ({error!s:.200})") from error


def _check_versions(raw: dict[str, Any]) -> None:
    for field in ("format_version", "min_runtime"):
        if not isinstance(text := raw.get(field, ""), str) or len(text) > _MOST_VERSION:
            raise BundleError(f"manifest.json: the bundle format ({field}) is no version")
    found = raw.get("format_version", "none")
    if version_key(found)[:1] != (FORMAT_MAJOR,):
        raise BundleError(f"bundle format {found}: this runtime reads {FORMAT_MAJOR}.x; update edgefs, or export again")
    needed = raw.get("min_runtime", "0")
    if version_key(needed) > version_key(__version__):
        raise BundleError(f"the bundle needs edgefs {needed} or newer, this is {__version__}; update edgefs")


def is_trained(entry: Mapping[str, Any]) -> bool:
    """Whether the entry `head` of a manifest describes a trained head; one computed from a gallery names no labels."""
    return "labels" in entry


def gallery_head(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings, in a manifest or a RUN, of the head that is computed from the gallery."""
    entry: Mapping[str, Any] = fields["fallback_head"] if is_trained(fields["head"]) else fields["head"]
    return entry


def _parse(raw: dict[str, Any]) -> Manifest:
    _check_kinds(raw)
    check_name(raw["name"])
    members = {name: Member(m["size"], m["sha256"]) for name, m in raw["members"].items()}
    for name, member in members.items():
        if member.size < 0 or not _DIGEST.fullmatch(member.sha256):
            raise BundleError(f"manifest.json: {name} has no proper size and SHA-256")
    labels = {entry["label"]: entry["disposition"] for entry in raw["labels"]}
    if not set(labels.values()) <= {"ok", "defect"}:
        raise BundleError("manifest.json: a label's disposition is neither ok nor defect")
    decision = raw["decision"]
    identity, succeeds = (_identity(raw, key) for key in ("identity", "succeeds"))
    return Manifest(
        name=raw["name"],
        version=str(raw["version"]),
        members=members,
        preprocess=Preprocess.from_json(raw["preprocess"]),
        decision=DecisionSettings.from_json(gallery_head(raw), decision),
        labels=cast("dict[str, Disposition]", labels),
        raw=raw,
        identity=identity,
        succeeds=succeeds,
    )


def _check_kinds(raw: dict[str, Any]) -> None:
    """Refuse fields of another kind than they have in every bundle that was ever exported.

    Raises:
        BundleError: names the field.
    """
    heads = [raw["head"], *([raw["fallback_head"]] if "fallback_head" in raw else [])]
    decision, version = raw["decision"], raw["version"]
    kinds = {
        "version": isinstance(version, (str, int)) and len(str(version)) <= _MOST_TEXT and str(version).isprintable(),
        "head": all(isinstance(head, dict) and _is_kind(head.get("kind")) for head in heads),
        "decision": all(_is_number(decision.get(name)) for name in ("budget", "overkill", "escape_cost")),
        "labels": isinstance(raw["labels"], list) and all(_is_label(entry["label"]) for entry in raw["labels"]),
        "keep_images": raw.get("keep_images", "none") in ("none", "support"),
        "members": all(type(member["size"]) is int for member in raw["members"].values()),
    }
    for field, holds in kinds.items():
        if not holds:
            raise BundleError(f"manifest.json: {field} is missing or of the wrong kind")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _is_kind(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_NAME and value.isprintable()


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_TEXT


def _identity(raw: dict[str, Any], key: str) -> str:
    """A field that holds an identity, or nothing."""
    found = raw.get(key, "")
    if found and not _DIGEST.fullmatch(found):
        raise BundleError(f"manifest.json: {key} is no hex SHA-256")
    return str(found)

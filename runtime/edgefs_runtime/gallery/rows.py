"""What a row says, held against what a row can say.

A checksum tells that a row is what its writer wrote, and nothing of whether the writer was an edgefs. Here every column
of a row is looked at once, when it is read: its type, its bounds, and what its JSON holds. What parses a row later need
not expect anything else. What its embeddings are is looked at where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.labels import check_label
from edgefs_runtime.base.strict_json import read_json
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.records import Event, Record, Removed

MOST_IMAGES = 1_000_000  # of one row
_MOST_TEXT = 100_000  # characters that a person writes: why, who
_MOST_JSON = 256_000_000  # characters; an alignment of 2,000 numbers has 64 million
_MOST_NUMBER = 1 << 40  # of an act
_HEX = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("actor", "reason", "bundle", "time", "label", "kind")

Test = Callable[[Any], bool]


def fault_of(record: Record) -> str:
    """What a row says that no row says, as the end of a sentence; empty where it is a row of ours."""
    try:
        _check(record)
    except GalleryError as error:
        return str(error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return "holds what no edgefs writes"
    return ""


def _check(record: Record) -> None:
    _common(record)
    if isinstance(record, Removed):
        _each("targets", read_json(record.targets), _is_target)
        _ = record.target_keys, record.positions
        return
    found = _of_event(record)
    if record.kind == "enroll":
        _of_enrolment(record, found)
    elif record.kind == "align":
        record.alignment()
    elif is_deed(record):
        deed_of(record)


def _common(record: Record) -> None:
    _holds("device", isinstance(record.device, str) and 0 < len(record.device) <= 200 and record.device.isprintable())
    for name in (*_TEXTS, *(("approver", "disposition", "state", "space_id") if isinstance(record, Event) else ())):
        text = getattr(record, name)
        _holds(name, isinstance(text, str) and len(text) <= _MOST_TEXT)
    _holds("time", len(record.time) <= 64 and record.time.isprintable())
    _holds("bundle", len(record.bundle) <= 200 and record.bundle.isprintable())
    _holds("seq", _is_whole(record.seq) and 0 < record.seq < _MOST_NUMBER)
    _holds("operation", _is_whole(record.operation) and 0 < record.operation <= record.seq)
    _holds("n", _is_whole(record.n) and 0 <= record.n <= MOST_IMAGES)
    _holds("undoes", record.undoes is None or (_is_whole(record.undoes) and 0 < record.undoes < record.seq))


def _of_event(event: Event) -> dict[str, Any]:
    """What the columns hold that an enrolment is looked at by."""
    _holds("dim", _is_whole(event.dim) and 0 <= event.dim <= 1 << 24)
    _holds("vectors", isinstance(event.vectors, bytes))
    _holds("disposition", event.disposition in ("ok", "defect"))
    _holds("state", event.state in ("pending", "approved"))
    found = {name: _json(name, getattr(event, name)) for name in ("digests", "parts", "shots")}
    for name, values in found.items():
        _each(name, values, _is_text)
    _holds("restores", event.restores is None or _is_key(_json("restores", event.restores)))
    _holds("roi", event.roi is None or _is_region(_json("roi", event.roi)))
    payload = {} if event.payload is None else _json("payload", event.payload)
    _holds("payload", isinstance(payload, dict))
    for name, test in (("approves", _is_key), ("lost", _is_key), ("pictures", _is_place)):
        _each("payload", payload.get(name, []), test)
    if event.content is not None:
        content = _json("content", event.content)
        _holds("content", isinstance(content, dict))
        _each("content", list(content.values()), _is_blob)
        found["content"] = content
    return found


def _of_enrolment(event: Event, found: dict[str, Any]) -> None:
    check_label(event.label)
    _holds("n", event.n > 0 and event.dim > 0)
    counts = {len(found[name]) for name in ("digests", "parts", "shots")}
    _holds("digests, parts and shots", counts == {event.n})
    if event.content is None:
        _holds("vectors", len(event.vectors) == 4 * event.n * event.dim)
    else:
        blob = found["content"]["vectors"]
        _holds("content", blob["shape"] == [event.n, event.dim] and blob["dtype"] == "<f4" and not event.vectors)


def _json(name: str, text: Any) -> Any:
    _holds(name, isinstance(text, str) and len(text) <= _MOST_JSON)
    try:
        return read_json(text)
    except ValueError as error:
        raise GalleryError(f"holds {name} that are no JSON of ours") from error


def _each(name: str, values: Any, test: Test) -> None:
    _holds(name, isinstance(values, list) and len(values) <= MOST_IMAGES and all(map(test, values)))


def _holds(name: str, holds: bool) -> None:
    if not holds:
        raise GalleryError(f"holds {name} as no edgefs writes them")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_key(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_whole(value[1])


def _is_place(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and _is_key(value[:2]) and _is_whole(value[2])


def _is_target(value: Any) -> bool:
    if not (isinstance(value, list) and _is_key(value[:2])):
        return False
    return len(value) == 2 or (len(value) == 3 and isinstance(value[2], list) and all(map(_is_whole, value[2])))


def _is_region(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(_is_whole(one) and one >= 0 for one in value)


def _is_blob(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value["sha256"], str)
        and _HEX.fullmatch(value["sha256"]) is not None
        and isinstance(value["dtype"], str)
        and isinstance(value["shape"], list)
        and all(_is_whole(side) and 0 <= side <= 1 << 40 for side in value["shape"])
    )

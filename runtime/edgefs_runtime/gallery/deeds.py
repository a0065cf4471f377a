"""Acts that bring what was taught elsewhere: a merge, and carrying over from another model.

Each is one row of its own, an `event` of kind `settings` without vectors, whose payload says what it did:

    {"deed": "merge" | "carry", "source": FILE, "added": {label: images}, "removed": {label: images},
     "rows": [[device, first, last], ...]}

`rows` are those that a merge brought. They are never deleted; while every merge of this device that brought a row is
undone, the row does not count here. So one undo takes back all of a merge, its removals too, and merging again brings
all of it back. On other devices this device's merges hide nothing.

A file with such a row has schema 2, so that an edgefs that does not know them refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.gallery.records import SEED_PREFIX, Act, Event, Key, Record, json_list
from edgefs_runtime.gallery.seed import Seed

DEED = "settings"  # the kind of such rows: the tables of schema 1 allow no new one


@dataclass(frozen=True)
class Deed:
    """What a merge or a carrying over did.

    Attributes:
        kind: `merge` or `carry`.
        source: name of the file that it came from, without its folder.
        added: images by class that count since.
        removed: images by class that don't count any more.
        rows: (device, first seq, last seq) of the rows that a merge brought.
    """

    kind: Literal["merge", "carry"]
    source: str
    added: Mapping[str, int]
    removed: Mapping[str, int]
    rows: tuple[tuple[str, int, int], ...] = field(default=())

    @property
    def labels(self) -> list[str]:
        """The classes that it touched, sorted."""
        return sorted({*self.added, *self.removed})

    def brought(self, keys: Iterable[Key]) -> set[Key]:
        """Of these rows those that it brought."""
        runs: dict[str, list[tuple[int, int]]] = {}
        for device, first, last in self.rows:
            runs.setdefault(device, []).append((first, last))
        return {(device, seq) for device, seq in keys if any(a <= seq <= b for a, b in runs.get(device, ()))}


def deed_of(event: Event) -> Deed:
    """What such a row says.

    Raises:
        GalleryError: its payload is something else.
    """
    try:
        fields = json.loads(event.payload or "")
        rows = tuple((str(device), int(first), int(last)) for device, first, last in fields["rows"])
        if fields["deed"] not in ("merge", "carry"):
            raise ValueError("not a deed")
        return Deed(fields["deed"], str(fields["source"]), dict(fields["added"]), dict(fields["removed"]), rows)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GalleryError(f"row {event.seq} of device {event.device:.12} does not say what it did") from error


def deed_event(deed: Deed, seed: Seed, act: Act) -> Event:
    """The row, not yet sealed, that tells of a deed."""
    payload = {
        "deed": deed.kind,
        "source": deed.source,
        "added": dict(deed.added),
        "removed": dict(deed.removed),
        "rows": [list(run) for run in deed.rows],
    }
    return Event(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind=DEED,
        label="",
        disposition="ok",
        state="approved",
        n=sum(deed.added.values()) + sum(deed.removed.values()),
        dim=0,
        vectors=b"",
        digests=json_list([]),
        parts=json_list([]),
        shots=json_list([]),
        roi=None,
        payload=json.dumps(payload, sort_keys=True),
        space_id=seed.space_id,
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        approver="",
        reason=act.reason,
    )


def is_deed(record: Record) -> bool:
    """Whether a row tells of a merge or a carrying over."""
    return isinstance(record, Event) and record.kind == DEED


def runs_of(records: Iterable[Record]) -> tuple[tuple[str, int, int], ...]:
    """Rows as runs (device, first seq, last seq), sorted. A seed's are its bundle's, and no merge's to take back."""
    runs: list[tuple[str, int, int]] = []
    for device, seq in sorted(record.key for record in records if not record.device.startswith(SEED_PREFIX)):
        if runs and (runs[-1][0], runs[-1][2]) == (device, seq - 1):
            runs[-1] = (device, runs[-1][1], seq)
        else:
            runs.append((device, seq, seq))
    return tuple(runs)


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Images by class that came and that went, from the numbers of images before and after."""
    labels = sorted({*before, *after})
    moved = {label: after.get(label, 0) - before.get(label, 0) for label in labels}
    return {k: n for k, n in moved.items() if n > 0}, {k: -n for k, n in moved.items() if n < 0}


def said(added: Mapping[str, int], removed: Mapping[str, int]) -> str:
    """`5 images of 1 class added (extra), 3 images of 1 class taken away (dent)`."""
    parts = [f"{_number(added)} added ({_names(added)})"] if added else []
    parts += [f"{_number(removed)} taken away ({_names(removed)})"] if removed else []
    return ", ".join(parts) or "no image added or taken away"


def _number(images: Mapping[str, int]) -> str:
    total = sum(images.values())
    return f"{counted(total, 'image')} of {counted(len(images), 'class', 'classes')}"


def _names(labels: Iterable[str], most: int = 5) -> str:
    names: Sequence[str] = list(labels)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")

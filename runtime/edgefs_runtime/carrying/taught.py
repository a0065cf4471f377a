"""What was taught under the other bundle, image by image, and what decided there."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from typing import NamedTuple

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot
from edgefs_runtime.gallery.belonging import seed_of
from edgefs_runtime.gallery.choosing import number_of
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.reading import add_seed, view_of
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key, Meta
from edgefs_runtime.gallery.seed import Seed


class Taught(NamedTuple):
    """One act of teaching that counts or is pending.

    Attributes:
        enrolment: as its camera saw it.
        pictures: that are kept of its images; empty bytes where none is.
        names: of its images, as `edgefs gallery remove` takes them there: `7.2` is the second of act 7.
        origin: the row that it was taught by.
        time: when.
    """

    enrolment: Enrolment
    pictures: tuple[bytes, ...]
    names: tuple[str, ...]
    origin: Key
    time: str


class Decided(NamedTuple):
    """What decided there.

    Attributes:
        snapshot: what counts, as `Snapshot.seen` has it.
        settings: of the bundle; None where that is not at hand, so that another one's must do.
        bundle: its digest.
    """

    snapshot: Snapshot
    settings: DecisionSettings | None
    bundle: str


def taught_by(event: Event, ledger: Ledger, connection: sqlite3.Connection) -> Taught:
    """What an event teaches, with its pictures; what somebody approved is approved."""
    query = "SELECT position, jpeg FROM shot WHERE device = ? AND seq = ?"
    shots: dict[int, bytes] = dict(connection.execute(query, ledger.pictures(event)))
    places, number = ledger.kept(event), number_of(ledger, event)
    enrolment = ledger.enrolment(event)
    if ledger.is_approved(event) and enrolment.state != "approved":
        approvers = ", ".join(sorted(ledger.approvers(event)))
        enrolment = dataclasses.replace(enrolment, state="approved", approver=approvers)
    pictures = tuple(shots.get(place, b"") for place in places)
    taught = ledger.events.get(event.origin, event)
    return Taught(enrolment, pictures, tuple(f"{number}.{place + 1}" for place in places), event.origin, taught.time)


def decided_there(ledger: Ledger, meta: Meta, bundle: Bundle | None, views: int | None) -> Decided | None:
    """What decided under the other bundle.

    Args:
        ledger: of its gallery.
        meta: of its gallery.
        bundle: the other one, where it is at hand.
        views: V there, as far as that is known without the bundle.

    Returns:
        None where it can't be known, or no class is left.
    """
    settings = None
    if bundle is not None and bundle.space_id == meta.space_id:
        seed, settings = seed_of(bundle), bundle.manifest.decision
        add_seed(ledger, seed)
    elif views is not None and meta.dim % views == 0:
        seed = Seed(_latest_bundle(ledger, meta), meta.space_id, meta.dim, meta.bundle_name, (), views)
    else:
        return None
    try:
        return Decided(view_of(ledger, seed, meta.device), settings, seed.digest)
    except GalleryError:  # every class was forgotten
        return None


def _latest_bundle(ledger: Ledger, meta: Meta) -> str:
    """Digest of the bundle that the device used last, by its rows; it has a seed there."""
    names = (meta.device, *json.loads(meta.formerly or "[]"))
    own = [record for record in ledger.records if record.device in names]
    used = max(own, key=lambda record: record.seq).bundle if own else ""
    seeds = sorted(device for device in ledger.tips if device.startswith(SEED_PREFIX))
    return used if SEED_PREFIX + used in seeds else (seeds or [SEED_PREFIX])[-1].removeprefix(SEED_PREFIX)

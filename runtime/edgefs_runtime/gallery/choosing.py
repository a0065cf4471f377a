"""Which rows a person means by what the log shows: `7`, `7.2`, `5eed01:7`, or an image by its digest."""

from __future__ import annotations

import json
import re

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.ledger import Ledger, once_per_origin
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key

_ACT = re.compile(r"(?:([0-9a-f]{4,32}):)?([0-9]{1,9})(?:\.([0-9]{1,6}))?")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


def images_of(ledger: Ledger, what: str, seed_device: str) -> tuple[str, dict[Key, list[int]]]:
    """The class of some images that were taught, and their positions by the origin of their event.

    Raises:
        GalleryError: nothing that counts or is pending is meant.
    """
    events = list(once_per_origin(ledger.live(seed_device)))
    number = _ACT.fullmatch(what)
    found = _of_act(ledger, events, number) if number else {}
    if not found and _DIGEST.fullmatch(what):
        found = _of_digest(ledger, events, what)
    if not found:
        raise GalleryError(
            f"nothing that was taught and counts is meant by {what!r}; expected the number of an act as "
            "`edgefs gallery log` shows it, one of its images (7.2), an image's file or its SHA-256"
        )
    labels = sorted({event.label for event in events if event.origin in found})
    return ", ".join(labels), found


def pending_of(ledger: Ledger, what: str, seed_device: str) -> list[Event]:
    """The pending events of one act.

    Raises:
        GalleryError: there are none.
    """
    number = _ACT.fullmatch(what)
    events = [event for event in once_per_origin(ledger.live(seed_device)) if not ledger.is_approved(event)]
    found = [event for event in events if number and not number[3] and _is_of_act(ledger, event, number)]
    if not found:
        waiting = ", ".join(number_of(ledger, event) for event in events) or "nothing"
        raise GalleryError(f"act {what!r} taught nothing that is pending; pending: {waiting}")
    return found


def _unnamed(ledger: Ledger) -> set[str]:
    """The devices that a number without one means: this one, and another where it is the only one."""
    devices = {device for device in ledger.tips if not device.startswith(SEED_PREFIX)}
    return devices if len(devices) == 1 else {ledger.device}


def number_of(ledger: Ledger, event: Event) -> str:
    """The number of the act that taught an event, as a person is shown it."""
    device, seq = event.origin
    return str(seq) if device == ledger.device else f"{device[:8]}:{seq}"


def _is_of_act(ledger: Ledger, event: Event, number: re.Match[str]) -> bool:
    device, seq = event.origin
    origin = ledger.events.get(event.origin)
    is_device = device.startswith(number[1]) if number[1] else device in _unnamed(ledger)
    return is_device and int(number[2]) in (seq, origin.operation if origin else seq)


def _of_act(ledger: Ledger, events: list[Event], number: re.Match[str]) -> dict[Key, list[int]]:
    taught = [event for event in events if _is_of_act(ledger, event, number)]
    if not number[3]:
        return {event.origin: ledger.kept(event) for event in taught}
    position = int(number[3]) - 1
    return {event.origin: [position] for event in taught[:1] if position in ledger.kept(event)}


def _of_digest(ledger: Ledger, events: list[Event], start: str) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = {}
    whole = set()
    for event in events:
        digests = json.loads(event.digests)
        positions = [position for position in ledger.kept(event) if digests[position].startswith(start)]
        whole |= {digests[position] for position in positions}
        if positions:
            found[event.origin] = positions
    if len(whole) > 1:
        raise GalleryError(f"{start!r} begins the SHA-256 of {len(whole)} images; give more of its digits")
    return found


def unknown_class(label: str, known: set[str]) -> GalleryError:
    """The refusal of a class that the gallery does not hold."""
    names = ", ".join(sorted(known)[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return GalleryError(f"the gallery has no class {label!r}; it has {names or 'none'}")

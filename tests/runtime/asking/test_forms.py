"""What is taught goes through a message and comes out as it was."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgefs_runtime.asking.forms import (
    aligned_blobs,
    aligned_fields,
    aligned_of,
    enrolment_blobs,
    enrolment_fields,
    enrolment_of,
)
from edgefs_runtime.asking.frames import HEAD, pack, unpack
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.aligned import Aligned

pytestmark = pytest.mark.device

FULL = Enrolment(
    label="Kratzer – tief",
    disposition="ok",
    vectors=np.array([[1.5, -0.0, 3e-40], [np.pi, 2, 1e5]], np.float32),
    digests=("a" * 64, "b" * 64),
    groups=("part 7", ""),
    thumbnails=(b"\xff\xd8 a picture", b""),
    state="pending",
    actor="Ann\x1b[2J",
    approver="Bob",
    reason="line 1\nline 2 \udc80",
    region=(1, 2, 30, 40),
)


def through(fields: dict, blobs: list[bytes]) -> tuple[dict, list[memoryview]]:
    head, *rest = pack(fields, blobs)
    return unpack(b"".join(rest), HEAD.unpack(head)[2])


def test_an_enrolment_comes_through_with_every_field() -> None:
    """A field that an enrolment gets one day, and that the message does not carry, fails here."""
    fields, blobs = through(enrolment_fields(FULL), enrolment_blobs(FULL))
    found = enrolment_of(fields, iter(blobs))
    for field in dataclasses.fields(Enrolment):
        sent, got = getattr(FULL, field.name), getattr(found, field.name)
        assert field.default is dataclasses.MISSING or sent != field.default, "FULL leaves it as it is by default"
        assert np.array_equal(sent, got) if field.name == "vectors" else sent == got, field.name


def test_an_alignment_comes_through_with_every_field() -> None:
    drafted = Aligned(Alignment.identity(3), ("c" * 64,), {"shift": 1.25, "images": 7}, "Ann", "a new lamp")
    fields, blobs = through(aligned_fields(drafted) or {}, aligned_blobs(drafted))
    found = aligned_of(fields, iter(blobs))
    assert found is not None
    assert found.alignment.to_bytes() == drafted.alignment.to_bytes()
    for name in ("digests", "measure", "actor", "reason"):
        assert getattr(found, name) == getattr(drafted, name)

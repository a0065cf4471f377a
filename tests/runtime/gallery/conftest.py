"""A seed of two classes, and a way to make enrolments, for every gallery test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery import Seed

DIM = 8

Teach = Callable[..., Enrolment]


def make_enrolment(label: str, k: int = 3, *, number: int = 0, dim: int = DIM, **fields: object) -> Enrolment:
    """`k` embeddings that differ by label and number, and are the same every time."""
    digests = tuple(hashlib.sha256(f"{label} {number} {image}".encode()).hexdigest() for image in range(k))
    random = np.random.default_rng(int(digests[0][:8], 16))
    fields.setdefault("disposition", "defect")
    return Enrolment(
        label=label, vectors=random.standard_normal((k, dim)).astype(np.float32), digests=digests, **fields
    )


@pytest.fixture(scope="session")
def teach() -> Teach:
    return make_enrolment


@pytest.fixture(scope="session")
def seed() -> Seed:
    return Seed(
        digest="5eed" * 16,
        space_id="0ace" * 16,
        dim=DIM,
        bundle_name="parts",
        enrolments=(
            make_enrolment("good", 4, disposition="ok"),
            make_enrolment("dent", 3, thumbnails=(b"a", b"b", b"")),
        ),
    )

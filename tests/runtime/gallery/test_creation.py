"""Two processes that are the first to teach meet at one gallery."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgefs_runtime.gallery import Gallery, check_gallery
from edgefs_runtime.gallery.creation import create
from edgefs_runtime.gallery.records import Meta, Shot, seal

pytestmark = pytest.mark.device


class Meanwhile(tuple[Shot, ...]):
    """Pictures of a seed; while they are written, another owner makes the gallery, and sweeps what lies beside it."""

    def __iter__(self) -> Iterator[Shot]:
        if not self.others[0].exists():
            with Gallery.open(*self.others) as gallery:
                gallery.enroll(self.taught)
        return super().__iter__()


def test_a_gallery_that_another_makes_meanwhile_stands_and_is_no_error(tmp_path, seed, teach):
    path = tmp_path / "line.gallery"
    shots = Meanwhile(seed.shots())
    shots.others, shots.taught = (path, seed), teach("scratch")
    meta = seal(Meta("5e" * 16, seed.bundle_name, seed.space_id, seed.dim, "2026-01-01T00:00:00.000+00:00"))
    create(path, meta, seed.events(), shots)
    assert check_gallery(path) == []
    with Gallery.open(path, seed) as gallery:
        assert gallery.snapshot().counts["scratch"] == 3
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith((".new", ".new-wal"))] == []

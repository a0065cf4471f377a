"""A process that owns a gallery and is forked: the fork leaves the file alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no forks"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # of Python 3.12, where threads run
]


def in_a_fork(do: Callable[[], object]) -> int:
    """The exit code of a fork that does something: 0, or 3 where a `GalleryError` came of it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            do()
            code = 0
        except GalleryError:
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("way", ["close", "discard"])
def test_what_is_taught_after_a_fork_ended_is_there(tmp_path: Path, seed, teach, way: str) -> None:
    gallery = Gallery.open(tmp_path / "g", seed)
    gallery.enroll(teach("before"))
    assert in_a_fork(getattr(gallery, way)) == 0
    assert (tmp_path / "g.owner").exists()
    gallery.enroll(teach("after"))
    gallery.close()
    assert check_gallery(tmp_path / "g") == []
    assert {"before", "after"} <= set(read_snapshot(tmp_path / "g", seed).labels)


def test_a_fork_writes_nothing(tmp_path: Path, seed, teach) -> None:
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("before"))
        for act in (lambda: gallery.enroll(teach("of the fork")), gallery.undo, lambda: gallery.compact(0)):
            assert in_a_fork(act) == 3
        assert gallery.undo()
    assert check_gallery(tmp_path / "g") == []


def test_a_gallery_that_was_let_go_is_not_written_to(tmp_path: Path, seed, teach) -> None:
    gallery = Gallery.open(tmp_path / "g", seed)
    gallery.close()
    with pytest.raises(GalleryError, match="was let go, or is"):
        gallery.enroll(teach("late"))

"""A part of a file, held once: what was hashed is what is read, whether or not the system has files in memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefs_runtime import Classifier
from edgefs_runtime.base.memory_file import MemoryFile

pytestmark = pytest.mark.device

FILES = hasattr(os, "memfd_create") and Path("/proc/self/fd").exists()
needs_files = pytest.mark.skipif(not FILES, reason="this system has no files in memory")


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_it_holds_what_stands_there_and_says_how_much_that_is(data: bytes, start: int, size: int) -> None:
    held = MemoryFile(io.BytesIO(data), start, size)
    there = data[start : start + size]
    assert (held.read(), held.size, held.sha256) == (there, len(there), hashlib.sha256(there).hexdigest())


def test_more_than_one_step_comes_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10000
    (tmp_path / "large").write_bytes(b"before" + data + b"behind")
    with (tmp_path / "large").open("rb", buffering=0) as file:
        held = MemoryFile(file, 6, len(data))
    assert held.read() == data


@needs_files
def test_it_has_a_path_as_long_as_it_lives() -> None:
    held = MemoryFile(io.BytesIO(b"network"), 0, 7)
    path = Path(held.path)
    assert (path.read_bytes(), len(held.sha256)) == (b"network", 64)
    del held
    assert not path.exists()


def test_without_such_files_the_same_is_decided(
    bundle: Path, pictures: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rankings() -> list[object]:
        with Classifier.open(bundle, seed_only=True) as classifier:
            return [decision.ranking for decision in classifier.predict(pictures("dots", 2))]

    usual = rankings()
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert MemoryFile(io.BytesIO(b"network"), 0, 7).path == ""
    assert rankings() == usual

"""The replayed disk: what it keeps after a power cut, and what it may lose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from faults.disk import Change, Disk, Kept

FILE, OLD = 7, 8


def write(data: bytes, offset: int = 0) -> Change:
    return Change("w", FILE, offset, "file", "", data)


def synced() -> list[Change]:
    return [
        Change("c", FILE, 0, "file", "", b""),
        write(b"synced"),
        Change("s", FILE, 0, "file", "", b""),
        Change("d", 1, 0, "", "", b""),
    ]


def left_of(changes: list[Change], folder: Path, kept: Kept, seed: int = 0) -> dict[str, bytes]:
    disk = Disk()
    for change in changes:
        disk.take(change)
    disk.cut(folder, kept, random.Random(seed))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kept", ["drop", "keep", "subset", "torn"])
def test_what_was_synced_is_there(tmp_path: Path, kept: Kept) -> None:
    assert left_of(synced(), tmp_path, kept) == {"file": b"synced"}


def test_a_write_that_was_not_synced_is_there_or_not(tmp_path: Path) -> None:
    changes = [*synced(), write(b"later!")]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert left_of(changes, tmp_path / "a", "drop") == {"file": b"synced"}
    assert left_of(changes, tmp_path / "b", "keep") == {"file": b"later!"}


def test_a_torn_write_keeps_whole_sectors(tmp_path: Path) -> None:
    (content,) = left_of([*synced(), write(b"x" * 2048)], tmp_path, "torn", seed=1).values()
    sectors = {content[start : start + 512] for start in range(512, len(content), 512)}
    assert sectors <= {b"x" * 512, bytes(512)}
    assert b"x" in content
    assert content != b"x" * 2048


def test_a_name_whose_folder_was_not_synced_is_lost(tmp_path: Path) -> None:
    assert left_of(synced()[:-1], tmp_path, "drop") == {}


def test_a_rename_is_whole_or_not_at_all(tmp_path: Path) -> None:
    renamed = [*synced(), Change("r", FILE, 0, "file", "new", b"")]
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert left_of(renamed, folder, "subset", seed) in ({"file": b"synced"}, {"new": b"synced"})

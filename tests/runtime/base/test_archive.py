"""The strict reader of stored zips: what the standard library wrote comes back, and nothing else is taken."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefs_runtime.base.archive import ArchiveError, read_archive

pytestmark = pytest.mark.device

NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/\\\\"), min_size=1, max_size=20)


def written(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=6))
def test_what_was_stored_comes_back(members: dict[str, bytes]) -> None:
    found = read_archive(written(members))
    assert {name: bytes(member.content) for name, member in found.items()} == members
    assert all(member.is_intact() for member in found.values())


@given(st.integers(0, 400), st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_changes_only_what_nobody_reads(at: int, bit: int) -> None:
    members = {"a": b"x" * 40, "b": b"y" * 60}
    data = bytearray(written(members))
    data[at % len(data)] ^= 1 << bit
    try:
        found = read_archive(bytes(data))
    except ArchiveError:
        return
    same = {name: bytes(member.content) for name, member in found.items()} == members
    assert same or set(found) != set(members) or not all(member.is_intact() for member in found.values())


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes(noise: bytes) -> None:
    with pytest.raises(ArchiveError):
        read_archive(noise + b"PK\5\6")


@pytest.mark.parametrize("cut", [1, 21, 22, 60, 150])
def test_a_truncated_archive_is_refused(cut: int) -> None:
    with pytest.raises(ArchiveError):
        read_archive(written({"a": b"x" * 40, "b": b"y" * 60})[:-cut])


def test_an_archive_inside_is_not_taken_for_the_whole() -> None:
    inner = written({"deep": b"z" * 30})
    outer = written({"inner.zip": inner})
    cut = outer[: outer.index(inner) + len(inner)]
    with pytest.raises(ArchiveError, match="beginning or its end is missing"):
        read_archive(cut)


def test_a_compressed_archive_is_refused() -> None:
    with pytest.raises(ArchiveError, match="compressed"):
        read_archive(written({"a": b"x" * 400}, zipfile.ZIP_DEFLATED))

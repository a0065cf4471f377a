"""Every byte of a gallery's header and of the list of its tables, changed: it decides, says so, and can be repaired."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from edgefs_runtime.gallery.repairing import repair

pytestmark = pytest.mark.device

FLIPS = 60


@pytest.fixture(params=[3, 1])
def path(request, tmp_path, seed, teach, write_schema_1) -> Path:
    """A gallery of either layout with three acts."""
    taught = [teach("scratch", 3), teach("crack", 2), teach("scratch", 4, number=1)]
    if request.param == 1:
        return write_schema_1(tmp_path / "g", seed, *taught)
    with Gallery.open(tmp_path / "g", seed) as gallery:
        for enrolment in taught:
            gallery.enroll(enrolment)
    return tmp_path / "g"


def pages_of_list(path: Path) -> list[int]:
    """The pages that hold the list of the tables, as SQLite itself tells them."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            rows = connection.execute("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite was built without dbstat")
    return [page for (page,) in rows]


def test_a_flipped_bit_before_the_first_row_stops_nothing(path, seed):
    whole, data, chance = read_snapshot(path, seed), path.read_bytes(), random.Random(7)
    pages = pages_of_list(path)
    for number in range(FLIPS):
        page = chance.choice(pages)
        at = (page - 1) * 4096 + chance.randrange(4096) if number % 3 else chance.randrange(100)
        if at == 63:  # the schema's number: what a newer edgefs wrote is refused
            continue
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        found = read_snapshot(path, seed)
        assert found.labels == whole.labels, at
        assert found.counts == whole.counts, at
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0, 17, 31, 60, 69, 109], ids=["SQLite", "page size", "pages", "schema", "kind", "tree"])
def test_it_is_told_of_and_repaired_by_one_command(path, seed, at):
    spoilt = bytearray(path.read_bytes())
    spoilt[at] ^= 0x41
    whole = read_snapshot(path, seed)
    path.write_bytes(spoilt)
    found = read_snapshot(path, seed)
    assert found.counts == whole.counts
    assert "some of the file's pages can't be read" in found.warnings[0]
    with pytest.raises(GalleryError, match=r"is damaged .*edgefs gallery repair"):
        Gallery.open(path, seed)
    assert repair(path, seed, [], None).kept
    assert check_gallery(path) == []
    mended = read_snapshot(path, seed)
    assert mended.counts == found.counts
    assert not mended.warnings


def test_a_file_of_another_program_is_no_damaged_gallery(tmp_path, seed):
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE meta (a, b)")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", [(number, "x" * 500) for number in range(200)])
        connection.commit()
    with pytest.raises(GalleryError, match="not an edgefs gallery"):
        read_snapshot(tmp_path / "other", seed)


@pytest.mark.parametrize("where", [0, 3, 4, 5, 7, 8, 9])  # kind, number of cells, where they begin, the first of them
def test_rows_of_a_page_with_a_damaged_head_come_back_by_a_repair(tmp_path, seed, teach, where):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        for number in range(40):
            gallery.enroll(teach("scratch", 2, number=number))
    whole = read_snapshot(path, seed)
    with closing(sqlite3.connect(path)) as connection:
        rows = "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf' ORDER BY pageno"
        pages = [page for (page,) in connection.execute(rows)]
    spoilt = bytearray(path.read_bytes())
    spoilt[(pages[1] - 1) * 4096 + where] ^= 0x08
    path.write_bytes(spoilt)
    repair(path, seed, [], None)
    assert check_gallery(path) == []
    mended = read_snapshot(path, seed)
    assert mended.counts == whole.counts
    assert mended.vectors.tobytes() == whole.vectors.tobytes()


def test_a_copy_that_was_broken_off_decides_by_what_is_there_and_is_repaired(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        for number in range(60):
            gallery.enroll(teach("scratch", 40, number=number))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4 // 4096 * 4096 + 100])
    found = read_snapshot(path, seed)
    assert "scratch" in found.labels
    assert found.warnings
    repair(path, seed, [], None)
    assert check_gallery(path) == []
    assert len(read_snapshot(path, seed).classes) >= len(found.classes)


def test_what_stands_beside_our_tables_is_told_and_repaired(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", 4))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER more AFTER INSERT ON event BEGIN DELETE FROM tip; END")
        connection.commit()
    assert check_gallery(path) == ["schema: more is not what edgefs made"]
    repair(path, seed, [], None)
    assert check_gallery(path) == []
    assert "scratch" in read_snapshot(path, seed).labels

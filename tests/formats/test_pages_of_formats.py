"""The pages in docs/formats name what stands in the golden files, and lead somewhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from parts import GOLDEN
from second_reader.archives import members
from second_reader.bundles import read_bundle
from second_reader.pictures import read_picture
from second_reader.rows import read_tables

pytestmark = pytest.mark.device

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_name_every_column_field_and_file() -> None:
    """What stands in the golden files stands in the pages too."""
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "formats").glob("*.md")}
    manifest = read_bundle(GOLDEN / "line.edgefs").manifest
    run = json.loads((GOLDEN / "run" / "run.json").read_text(encoding="utf-8"))
    index = json.loads((GOLDEN / "line.challenge" / "parts.json").read_text(encoding="utf-8"))
    tables = read_tables(GOLDEN / "line.gallery")
    wanted = {
        "bundle": {*manifest, *manifest["preprocess"], *manifest["decision"], *manifest["head"], *manifest["embedder"]},
        "run": {*run, *run["plan"], *run["images"], *run["data"], *run["files"], *run["backbone"]},
        "challenge": {*index, *index["parts"][0]},
        "picture": set(read_picture(read_bundle(GOLDEN / "kept.edgefs").seed()[0].jpegs[0]).note),
        "gallery": {*tables, *(column for rows in tables.values() for column in rows[0])} - {"table"},
    }
    missing = {page: sorted(word for word in words if word not in pages[page]) for page, words in wanted.items()}
    assert missing == {page: [] for page in wanted}


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in (DOCS / "formats.md", *(DOCS / "formats").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_golden_files_that_the_page_names_are_there() -> None:
    table = (DOCS / "formats.md").read_text(encoding="utf-8")
    for name in (
        "line.edgefs",
        "tiny.edgefs",
        "line.gallery",
        "other.gallery",
        "old/first.gallery",
        "line.challenge",
        "kept.edgefs",
        "kept.gallery",
    ):
        assert name in table
        assert (GOLDEN / name).exists()


def test_no_byte_of_the_golden_files_was_changed_by_a_test() -> None:
    """SQLite leaves logs and SHM files beside what it opens; here it must not."""
    beside = [path.name for path in GOLDEN.rglob("*") if path.name.endswith(("-wal", "-shm", "-journal", ".owner"))]
    assert beside == []
    told = (GOLDEN / "expected" / "line.json").read_text(encoding="utf-8")
    assert hashlib.sha256(members((GOLDEN / "line.edgefs").read_bytes())["manifest.json"]).hexdigest() in told

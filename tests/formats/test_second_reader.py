"""The pages in docs/formats are precise: a reader written from them alone finds what edgefs finds."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parts import GOLDEN
from parts import parts as pictures
from second_reader.archives import canonical, members
from second_reader.bundles import read_bundle
from second_reader.galleries import GalleryFile, aligned, read_snapshot_file
from second_reader.pictures import read_picture
from second_reader.rows import check, content_of, read_tables, seed_rows
from second_reader.writing import write_gallery

from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.gallery.repairing import back_up

pytestmark = pytest.mark.device

READER = Path(__file__).parents[1] / "support" / "second_reader"
DOCS = Path(__file__).parents[2] / "docs"
Copy = Callable[[str], Path]
PAIRS = [
    ("line.edgefs", "line.gallery"),
    ("line.edgefs", "other.gallery"),
    ("tiny.edgefs", "old/first.gallery"),
    ("kept.edgefs", "kept.gallery"),
]


def test_it_imports_nothing_of_edgefs() -> None:
    imported = set()
    for file in READER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    ours = {name for name in imported if "edgefs" in name}
    assert not ours
    assert {"numpy", "sqlite3", "zlib", "json"} <= imported


@pytest.mark.parametrize("name", ["line.edgefs", "tiny.edgefs", "kept.edgefs"])
def test_bundle(name: str) -> None:
    found, bundle = read_bundle(GOLDEN / name), Bundle.open(GOLDEN / name)
    assert (found.digest, found.space_id, found.views) == (
        bundle.digest,
        bundle.space_id,
        bundle.manifest.preprocess.views,
    )
    assert found.manifest == bundle.manifest.raw
    assert canonical(found.manifest) == found.members["manifest.json"]
    for mine, theirs in zip(found.seed(), bundle.seed_enrolments(), strict=True):
        assert (mine.label, mine.disposition) == (theirs.label, theirs.disposition)
        assert (tuple(mine.digests), tuple(mine.groups), tuple(mine.jpegs)) == (
            theirs.digests,
            theirs.groups,
            theirs.thumbnails,
        )
        np.testing.assert_array_equal(mine.vectors, theirs.vectors)


def test_the_bytes_of_the_zip_are_what_the_page_says() -> None:
    data = (GOLDEN / "line.edgefs").read_bytes()
    order = ["manifest.json", "embedder.onnx", "gallery.npz", "golden.npz", "head.onnx", "report.html"]
    assert list(members(data)) == order
    first = data[:30]
    assert first[:4] == b"PK\3\4"
    assert first[8:14] == bytes([0, 0, 0, 0, 0x21, 0])  # stored, 00:00:00, 1980-01-01
    with pytest.raises(ValueError, match="directory"):
        members(data[:-1])
    with pytest.raises(ValueError, match="directory"):
        members(b"text" + data)


def test_a_bundle_that_is_packed_by_the_page_has_the_same_bytes() -> None:
    data = (GOLDEN / "line.edgefs").read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members(data).items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, content)
    assert out.getvalue() == data


@pytest.mark.parametrize(("bundle", "gallery"), PAIRS)
def test_gallery(bundle: str, gallery: str, copy: Copy) -> None:
    found = GalleryFile(GOLDEN / gallery, read_bundle(GOLDEN / bundle))
    with Classifier.open(GOLDEN / bundle, gallery=copy(gallery), challenge=False) as classifier:
        snapshot = classifier.judge.snapshot
        own = [seq for seq, _ in snapshot.alignments]
        device = classifier.gallery.device
        log = {(entry.device, entry.seq): entry.hash for entry in classifier.gallery.log()}
    arrays = found.arrays()
    assert (tuple(arrays["labels"]), tuple(arrays["dispositions"])) == (snapshot.labels, snapshot.dispositions)
    assert arrays["classes"] == snapshot.classes.tolist()
    assert arrays["parts"] == snapshot.parts.tolist()
    assert tuple(arrays["means"]) == snapshot.means
    assert (found.own, found.sequence, found.alignments()) == (device, snapshot.sequence, own)
    np.testing.assert_allclose(arrays["vectors"], snapshot.vectors, rtol=1e-5, atol=1e-6)
    for label in range(len(snapshot.labels)):
        own_rows, theirs = (np.asarray(classes) == label for classes in (arrays["classes"], snapshot.classes))
        means = arrays["vectors"][own_rows].mean(axis=0), snapshot.vectors[theirs].mean(axis=0)
        np.testing.assert_allclose(*means, rtol=1e-4, atol=1e-6)
    hashes = {row["hash"] for row in found.rows.values()}
    assert set(log.values()) <= hashes
    assert len(log) == len({(row["device"], row["operation"]) for row in taught(found)})


def taught(found: GalleryFile) -> list[dict[str, Any]]:
    return [row for row in found.rows.values() if not row["device"].startswith("seed:")]


def test_the_golden_gallery_holds_every_kind_of_row_and_act() -> None:
    """Else the page could be wrong about one of them and nobody would see it."""
    found = GalleryFile(GOLDEN / "line.gallery", read_bundle(GOLDEN / "line.edgefs"))
    rows = taught(found)
    kinds = {(row["table"], row["kind"]) for row in rows}
    assert kinds == {
        *(("event", kind) for kind in ("enroll", "align", "settings")),
        *(("removed", kind) for kind in ("forget", "undo")),
    }
    deeds = [json.loads(row["payload"]) for row in rows if row["kind"] == "settings"]
    assert {deed["deed"] for deed in deeds} == {"merge", "carry"}
    assert {row["state"] for row in rows if row["table"] == "event"} == {"pending", "approved"}
    assert {row["device"] for row in rows} - {found.own}
    assert any(row["roi"] for row in rows if row["table"] == "event")
    assert any(row.get("restores") and row["undoes"] for row in rows)  # brought back
    assert any(row.get("restores") and not row["undoes"] for row in rows)  # carried over
    assert found.hidden
    assert found.gone
    assert found.tables["shot"]
    assert found.arrays()["means"]
    ((kind, rank),) = [told(row) for row in rows if row["kind"] == "align" and row["device"] == found.own]
    assert kind == "moments"
    assert rank > 0


def told(align: dict[str, Any]) -> tuple[str, int]:
    import base64

    data = base64.b64decode(json.loads(align["payload"])["alignment"])
    header = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
    return header["kind"], header["rank"]


def test_kept_pictures_are_what_the_network_was_shown() -> None:
    """Those of the seed and those that the device kept, of files by their digests and of frames of 12 bits."""
    bundle, tables = read_bundle(GOLDEN / "kept.edgefs"), read_tables(GOLDEN / "kept.gallery")
    preprocess = Bundle.open(GOLDEN / "kept.edgefs").manifest.preprocess
    files = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in (GOLDEN / "images").rglob("*.png")}
    frames = []
    assert {shot["media"] for shot in tables["shot"]} == {"image/png"}
    for shot in tables["shot"]:
        pixels, note = read_picture(shot["jpeg"])
        assert (note["preprocess"], note["frame"]) == (bundle.manifest["preprocess"], [32, 32])
        if shot["digest"] in files:
            np.testing.assert_array_equal(pixels, preprocess(files[shot["digest"]]))
        else:
            frames.append((note["channels"], note["white"]))
    assert frames == [(1, 65535)] * 2
    seeded = [jpeg for one in bundle.seed() for jpeg in one.jpegs]
    assert [shot["jpeg"] for shot in tables["shot"] if shot["device"].startswith("seed:")] == seeded
    assert len(seeded) == 12


def test_a_picture_of_before_is_a_jpeg() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        read_picture(read_bundle(GOLDEN / "line.edgefs").seed()[0].jpegs[0])


@pytest.mark.parametrize("gallery", ["line.gallery", "other.gallery", "old/first.gallery"])
def test_the_seed_has_the_same_bytes_in_every_gallery(gallery: str) -> None:
    bundle = read_bundle(GOLDEN / ("tiny.edgefs" if gallery.startswith("old") else "line.edgefs"))
    stored = [row for row in read_tables(GOLDEN / gallery)["event"] if row["device"] == f"seed:{bundle.digest}"]
    assert sorted(stored, key=lambda row: row["seq"]) == seed_rows(bundle)


def test_every_statement_stands_in_the_page() -> None:
    statements = (DOCS / "formats" / "gallery.sql").read_text(encoding="utf-8")
    made = sqlite3.connect(":memory:")
    made.executescript(statements)
    for name in ("line.gallery", "other.gallery", "old/first.gallery"):
        golden = sqlite3.connect(f"{(GOLDEN / name).as_uri()}?mode=ro&immutable=1", uri=True)
        assert schema(golden) == schema(made)
        golden.close()
    made.close()


def test_every_statement_of_schema_3_stands_in_the_page(tmp_path: Path) -> None:
    made, path = sqlite3.connect(":memory:"), tmp_path / "new.gallery"
    made.executescript((DOCS / "formats" / "gallery-3.sql").read_text(encoding="utf-8"))
    with Classifier.open(GOLDEN / "line.edgefs", gallery=path) as classifier:
        classifier.enroll("checks", pictures("checks", 0, 1), force=True)
    new = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    assert schema(new) == schema(made)
    new.close()
    made.close()


def test_a_gallery_of_schema_3_means_what_the_page_says(tmp_path: Path) -> None:
    """Approvals, removed images, what came back, another device's rows and a restored backup."""
    bundle, path, other = GOLDEN / "line.edgefs", tmp_path / "new.gallery", tmp_path / "other.gallery"
    with Classifier.open(bundle, gallery=other, challenge=False) as classifier:
        classifier.enroll("rings", pictures("checks", 5, 3), force=True)
        classifier.remove("1.2", force=True)
    with Classifier.open(bundle, gallery=path, challenge=False) as classifier:
        classifier.enroll("checks", pictures("checks", 0, 4), actor="ana", pending=True, force=True)
        classifier.approve("1", actor="bo", reason="looked at", force=True)
        classifier.enroll("never", pictures("dots", 5, 1), pending=True, force=True)
        classifier.remove("1.3", force=True)
        classifier.merge(other, force=True)
        classifier.remove(pictures("checks", 0, 1)[0], force=True)
        classifier.undo(force=True)
        classifier.forget("dots", force=True)
        classifier.undo(force=True)
    with Classifier.open(bundle, gallery=path, challenge=False) as classifier:
        back_up(path, tmp_path / "backup")
        classifier.undo(force=True)
        classifier.restore(tmp_path / "backup", force=True)
        snapshot = classifier.judge.snapshot
    found = GalleryFile(path, read_bundle(bundle))
    arrays = found.arrays()
    assert snapshot.counts == {"checks": 3, "dots": 4, "good": 4, "rings": 2, "stripes": 4}
    assert tuple(arrays["labels"]) == snapshot.labels
    assert arrays["classes"] == snapshot.classes.tolist()
    assert arrays["parts"] == snapshot.parts.tolist()
    assert found.sequence == snapshot.sequence
    np.testing.assert_array_equal(arrays["vectors"], snapshot.vectors)
    assert json.loads(found.meta["formerly"]) == [found.rows[next(iter(approvals(found)))]["device"]]


def approvals(found: GalleryFile) -> list[tuple[str, int]]:
    return [key for key, row in found.rows.items() if row["kind"] == "approve"]


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def test_a_gallery_that_is_written_by_the_page_is_one(tmp_path: Path) -> None:
    path, images = tmp_path / "second.gallery", pictures("checks", 0, 3)
    with Classifier.open(GOLDEN / "line.edgefs", seed_only=True) as classifier:
        vectors = classifier.embed(images, views=True)
    digests = [hashlib.sha256(image.read_bytes()).hexdigest() for image in images]
    write_gallery(path, read_bundle(GOLDEN / "line.edgefs"), "5e" * 16, "checks", vectors, digests)
    with Classifier.open(GOLDEN / "line.edgefs", gallery=path) as classifier:
        assert classifier.gallery.check() == []
        assert classifier.judge.snapshot.counts == {"checks": 3, "dots": 4, "good": 4, "stripes": 4}
        assert [one.label for one in classifier.predict(pictures("checks", 6, 2))] == ["checks", "checks"]
        assert len(classifier.gallery.thumbnails("good")) == 4
        (entry,) = classifier.gallery.log()
        assert (entry.actor, entry.images, entry.device) == ("second", 3, "5e" * 16)
        classifier.merge(GOLDEN / "other.gallery", force=True)
        assert classifier.gallery.check() == []
        assert classifier.undo(force=True).startswith("took back the merge of other.gallery")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("event", "reason", "another"),
        ("event", "label", "other"),
        ("removed", "actor", "Eve"),
        ("meta", "created", "never"),
        ("tip", "seq", 99),
        ("shot", "jpeg", b"other"),
    ],
)
def test_every_changed_cell_is_seen(table: str, column: str, value: object, copy: Copy) -> None:
    path = copy("line.gallery")
    connection = sqlite3.connect(path, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM {table})", (value,))
    connection.close()
    with pytest.raises(ValueError, match=r"row|meta|tips|thumbnails"):
        check(read_tables(path))


def test_the_example_of_canonical_bytes() -> None:
    """Rows as the tests of the runtime have them: golden bytes that two programs agree on."""
    row = {
        **{"table": "removed", "device": "d1", "seq": 2, "operation": 2, "kind": "forget", "label": "Naht ü", "n": 3},
        **{"targets": '[["d1",1]]', "bundle": "ab", "time": "2026-01-01T00:00:00.000+00:00", "actor": ""},
        **{"reason": "why", "undoes": None, "hash": "", "crc": 0},
    }
    content = content_of(row)
    assert content[8:].startswith(b'{"actor":"","bundle":"ab","device":"d1","kind":"forget","label":"Naht \\u00fc"')
    assert int.from_bytes(content[:8], "little") == len(content) - 8
    assert b"undoes" not in content


def test_snapshot_file() -> None:
    bundle = read_bundle(GOLDEN / "line.edgefs")
    found = GalleryFile(GOLDEN / "line.gallery", bundle)
    kept, arrays = read_snapshot_file(GOLDEN / "line.gallery.snapshot"), found.arrays()
    assert (kept["space_id"], kept["bundle"], kept["sequence"]) == (bundle.space_id, bundle.digest, found.sequence)
    for key in ("labels", "dispositions", "means"):
        assert kept[key] == arrays[key]
    for key in ("classes", "parts"):
        assert kept[key].tolist() == arrays[key]
    np.testing.assert_allclose(kept["vectors"], arrays["vectors"], rtol=1e-5, atol=1e-6)
    assert [seq for seq, _ in kept["alignments"]] == found.alignments()
    (alignment,) = [data for _, data in kept["alignments"]]
    assert aligned(alignment, kept["vectors"][:2, :96]).shape == (2, 96)

"""A gallery of more images than are judged one by one: its sums, its sample, and what is kept of it beside the file."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.heads import HEADS, fit_head
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot
from edgefs_runtime.gallery import Gallery, Seed, read_snapshot
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.gallery.blobs import BlobDamagedError
from edgefs_runtime.gallery.scrub import Scrub
from edgefs_runtime.gallery.snapshot_file import load_snapshot

pytestmark = pytest.mark.device

CLASSES, IMAGES = 40, 60  # of each class
KINDS = ["blend", "lda", "prototype"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, seed: Seed, teach: Callable[..., Enrolment]) -> Path:
    """A gallery of 2,400 images in 80 acts of teaching, that was let go."""
    path = tmp_path_factory.mktemp("many") / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll_together(
            [around(teach, f"class {label:02}", IMAGES // 2, act) for act in range(2) for label in range(CLASSES)]
        )
    return path


@pytest.fixture
def path(many: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copyfile(many, tmp_path / "g")
    return tmp_path / "g"


def around(teach: Callable[..., Enrolment], label: str, k: int, number: int) -> Enrolment:
    """Images around the centre of their class."""
    rows = teach(label, k, number=number)
    centre = teach(label, 1).vectors * 2
    return dataclasses.replace(rows, vectors=(centre + 0.8 * rows.vectors).astype(np.float32))


def judge_of(snapshot: Snapshot, kind: str = "blend", **fields: object) -> Judge:
    return Judge(snapshot, DecisionSettings({"kind": kind}, **fields))


def bits(judge: Judge) -> list[bytes]:
    """Everything that decides, bit by bit."""
    fit = judge.fit
    assert fit is not None
    arrays = {**fit.head, **fit.arrays}
    return [repr(sorted(fit.numbers.items())).encode(), *(arrays[name].tobytes() for name in sorted(arrays))]


def in_gallery(path: Path, seed: Seed, act: Callable[[Gallery], object]) -> Judge:
    """The judge after an act, kept beside the gallery."""
    with Gallery.open(path, seed) as gallery:
        judge_of(gallery.snapshot())
        act(gallery)
        judge = judge_of(gallery.snapshot())
        gallery.remember(judge.fit)
        return judge


def test_what_is_added_and_taken_away_again_leaves_the_same_bits(path, seed, teach):
    before = bits(judge_of(read_snapshot(path, seed)))
    with Gallery.open(path, seed) as gallery:
        gallery.snapshot()
        gallery.enroll(around(teach, "class 07", 3, 9))
        gallery.enroll(around(teach, "new", 5, 0))
        taught = bits(judge_of(gallery.snapshot()))
        assert taught != before
        gallery.undo()
        gallery.undo()
        assert bits(judge_of(gallery.snapshot())) == before


def test_a_gallery_that_was_changed_act_by_act_decides_as_one_that_is_read_anew(path, seed, teach):
    def acts(gallery: Gallery) -> None:
        gallery.enroll(around(teach, "class 03", 4, 5))
        gallery.forget("class 11")
        gallery.remove("5.2")
        gallery.enroll(around(teach, "a new one", 6, 1))

    kept = in_gallery(path, seed, acts)
    assert (path.parent / "g.snapshot").exists()
    with_kept = read_snapshot(path, seed)
    assert with_kept.fit is not None
    (path.parent / "g.snapshot").unlink()
    anew = read_snapshot(path, seed)
    assert anew.fit is None
    assert anew.is_same(with_kept)
    assert bits(judge_of(anew)) == bits(kept) == bits(judge_of(with_kept))
    asked = anew.take(np.arange(0, len(anew.classes), 97))[:, 0]
    answers = [[one.to_json() | {"time": ""} for one in judge_of(each).decide(asked)] for each in (anew, with_kept)]
    assert answers[0] == answers[1]


def test_merging_in_either_order_leaves_the_same_bits(path, seed, teach, tmp_path):
    others = []
    for name in "ab":
        with Gallery.open(tmp_path / name, seed) as other:
            other.enroll(around(teach, f"of {name}", 4, 0))
            other.enroll(around(teach, "class 01", 4, 30 + ord(name)))
        others.append(tmp_path / name)
    shutil.copyfile(path, tmp_path / "h")
    judges = [
        in_gallery(one, seed, lambda gallery, order=order: [gallery.merge(other) for other in order])
        for one, order in ((path, others), (tmp_path / "h", others[::-1]))
    ]
    with Gallery.open(tmp_path / "h", seed) as copy, Gallery.open(path, seed) as first:
        assert first.snapshot().labels == copy.snapshot().labels
    assert bits(judges[0]) == bits(judges[1])


@pytest.mark.parametrize("kind", KINDS)
def test_heads_of_many_answer_as_those_of_few(path, seed, kind):
    snapshot = read_snapshot(path, seed)
    assert snapshot.is_large
    assert 1950 <= len(snapshot.judged) <= 2000
    large, small = judge_of(snapshot, kind), HEADS[kind](snapshot)
    every = np.arange(len(snapshot.classes))
    asked = snapshot.take(every[::7])[:, 0]
    assert [one.nearest for one in large.decide(asked)] == [
        snapshot.labels[best] for best in small.scores(asked).argmax(axis=1)
    ]
    left, plain = fit_head({"kind": kind}, snapshot).left_out(every), small.left_out()
    differ = np.abs(left.scores - plain.scores)[np.isfinite(plain.scores)]
    assert differ.max() < 0.05 * np.std(plain.scores[np.isfinite(plain.scores)])
    assert (left.scores.argmax(axis=1) == plain.scores.argmax(axis=1)).mean() > 0.99
    assert np.nanmax(np.abs(left.strangeness - plain.strangeness)) < 0.1 * np.nanstd(plain.strangeness)


def test_as_many_of_each_class_are_judged_and_parts_stay_together(path, seed, teach):
    rows = around(teach, "parts", 30, 3)
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(dataclasses.replace(rows, groups=tuple(f"part {image // 3}" for image in range(30))))
        snapshot = gallery.snapshot()
        label = snapshot.labels.index("parts")
        judged = snapshot.judged[snapshot.classes[snapshot.judged] == label]
        chosen = set(snapshot.parts[judged].tolist())
        assert sum(snapshot.parts[snapshot.classes == label] == part for part in chosen).sum() == len(judged)
        counts = np.bincount(snapshot.classes[snapshot.judged])
        assert counts.max() <= 2000 // len(counts) + 5


def test_another_bundle_s_wishes_are_not_answered_by_what_was_kept(path, seed):
    in_gallery(path, seed, lambda _: None)
    kept = read_snapshot(path, seed)
    strict = judge_of(kept, budget=0.2)
    assert strict.thresholds["defect"] == 0.2
    assert judge_of(kept, "prototype").head == "prototype"


@pytest.mark.parametrize("where", [4, 40, -5, 10_000])
def test_a_kept_fit_that_was_changed_is_passed_over(path, seed, where):
    before = bits(in_gallery(path, seed, lambda _: None))
    beside = path.parent / "g.snapshot"
    data = bytearray(beside.read_bytes())
    data[where] ^= 1
    beside.write_bytes(data)
    found = read_snapshot(path, seed)
    assert found.fit is None
    assert bits(judge_of(found)) == before


def test_what_was_kept_of_an_earlier_state_is_passed_over(path, seed, teach):
    in_gallery(path, seed, lambda _: None)
    earlier = (path.parent / "g.snapshot").read_bytes()
    in_gallery(path, seed, lambda gallery: gallery.enroll(around(teach, "later", 5, 0)))
    (path.parent / "g.snapshot").write_bytes(earlier)
    found = read_snapshot(path, seed)
    assert "later" in found.labels
    assert found.fit is None


def flip_blob(path: Path, row: int) -> None:
    """Change one bit of some embeddings in the file."""
    connection = sqlite3.connect(path)
    (blob,) = connection.execute("SELECT data FROM blob LIMIT 1 OFFSET ?", (row,)).fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    data[data.index(blob[:64])] ^= 1
    path.write_bytes(data)


def test_damage_is_found_where_it_is_read_and_the_rest_decides_and_is_taught(path, seed, teach):
    in_gallery(path, seed, lambda _: None)
    flip_blob(path, 12)
    kept = read_snapshot(path, seed)
    assert kept.fit is not None
    assert not kept.warnings
    with Gallery.open(path, seed) as gallery:
        assert any("embeddings of event" in problem for problem in gallery.check())
        gallery.enroll(around(teach, "taught after", 4, 0))
        assert "taught after" in gallery.snapshot().labels
    anew = read_snapshot(path, seed)
    assert len(anew.classes) == len(kept.classes) + 4 - IMAGES // 2
    assert "are damaged, it does not count: 30 images of 'class" in anew.warnings[0]


def test_damage_is_found_in_the_background_while_the_gallery_is_owned(path, seed):
    in_gallery(path, seed, lambda _: None)
    flip_blob(path, 12)
    with Gallery.open(path, seed) as gallery:
        assert gallery.snapshot().fit is not None
        scrub = Scrub(gallery, pause=0)
        assert scrub.went_round.wait(60)
        scrub.end()
        assert "are damaged, it does not count: 30 images of 'class" in gallery.health[0]
        assert gallery.snapshot().fit is None


def test_a_reader_beside_an_owner_decides_by_what_that_kept(path, seed, teach):
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from edgefs_runtime.gallery import read_snapshot\n"
        "sys.path.insert(0, 'tests/runtime/gallery')\n"
        "from conftest import make_enrolment\n"
        "from edgefs_runtime.gallery import Seed\n"
        "seed = Seed('5eed' * 16, '0ace' * 16, 8, 'parts', (make_enrolment('good', 4, disposition='ok'),"
        " make_enrolment('dent', 3, thumbnails=(b'a', b'b', b''))))\n"
        "snapshot = read_snapshot(Path(sys.argv[1]), seed)\n"
        "shapes = snapshot.vectors.shape, snapshot.take(np.arange(9)).shape\n"
        "print(snapshot.fit is not None, 'beside' in snapshot.labels, *shapes)\n"
    )
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(around(teach, "beside", 5, 0))
        gallery.remember(judge_of(gallery.snapshot()).fit)
        found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[0] == "True True (2412, 8) (9, 1, 8)"


def test_what_was_forgotten_and_let_go_at_once_leaves_sums_that_hold(path, seed):
    with Gallery.open(path, seed) as gallery:
        gallery.compact(0)
        judge_of(gallery.snapshot())
        gallery.forget("class 20")
        after = bits(judge_of(gallery.snapshot()))
    assert bits(judge_of(read_snapshot(path, seed))) == after
    with Gallery.open(path, seed) as gallery:
        gallery.undo()
        assert "class 20" in gallery.snapshot().labels


def test_a_row_that_is_larger_than_all_before_asks_for_other_steps_and_back(path, seed, teach):
    before = bits(judge_of(read_snapshot(path, seed)))
    rows = around(teach, "bright", 4, 0)
    with Gallery.open(path, seed) as gallery:
        small = gallery.snapshot().sums.grid
        gallery.enroll(dataclasses.replace(rows, vectors=rows.vectors * 1000))
        assert gallery.snapshot().sums.grid.exponent > small.exponent
        gallery.undo()
        assert bits(judge_of(gallery.snapshot())) == before


def test_all_classes_can_be_forgotten(path, seed):
    with Gallery.open(path, seed) as gallery:
        for label in gallery.snapshot().labels:
            gallery.forget(label)
        with pytest.raises(GalleryError, match="holds no class"):
            gallery.snapshot()
        gallery.undo()
        assert len(gallery.snapshot().labels) == 1


def test_rows_can_be_read_after_the_gallery_was_let_go(path, seed):
    with Gallery.open(path, seed) as gallery:
        snapshot = gallery.snapshot()
    assert snapshot.vectors.shape == (len(snapshot.classes), 8)


def test_a_reader_beside_the_next_owner_sees_what_a_killed_one_wrote_last(path, seed):
    in_gallery(path, seed, lambda _: None)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, 'tests/runtime/gallery')\n"
        "from conftest import make_enrolment\n"
        "from edgefs_runtime.gallery import Gallery, Seed\n"
        "seed = Seed('5eed' * 16, '0ace' * 16, 8, 'parts', (make_enrolment('good', 4, disposition='ok'),"
        " make_enrolment('dent', 3, thumbnails=(b'a', b'b', b''))))\n"
        "gallery = Gallery.open(Path(sys.argv[1]), seed)\n"
        "gallery.enroll(make_enrolment('first', 3))\n"
        "gallery.remember(None)\n"
        "def die(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('.mark'):\n"
        "        os._exit(9)\n"
        "    if event == 'os.remove' and str(arguments[0]).endswith('.snapshot'):\n"
        "        os._exit(9)\n"
        "sys.addaudithook(die)\n"
        "gallery.enroll(make_enrolment('last', 3))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert (path.parent / "g.snapshot").exists()
    looking = code.partition("gallery = ")[0] + (
        "from edgefs_runtime.gallery import read_snapshot\n"
        "print({'first', 'last'} <= set(read_snapshot(Path(sys.argv[1]), seed).labels))\n"
    )
    with Gallery.open(path, seed):
        found = subprocess.run([sys.executable, "-c", looking, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


def refused(_: Snapshot, __: Snapshot) -> None:
    raise GalleryError("not this")


def damage(path: Path, label: str) -> None:
    """Change one bit of the embeddings of a class's first act."""
    connection = sqlite3.connect(path)
    query = "SELECT data FROM blob, event WHERE label = ? AND sha256 = json_extract(content, '$.vectors.sha256')"
    (blob,) = connection.execute(query, (label,)).fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    data[data.index(blob[:64])] ^= 1
    path.write_bytes(data)


def test_a_damaged_class_is_forgotten_brought_back_and_let_go(path, seed, teach):
    in_gallery(path, seed, lambda _: None)
    damage(path, "class 07")
    with Gallery.open(path, seed) as gallery:
        before = gallery.snapshot()
        with pytest.raises(GalleryError, match="not this"):
            gallery.forget("class 07", refused)
        assert gallery.snapshot() is before
        assert gallery.forget("class 07") == IMAGES
        gallery.undo()
        assert "are damaged, it does not count: 30 images of 'class 07'" in gallery.health[0]
        assert gallery.snapshot().counts["class 07"] == IMAGES // 2


def test_what_is_damaged_and_forgotten_is_let_go_unread(path, seed, teach):
    in_gallery(path, seed, lambda _: None)
    damage(path, "class 07")
    with Gallery.open(path, seed) as gallery:
        gallery.forget("class 07")
        gallery.forget("class 08")
        assert gallery.compact(0).images == IMAGES
        assert gallery.check() == []


def test_damage_that_was_not_looked_at_is_told_and_then_set_apart(path, seed):
    in_gallery(path, seed, lambda _: None)
    damage(path, "class 07")
    with Gallery.open(path, seed) as gallery:
        with pytest.raises(GalleryError, match="not this"):
            gallery.forget("class 07", refused)
        with pytest.raises(BlobDamagedError, match="repair") as told:
            _ = gallery.snapshot().vectors
        assert gallery.look_at(told.value.digest)
        assert not gallery.look_at(told.value.digest)
        assert len(gallery.snapshot().vectors) == len(gallery.snapshot().classes)


def rewritten(data: bytes, change: Callable[[dict], object]) -> bytes:
    """A snapshot file with another header, or other bytes in its place, and a checksum that is right."""
    length = int.from_bytes(data[8:16], "little")
    header = json.loads(data[16 : 16 + length])
    text = change(header)
    text = text if isinstance(text, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 16)
    data = data[:8] + len(text).to_bytes(8, "little") + text + data[16 + length : -4]
    return data + zlib.crc32(data).to_bytes(4, "little")


STRANGE_HEADERS: dict[str, Callable[[dict], object]] = {
    "deep": lambda _: b"[" * 100_000,
    "no JSON": lambda _: b"{",
    "a list": lambda _: b"[]",
    "digits": lambda _: b'{"space_id": ' + b"9" * 5000 + b"}",
    "a field missing": lambda header: header.pop("shape"),
    "another shape": lambda header: header.update(shape=[1 << 40, 1 << 30]),
    "fewer classes": lambda header: header.update(labels=header["labels"][:1], dispositions=header["dispositions"][:1]),
    "labels that are numbers": lambda header: header.update(labels=[1] * len(header["labels"])),
    "other dispositions": lambda header: header.update(dispositions=["x"] * len(header["labels"])),
    "no number": lambda header: header.update(sequence=float("inf")),
    "other views": lambda header: header.update(views=0),
    "objects": lambda header: header.update(arrays=[[name, "|O", shape] for name, _, shape in header["arrays"]]),
    "huge arrays": lambda header: header.update(
        arrays=[[name, kind, [1 << 40] * 3] for name, kind, _ in header["arrays"]]
    ),
    "arrays missing": lambda header: header.update(arrays=header["arrays"][2:]),
    "a fit without numbers": lambda header: header["fit"].update(numbers={}),
    "a fit that is none": lambda header: header.update(fit=[1]),
    "alignments": lambda header: header.update(alignments=[[1, 5]]),
}


def test_a_kept_fit_that_nobody_wrote_is_passed_over(path, seed):
    before = bits(in_gallery(path, seed, lambda _: None))
    beside = path.parent / "g.snapshot"
    kept = beside.read_bytes()
    for name, change in STRANGE_HEADERS.items():
        beside.write_bytes(rewritten(kept, change))
        found = read_snapshot(path, seed)
        assert found.fit is None or name == "a fit without numbers", name
    beside.write_bytes(rewritten(kept, STRANGE_HEADERS["a fit without numbers"]))
    assert bits(judge_of(read_snapshot(path, seed))) == before


def test_a_snapshot_file_that_nobody_wrote_does_not_decide_beside_an_owner(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("beside"))
        kept = (tmp_path / "g.snapshot").read_bytes()
        assert "beside" in load_snapshot(path, seed).labels
        for name, change in STRANGE_HEADERS.items():
            if "arrays" not in name and "fit" not in name and name not in ("objects", "other views"):
                (tmp_path / "g.snapshot").write_bytes(rewritten(kept, change))
                assert load_snapshot(path, seed) is None, name


def test_an_alignment_that_was_lost_and_comes_back_maps_what_is_kept_of_sums_and_sample(path, seed, teach, tmp_path):
    shift = np.full(8, 0.3, np.float32)
    with Gallery.open(path, seed) as gallery:
        gallery.align(Aligned(dataclasses.replace(Alignment.identity(8), kind="mean", shift=shift), ("00" * 32,)))
        gallery.enroll(around(teach, "seen otherwise", 30, 0))
    shutil.copyfile(path, tmp_path / "copy")
    connection = sqlite3.connect(path)
    (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'event_no_DELETE'").fetchone()
    for statement in ("DROP TRIGGER event_no_DELETE", "DELETE FROM event WHERE kind = 'align'", trigger):
        connection.execute(statement)
    connection.commit()
    connection.close()

    def acts(gallery: Gallery) -> None:
        gallery.merge(tmp_path / "copy")
        assert gallery.health == ()

    kept = in_gallery(path, seed, acts)
    (tmp_path / "g.snapshot").unlink()
    assert bits(judge_of(read_snapshot(path, seed))) == bits(kept)


def test_a_fit_is_not_kept_of_a_gallery_in_which_damage_was_found_since(path, seed):
    in_gallery(path, seed, lambda _: None)
    damage(path, "class 07")
    with Gallery.open(path, seed) as gallery:
        judge = judge_of(gallery.snapshot())
        assert any(gallery.look_at(digest) for digest in gallery.unread())
        gallery.remember(judge.fit, judge.snapshot)
    found = read_snapshot(path, seed)
    assert found.counts["class 07"] == IMAGES // 2
    assert found.fit is None

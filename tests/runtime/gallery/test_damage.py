"""Flipped bits and killed writers: an earlier whole state or an error, never a wrong answer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killing import NEVER, Launcher, Stop

from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from edgefs_runtime.gallery.records import Event, seal

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def whole(tmp_path_factory, seed, teach):
    path = tmp_path_factory.mktemp("whole") / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", 40, thumbnails=(b"t" * 300,) * 40))
        gallery.forget("dent")
        gallery.enroll(teach("crack", 5))
        gallery.undo()
        gallery.enroll(teach("crack", 6, number=1))
    return path.read_bytes(), read_snapshot(path, seed)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_never_gives_a_wrong_snapshot(tmp_path, seed, teach, whole, data):
    content, expected = whole
    position = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    path = tmp_path / "flipped"
    path.write_bytes(content[:position] + bytes([content[position] ^ (1 << bit)]) + content[position + 1 :])
    try:
        check_gallery(path)
        snapshot = read_snapshot(path, seed)
    except GalleryError:
        return
    if snapshot.warnings:  # the row that was hit counts no more, and the others as they did
        acts = (teach("scratch", 40), teach("crack", 5), teach("crack", 6, number=1), *seed.enrolments)
        taught = {row.tobytes() for act in acts for row in act.vectors}
        assert {row.tobytes() for row in snapshot.vectors} <= taught
        return
    assert snapshot.vectors.tobytes() == expected.vectors.tobytes()
    assert snapshot.classes.tobytes() == expected.classes.tobytes()
    assert snapshot.parts.tobytes() == expected.parts.tobytes()
    assert (snapshot.labels, snapshot.dispositions) == (expected.labels, expected.dispositions)
    assert snapshot.sequence == expected.sequence


def rewritten(path, statement, *values):
    """Change a row behind the triggers' back, its CRC included, as somebody would who wants it to go unseen."""
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_check_finds_a_changed_log_thumbnail_and_schema(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", actor="ana", thumbnails=(b"x", b"y", b"z")))
        gallery.enroll(teach("crack"))
    connection = sqlite3.connect(path)
    columns = ", ".join(Event._fields)
    row = Event(*connection.execute(f"SELECT {columns} FROM event WHERE label = 'scratch'").fetchone())
    connection.close()
    forged = seal(row._replace(actor="bo"))
    rewritten(path, "UPDATE event SET actor = 'bo', hash = ?, crc = ? WHERE label = 'scratch'", forged.hash, forged.crc)
    rewritten(path, "UPDATE shot SET jpeg = x'00' WHERE jpeg = x'79'")
    problems = check_gallery(path)
    assert any("event 2 of device" in line and "does not follow" in line for line in problems)
    assert any("event 1 of device" in line and "thumbnail 1 is damaged" in line for line in problems)
    assert any(line.startswith("schema: event_no_UPDATE") for line in problems)


def test_a_lost_last_row_is_noticed(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch"))
        gallery.forget("scratch")
    rewritten(path, "DELETE FROM removed")
    with Gallery.open(path, seed) as gallery:
        assert f"row 2 of device {gallery.device}" in gallery.health[0]
        assert "lost" in gallery.health[0]
        assert gallery.enroll(teach("crack")) == 2
    assert any("row 2 of device" in line for line in check_gallery(path))


TEACHER = """
import sys
from pathlib import Path
import numpy as np
from edgefs_runtime.gallery import Gallery, Seed
from edgefs_runtime.decision.snapshot import Enrolment
path, digest, space = sys.argv[1:]
def taught(label, k):
    return Enrolment(label, "defect", np.full((k, 8), k, np.float32), tuple(f"{k}-{i}" for i in range(k)),
                     thumbnails=(b"t" * 2000,) * k)
seed = Seed(digest, space, 8, "parts", (taught("good", 4), taught("dent", 3)))
print("ready", flush=True)
with Gallery.open(Path(path), seed) as gallery:
    while True:
        print(gallery.enroll(taught("scratch", 5)), flush=True)
"""


def killed_after(path, seed, lines):
    """What a teaching process acknowledged, killed while it worked on, as soon as it had printed so many lines."""
    command = [sys.executable, "-c", TEACHER, str(path), seed.digest, seed.space_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        acknowledged = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        return [*map(str.strip, acknowledged), *process.stdout.read().split()]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path, seed):
    for number in range(8):
        path = tmp_path / "enrolled"
        before = read_snapshot(path, seed).sequence
        acknowledged = killed_after(path, seed, number)
        snapshot = read_snapshot(path, seed)
        last = int(acknowledged[-1]) if acknowledged else before
        assert snapshot.sequence in (last, last + 1)
        assert snapshot.counts.get("scratch", 0) == 5 * snapshot.sequence
        if path.exists():
            assert check_gallery(path) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_kill_9_while_a_gallery_is_made_leaves_it_absent_or_whole(bundle, tmp_path):
    with Launcher("edgefs.cli.gallery", "onnxruntime") as launcher:

        def make(name, moment):
            stop = Stop(moment, f"/.{name}.")  # the hidden file that becomes the gallery
            return launcher.run("gallery", "forget", bundle, "dots", "--gallery", tmp_path / name, stop=stop)

        last, found = make("whole", NEVER).moments, []
        for moment in sorted({*range(1, last, 5), *range(last - 3, last + 1)}):
            path = tmp_path / f"made{moment}"
            assert make(path.name, moment).status == -signal.SIGKILL
            found.append(path.exists())
            if path.exists():
                assert check_gallery(path) == []
                with Classifier.open(bundle, gallery=path) as classifier:
                    counts = classifier.judge.snapshot.counts
                assert counts in ({"dots": 8, "good": 8, "stripes": 8}, {"good": 8, "stripes": 8})
    assert found == sorted(found)
    assert set(found) == {False, True}

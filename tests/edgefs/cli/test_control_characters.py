"""What others wrote is shown where it stands: it can't move the cursor, and forges no line."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from shell import edgefs

pytestmark = pytest.mark.device

EVIL = "a\nb\x1b[2J\x9b1m\u202e"
SHOWN = r"a\nb\x1b[2J\x9b1m\u202e"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def lines(text: str) -> list[str]:
    assert not RAW.search(text), ascii(text)
    return text.splitlines()


def test_a_file_name_stays_on_its_line(bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path) -> None:
    picture = Path(shutil.copy(*pictures("good", 1), tmp_path / f"{EVIL}.png"))
    run = edgefs("predict", bundle, picture)
    assert len(lines(run.stdout)) == 1
    assert f"{SHOWN}.png" in run.stdout
    assert json.loads(edgefs("predict", bundle, picture, "--json").stdout)["path"] == str(picture)
    broken = tmp_path / f"{EVIL}.jpg"
    broken.write_bytes(b"no picture")
    run = edgefs("enroll", bundle, "checks", broken)
    assert run.returncode == 1
    assert len(lines(run.stderr)) == 1
    kept = edgefs("challenge", "add", bundle, picture, "--expect", "OK")
    assert len(lines(kept.stdout)) == 1
    assert len(lines(edgefs("challenge", "list", bundle).stdout)) == 2


def test_a_reason_forges_no_line_of_the_log(bundle: Path, pictures: Callable[..., list[Path]]) -> None:
    reason = "fine\n2026-01-01T00:00:00.000+00:00  9 forget  40       1  good  by root\x1b[1A"
    edgefs("enroll", bundle, "checks", *pictures("checks", 2), "--reason", reason, "--actor", "Jo\nroot")
    said = lines(edgefs("gallery", "log", bundle).stdout)
    assert len(said) == 2  # the header and the act
    assert r"by Jo\nroot  fine\n2026-01-01" in said[1]
    assert r"\x1b[1A" in said[1]
    table = edgefs("gallery", "log", bundle, "--csv").stdout
    assert "\x1b" not in table
    assert len(list(csv.reader(io.StringIO(table)))) == 2
    (entry,) = map(json.loads, edgefs("gallery", "log", bundle, "--json").stdout.splitlines())
    assert (entry["reason"], entry["actor"]) == (reason, "Jo\nroot")


def test_what_a_bundle_says_of_itself_stays_on_its_line(bundle: Path, tmp_path: Path) -> None:
    named = remade(bundle, tmp_path / "named.edgefs", method=EVIL)
    shown = edgefs("show", named).stdout
    assert SHOWN in shown
    assert not RAW.search(shown)
    refused = edgefs("show", remade(bundle, tmp_path / "refused.edgefs", version="1\n\x1b[2J"))
    assert refused.returncode == 1
    (line,) = lines(refused.stderr)
    assert "version is missing or of the wrong kind" in line

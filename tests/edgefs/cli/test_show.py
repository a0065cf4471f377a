"""`edgefs show`: how a bundle sees, by which thresholds it refuses, where its gallery lies."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import remade
from click.testing import CliRunner

from edgefs.cli import main

pytestmark = pytest.mark.device


def shown(*arguments: object) -> dict[str, str]:
    """The rows by their names; a row without one goes on with the last."""
    result = CliRunner().invoke(main, ["show", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    rows: dict[str, str] = {}
    name = ""
    for line in result.stdout.splitlines():
        name = line[:12].strip() or name
        rows[name] = f"{rows[name]}\n{line[13:]}" if name in rows else line[13:]
    return rows


def manifest(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        fields: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return fields


def test_it_says_how_a_frame_is_cut_and_turned(bundle: Path, tmp_path: Path) -> None:
    plain = shown(bundle)
    assert "region" not in plain
    assert "rotation" not in plain
    assert plain["window"].endswith("(as it comes)")
    seen = {**manifest(bundle)["preprocess"], "roi": [4, 8, 100, 60], "rotation": 90, "window": [64, 4095]}
    rows = shown(remade(bundle, tmp_path / "cut.edgefs", preprocess=seen))
    assert rows["region"] == "100 x 60 pixels from left 4, top 8"
    assert rows["rotation"] == "90 degrees counter-clockwise"
    assert rows["window"] == "64 is black, 4095 white, in frames with more than 8 bits"


def test_it_says_by_which_thresholds_a_part_is_refused(bundle: Path, tmp_path: Path) -> None:
    assert shown(bundle)["unknown"] == "verdict NG, refused where p is at or below 0.05"
    decision = {"budget": 0.1, "unknown": "RECHECK", "overkill": 0.2, "escape_cost": 19}
    rows = shown(remade(bundle, tmp_path / "set.edgefs", decision=decision))
    defects, good = rows["unknown"].split("\n")
    assert defects == "verdict RECHECK; nearest a defect, refused where p is at or below 0.1"
    assert good == "nearest a good class, refused where p is at or below 0.2: what classes leave of --overkill"
    assert rows["overkill"] == "at most 20 % of good parts"
    assert rows["escapes"] == "cost 19 overkills: a defect from a probability of 5 % on"
    rows = shown(remade(bundle, tmp_path / "all.edgefs", decision={"budget": 0, "unknown": "NG"}))
    assert rows["unknown"].startswith("nothing is refused")


def test_it_names_the_model_and_what_it_succeeds(bundle: Path, tmp_path: Path) -> None:
    assert "identity" not in shown(bundle)
    rows = shown(remade(bundle, tmp_path / "named.edgefs", identity="ab" * 32, succeeds="cd" * 32))
    assert (rows["identity"], rows["succeeds"]) == ("ab" * 32, "cd" * 32)


def test_it_says_where_the_gallery_lies_and_whether_it_is_there(
    bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path, own_folders: Path
) -> None:
    said = shown(bundle)["gallery"]
    assert said.startswith(str(own_folders / "state"))
    assert said.endswith("(not made yet: the bundle's seed decides)")
    CliRunner().invoke(main, ["enroll", str(bundle), "checks", *map(str, pictures("checks", 2))])
    where = shown(bundle)["gallery"]
    assert Path(where).is_file()
    told = json.loads(CliRunner().invoke(main, ["show", str(bundle), "--json"]).stdout)["gallery"]
    assert told == {"path": where, "exists": True}
    broken = tmp_path / "broken.gallery"
    broken.write_text("no gallery")
    assert f"{broken}; it can't be used: " in shown(bundle, "--gallery", broken)["gallery"]

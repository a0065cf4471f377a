"""`edgefs realign` as a shell runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import edgefs
from textures import draw

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
KNOWN = ("good", "stripes", "dots")


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "g"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A folder of 14 images of each class from a camera of a weaker contrast."""
    folder = tmp_path / "since"
    folder.mkdir()
    for kind in KNOWN:
        for number in range(100, 114):
            pixels = 128 + 0.55 * (draw(kind, number).astype(np.float64) - 128)
            Image.fromarray(np.rint(pixels).astype(np.uint8)).save(folder / f"{kind}-{number}.png")
    return folder


def test_realign_is_told_logged_and_undone(bundle: Path, changed: Path, gallery: Path) -> None:
    at = ("--gallery", gallery)
    run = edgefs("realign", bundle, changed, *at, "--check")
    assert (run.returncode, run.stderr.strip()) == (0, "")
    would, doubt = run.stdout.splitlines()
    assert would.startswith("Would realign by 42 images (moments): moved by ")
    assert doubt == "  no doubt"
    assert not gallery.exists()
    run = edgefs("realign", bundle, changed, *at, "--actor", "Jo", "--reason", "new lamp")
    assert (run.returncode, run.stderr.strip()) == (0, "")
    assert run.stdout == would.replace("Would realign", "Realigned") + f" in {gallery}\n"
    log = edgefs("gallery", "log", bundle, *at).stdout
    assert log.endswith("  1 align       42       0  by Jo  new lamp\n")
    assert edgefs("gallery", "check", gallery).stdout == f"{gallery}: whole\n"
    undone = edgefs("gallery", "undo", bundle, *at).stdout
    assert undone.startswith("Undone: took back the alignment to a changed camera by 42 images (")


def test_json_is_one_object(bundle: Path, changed: Path, gallery: Path) -> None:
    run = edgefs("realign", bundle, changed, "--gallery", gallery, "--kind", "moments", "--json")
    told = json.loads(run.stdout)
    assert (told["kind"], told["images"], told["passed_over"]) == ("moments", 42, 0)
    assert (told["doubt"], told["challenge"]) == ("", [])
    assert told["refused_after"] < told["refused_before"]
    assert told["path"] == str(gallery)


@pytest.mark.parametrize("kind", ["few", "unreadable", "strangers"])
def test_a_bad_batch_is_one_line(
    bundle: Path, changed: Path, gallery: Path, pictures: Pictures, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    given, message = {
        "few": (sorted(changed.iterdir())[:5], "5 images that differ can't tell how a camera changed"),
        "unreadable": ([tmp_path / "broken.png"], "1 image given, and none can be read and shows something"),
        "strangers": (pictures("checks", 40), "nearly all images show one thing"),
    }[kind]
    run = edgefs("realign", bundle, *given, "--gallery", gallery)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"Error: {message}")
    assert len(run.stderr.splitlines()) == 1
    assert not gallery.exists()


def test_no_image_and_an_unknown_kind_are_wrong_usage(bundle: Path, changed: Path) -> None:
    assert edgefs("realign", bundle).returncode == 2
    assert edgefs("realign", bundle, changed, "--kind", "none").returncode == 2


def test_another_bundle_is_refused_where_its_gallery_is_of_another_space(
    bundle: Path, changed: Path, gallery: Path
) -> None:
    gallery.write_bytes(b"no gallery")
    run = edgefs("realign", bundle, changed, "--gallery", gallery)
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert "is not an edgefs gallery" in run.stderr


def test_a_part_photographed_again_is_told_and_needs_force(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    at = ("--gallery", gallery)
    part, strangers = pictures("dots", 1, first=300), pictures("checks", 40)
    add = edgefs("challenge", "add", bundle, *part, "--expect", "NG", "--label", "dots", "--retaken", *at)
    assert "gets NG (dots) now" in add.stdout
    run = edgefs("realign", bundle, *strangers, *at, "--check")
    assert "  challenge: dots-300.png (" in run.stdout
    assert "; realign needs --force\n  doubtful: nearly all images show one thing" in run.stdout
    assert edgefs("realign", bundle, *strangers, *at, "--force").returncode == 0
    assert edgefs("challenge", "run", bundle, *at).returncode == 1

"""What commands say about the folders they are given: on standard error, never among the answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from textures import save

from edgefs.cli import main

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def edgefs(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def shift(tmp_path: Path) -> Path:
    """A folder with a linked one, thumbnails of a network drive, a JPEG by another name, and files that are none."""
    folder = tmp_path / "shift"
    for number in (10, 9, 2):
        save(folder, "dots", number).rename(folder / f"img_{number}.png")
    save(folder / "@eaDir", "dots", 3)
    save(tmp_path / "elsewhere", "good", 4).rename(tmp_path / "elsewhere" / "z.jfif")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("a.json", "b.json", "c.jp2", "Thumbs.db"):
        (folder / name).touch()
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_predict_sees_links_in_natural_order_and_says_what_it_passes_over(bundle: Path, shift: Path) -> None:
    run = edgefs("predict", bundle, shift, "--json")
    assert run.exit_code == 0
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [Path(answer["path"]).name for answer in answers] == ["img_2.png", "img_9.png", "img_10.png", "z.jfif"]
    assert run.stderr == (
        "3 files were passed over, which are no images by their suffix: 2 .json (the first is a.json), 1 .jp2. "
        "To use .jp2, convert them to PNG or JPEG.\n"
    )


def test_a_command_that_cannot_begin_says_only_why(bundle: Path, shift: Path, tmp_path: Path) -> None:
    run = edgefs("predict", tmp_path / "gone.edgefs", shift)
    assert run.exit_code == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("Error: ")


def test_a_folder_without_an_image_says_what_it_holds(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.dng").touch()
    run = edgefs("predict", bundle, tmp_path / "raw")
    assert run.exit_code == 1
    assert run.stderr == (
        f"Error: {tmp_path / 'raw'}: no image (.jpg, .png, .bmp, .tif ...) in this folder; 1 file was passed over, "
        "which is no image by its suffix: a.dng. To use .dng, convert them to PNG or JPEG\n"
    )


def test_enroll_refuses_a_twin_in_one_line_and_teaches_every_spelling_alike(bundle: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 3)
    run = edgefs("enroll", bundle, "DOTS", *shots)
    assert run.exit_code == 1
    assert run.stderr == (
        "Error: 'DOTS' differs in case only from 'dots', which is known; nothing was enrolled: look at it with "
        "--check, or pass --force\n"
    )
    assert edgefs("enroll", bundle, "Ka\u0308fer", *shots[:2]).exit_code == 0
    assert "(now 3 images, defect)" in edgefs("enroll", bundle, " Käfer", shots[2], "--force").stdout
    assert edgefs("gallery", "forget", bundle, " Ka\u0308fer\u200b").stdout == "Forgot Käfer (3 images).\n"


def test_an_image_in_the_place_of_the_label_names_no_class(bundle: Path, pictures: Pictures) -> None:
    forgotten = edgefs("enroll", bundle, *pictures("checks", 3))
    assert forgotten.exit_code == 2
    assert "LABEL is missing: " in forgotten.stderr
    assert "checks" not in edgefs("gallery", "classes", bundle).stdout
    assert edgefs("enroll", bundle, "dent.png", *pictures("checks", 3)).exit_code == 0  # no such file: it is a name


def test_show_looks_and_never_teaches(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    shots = pictures("checks", 3)
    forgotten = edgefs("enroll", bundle, "checks", *shots, "--show", tmp_path / "seen")
    assert forgotten.exit_code == 2
    assert "--show DIR is part of --check" in forgotten.stderr
    assert "checks" not in edgefs("gallery", "classes", bundle).stdout
    kept_none = edgefs("enroll", bundle, "checks", *shots, "--check", "--show", tmp_path / "seen")
    assert kept_none.exit_code == 0
    assert "--show: no picture of " in kept_none.stderr


def test_enroll_says_which_images_it_was_taught_before(bundle: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 4)
    assert "before" not in edgefs("enroll", bundle, "checks", *shots[:2]).stdout
    said = edgefs("enroll", bundle, "checks", *shots).stdout.splitlines()
    assert said[1].startswith("2 of 4 images were taught before, as checks; ")
    assert "The image was taught before, as checks; " in edgefs("enroll", bundle, "checks", shots[0]).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_a_label_that_is_no_text_is_shown_as_bytes(bundle: Path, pictures: Pictures) -> None:
    run = edgefs("enroll", bundle, b"\xbb\xae".decode("utf-8", "surrogateescape"), *pictures("checks", 1))
    assert run.exit_code == 1
    assert run.stderr == "Error: the label b'\\xbb\\xae' is not UTF-8 (it reads 划 as GBK): write it in UTF-8\n"

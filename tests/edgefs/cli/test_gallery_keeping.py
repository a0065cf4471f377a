"""`edgefs gallery` where something broke, was wrong, or waits for somebody else's word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgefs.cli import main
from edgefs_runtime.gallery.mark import mark_path

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def run(*arguments: object) -> Result:
    """In this process, which is quicker than a shell."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def taught(bundle: Path, pictures: Pictures, tmp_path: Path) -> Path:
    path = tmp_path / "g"
    said = run("enroll", bundle, "checks", *pictures("checks", 4), "--gallery", path, "--actor", "ana", "--keep-images")
    assert said.exit_code == 0
    return path


def damaged(path: Path) -> None:
    """Flip a bit of the embeddings that the gallery's only blob holds."""
    import sqlite3

    connection = sqlite3.connect(path)
    (blob,) = connection.execute("SELECT data FROM blob").fetchone()
    connection.close()
    data = path.read_bytes()
    start = data.index(blob[:64])
    path.write_bytes(data[: start + 9] + bytes([data[start + 9] ^ 16]) + data[start + 10 :])


def test_damage_is_told_by_every_command_and_mended_by_one(bundle: Path, taught: Path, pictures: Pictures) -> None:
    damaged(taught)
    asked = run("predict", bundle, *pictures("good", 1), "--gallery", taught)
    assert asked.exit_code == 0
    assert "4 images of 'checks', taught 20" in asked.stderr
    assert "`edgefs gallery repair` mends it" in asked.stderr
    assert run("gallery", "check", bundle, "--gallery", taught).exit_code == 1
    mended = run("gallery", "repair", bundle, "--gallery", taught, "--json").stdout
    assert json.loads(mended)["taught"] == {"checks": 4}
    assert run("gallery", "check", bundle, "--gallery", taught).stdout == f"{taught}: whole\n"
    assert "     4  defect  checks" in run("gallery", "classes", bundle, "--gallery", taught).stdout
    assert run("gallery", "repair", bundle, "--gallery", taught).stdout == f"{taught}: whole, nothing was changed\n"


def test_a_backup_is_put_back_where_nothing_can_be_read(bundle: Path, taught: Path, tmp_path: Path) -> None:
    assert run("gallery", "backup", bundle, tmp_path / "copy", "--gallery", taught).exit_code == 0
    taught.write_bytes(taught.read_bytes()[:40] + b"\xff" * 5000)
    restored = run("gallery", "restore", bundle, tmp_path / "copy", "--gallery", taught)
    assert restored.stdout.startswith(f"Restored {taught} from {tmp_path / 'copy'}; the gallery of before is kept as")
    assert "     4  defect  checks" in run("gallery", "classes", bundle, "--gallery", taught).stdout
    assert "restore" in run("gallery", "log", bundle, "--gallery", taught).stdout


def test_a_backup_that_is_not_there_is_called_so_before_any_part_is_judged(
    bundle: Path, taught: Path, tmp_path: Path, pictures: Pictures
) -> None:
    (part, *_) = pictures("checks", 1, 900)
    kept = run("challenge", "add", bundle, part, "--expect", "NG", "--label", "checks", "--gallery", taught)
    assert kept.exit_code == 0
    refused = run("gallery", "restore", bundle, tmp_path / "none", "--gallery", taught)
    assert refused.stderr == (
        f"Error: there is no file at {tmp_path / 'none'}; expected a copy, as `edgefs gallery backup` writes it\n"
    )


def test_an_image_goes_and_what_is_pending_is_approved(bundle: Path, taught: Path, pictures: Pictures) -> None:
    (image, *_) = pictures("checks", 4)
    assert run("gallery", "remove", bundle, image, "--gallery", taught).stdout == "Removed 1 image of checks.\n"
    said = run("enroll", bundle, "rings", *pictures("checks", 3, 900), "--pending", "--force", "--gallery", taught)
    assert "(pending, defect)" in said.stdout
    assert "`edgefs gallery approve`" in said.stdout
    assert "rings" not in run("gallery", "classes", bundle, "--gallery", taught).stdout
    assert "rings  pending" in run("gallery", "log", bundle, "--gallery", taught).stdout
    approving = ("gallery", "approve", bundle, "3", "--actor", "bo", "--reason", "seen", "--force", "--gallery", taught)
    assert run(*approving).stdout == "Approved 3 images of rings.\n"
    assert "     3  defect  rings" in run("gallery", "classes", bundle, "--gallery", taught).stdout
    assert "rings  approved by bo" in run("gallery", "log", bundle, "--gallery", taught).stdout
    assert run("gallery", "undo", bundle, "--gallery", taught).exit_code == 0
    assert "rings  pending" in run("gallery", "log", bundle, "--gallery", taught).stdout


def test_compacting_says_what_went(bundle: Path, taught: Path) -> None:
    run("gallery", "forget", bundle, "checks", "--gallery", taught)
    said = run("gallery", "compact", bundle, "--keep", 0, "--gallery", taught).stdout
    assert "let go of 0 forgotten images" in said  # the latest act can be taken back
    assert run("gallery", "undo", bundle, "--gallery", taught).exit_code == 0


def test_a_gallery_older_than_its_mark_says_what_is_missing(
    bundle: Path, taught: Path, pictures: Pictures, tmp_path: Path
) -> None:
    shutil.copy(taught, tmp_path / "older")
    run("enroll", bundle, "checks", *pictures("checks", 2, 900), "--gallery", taught)
    shutil.copy(tmp_path / "older", taught)  # by hand, not by `gallery restore`
    assert "row 2 of device" in run("gallery", "classes", bundle, "--gallery", taught).stderr
    mark_path(taught).unlink()
    assert run("gallery", "classes", bundle, "--gallery", taught).stderr == ""

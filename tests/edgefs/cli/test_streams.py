"""What commands print arrives in any encoding; a full disk, a reader who left and Ctrl-C end them in good order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textures import save

pytestmark = pytest.mark.device

LABEL = "划痕"
EDGEFS = (sys.executable, "-m", "edgefs")
# Runs many commands in one process: a separator after each, what goes wrong with a traceback would end it.
MANY = """
import json, sys
from edgefs.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        sys.stdout.buffer.write(b"\\n== %d\\n" % (end.code or 0))
        sys.stdout.flush()
"""


@pytest.fixture
def taught(bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A bundle, and a gallery of it with a Chinese class in a folder with a Chinese name."""
    gallery = tmp_path / LABEL / "taught.gallery"
    gallery.parent.mkdir()
    shots = [save(tmp_path / "shots", "checks", number) for number in range(4)]
    enroll = [*EDGEFS, "enroll", str(bundle), LABEL, *map(str, shots), "--gallery", str(gallery), "--reason", "新模具"]
    subprocess.run(enroll, check=True, capture_output=True)
    return bundle, gallery


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "gbk", "ascii", "cp1252"])
def test_every_answer_arrives_in_any_encoding(taught: tuple[Path, Path], tmp_path: Path, encoding: str) -> None:
    bundle, gallery = map(str, taught)
    asked = save(tmp_path / "asked", "checks", 300)
    odd = [
        shutil.copy(asked, os.fsdecode(os.fsencode(asked.parent) + name)) for name in (b"/\xff.png", "/😀.png".encode())
    ]
    commands = [
        ["predict", bundle, *odd, "--gallery", gallery, "--json"],
        ["predict", bundle, *odd, "--gallery", gallery],
        ["gallery", "classes", bundle, "--gallery", gallery, "--json"],
        ["gallery", "classes", bundle, "--gallery", gallery],
        ["gallery", "log", bundle, "--gallery", gallery, "--json"],
        ["gallery", "log", bundle, "--gallery", gallery],
        ["gallery", "check", gallery],
        ["challenge", "add", bundle, odd[1], "--expect", "NG", "--label", LABEL, "--gallery", gallery],
        ["challenge", "run", bundle, "--gallery", gallery],
        ["challenge", "list", bundle, "--gallery", gallery],
        ["enroll", bundle, "新", odd[1], "--gallery", gallery, "--check"],
        ["show", bundle, "--gallery", gallery],
        ["show", bundle, "--gallery", gallery, "--json"],
        ["verify", bundle],
    ]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    run = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(commands)], env=environment, capture_output=True, check=False
    )
    assert b"Traceback" not in run.stderr, run.stderr.decode(errors="replace")
    # click takes an ASCII output for a mistake and writes UTF-8 there
    *answers, rest = run.stdout.decode("utf-8" if encoding == "ascii" else encoding).split("\n== ")
    assert rest == "0\n"
    assert len(answers) == len(commands)
    answers = [answer.partition("\n")[2] if number else answer for number, answer in enumerate(answers)]
    told = [json.loads(line) for line in answers[0].splitlines() if line]
    assert [(one["path"], one["label"]) for one in told] == [(path, LABEL) for path in odd]
    assert LABEL in [json.loads(line)["label"] for line in answers[2].splitlines() if line]
    shown = LABEL if encoding in ("utf-8", "gbk", "ascii") else r"\u5212\u75d5"
    for text in (answers[1], answers[3], answers[5], answers[9], answers[11]):
        assert shown in text
    assert "?.png" in answers[1]  # bytes that are no text, on the screen
    assert Path(json.loads(answers[12])["gallery"]["path"]) == taught[1]


COMMANDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "predict": lambda bundle, image: ["predict", bundle, image],
    "predict --json": lambda bundle, image: ["predict", bundle, image, "--json"],
    "show": lambda bundle, _: ["show", bundle],
    "gallery classes": lambda bundle, _: ["gallery", "classes", bundle],
    "--help": lambda *_: ["--help"],
    "predict --help": lambda *_: ["predict", "--help"],
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("command", "unbuffered"), [*((name, "") for name in COMMANDS), ("predict", "1")])
def test_a_full_disk_is_one_line(bundle: Path, tmp_path: Path, command: str, unbuffered: str) -> None:
    arguments = COMMANDS[command](bundle, save(tmp_path, "dots", 1))
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [*EDGEFS, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert run.returncode == 1
    assert run.stderr.decode() == "Error: the output can't be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_error_that_can_not_be_printed_still_has_its_status(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run([*EDGEFS, "show", tmp_path / "gone"], stdout=full, stderr=full, check=False)
    assert run.returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
@pytest.mark.parametrize("command", ["predict", "show", "--help"])
def test_nobody_reads_any_more(bundle: Path, tmp_path: Path, command: str) -> None:
    arguments = COMMANDS[command](bundle, save(tmp_path, "dots", 1))
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run([*EDGEFS, *map(str, arguments)], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert run.returncode == 141  # what the shell says of `cat` there
    assert run.stderr == b""


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_nobody_reads_even_the_errors(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run([*EDGEFS, "show", tmp_path / "gone"], stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert run.returncode == 141


def test_a_place_that_can_not_be_written_is_named_in_one_line(bundle: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [*EDGEFS, "show", bundle, "--report", tmp_path / "gone" / "r.html"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr == f"Error: {tmp_path / 'gone' / 'r.html'}: No such file or directory\n"
    assert run.stdout == ""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_is_one_line_with_status_130(bundle: Path, pictures: Callable[..., list[Path]]) -> None:
    (picture,) = pictures("good", 1)
    for number in range(1500):  # the answers are more than a pipe holds: nobody reads them, and the command waits
        picture.with_name(f"{'x' * 60}{number}.png").hardlink_to(picture)
    process = subprocess.Popen(
        [*EDGEFS, "predict", bundle, picture.parent],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background inherits SIG_IGN
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Error: stopped by Ctrl-C\n")

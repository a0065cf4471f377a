"""The contact sheet shows what the network will see, and what was understood of the folder."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from textures import draw, save, write_set

from edgefs.cli import main
from edgefs.look import look_at, sheet_html
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.images.preprocess import Preprocess

SMALL = Preprocess(size=(32, 32))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Two classes of six pictures, 48 pixels wide and high."""
    return write_set(tmp_path / "parts", 6, ("good", "dots"))


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "preprocess",
    [
        SMALL,
        Preprocess(size=(16, 24), roi=(4, 8, 30, 20), rotation=90),
        Preprocess(size=(20, 20), resize="pad", channels="mono"),
    ],
)
def test_beside_each_frame_stands_the_very_input_of_the_network(parts: Path, preprocess: Preprocess) -> None:
    sheet = look_at(parts, preprocess)
    assert [one.label for one in sheet.classes] == ["dots", "good"]
    for one in sheet.classes:
        assert len(one.shown) == 4
        for image in one.shown:
            assert image.input is not None
            np.testing.assert_array_equal(decoded(image.input.data), preprocess(parts / image.name))


def test_the_window_is_seen_in_the_input(tmp_path: Path) -> None:
    for kind in ("good", "dots"):
        for number in range(3):
            (tmp_path / "deep" / kind).mkdir(parents=True, exist_ok=True)
            grey = draw(kind, number)[..., 0].astype(np.uint16) * 16
            Image.fromarray(grey).save(tmp_path / "deep" / kind / f"{number}.png")
    sheet = look_at(tmp_path / "deep", Preprocess(size=(32, 32), window=(0, 4080)))
    assert dict(sheet.settings)["Window"].startswith("raw values 0 to 4080")
    (image, *_) = sheet.classes[0].shown
    assert image.input is not None
    assert decoded(image.input.data).max() > 100


def test_what_the_resize_cuts_off_is_marked(parts: Path) -> None:
    (one, _) = look_at(parts, Preprocess(size=(16, 32), resize="crop", roi=(8, 8, 40, 40))).classes
    assert one.shown[0].kept == (8, 18, 40, 20)
    (one, _) = look_at(parts, Preprocess(size=(16, 32), resize="crop", rotation=90)).classes
    assert one.shown[0].kept == (12, 0, 24, 48)


def test_the_images_are_spread_over_the_class_and_the_seed_chooses_them(tmp_path: Path) -> None:
    parts = write_set(tmp_path / "parts", 40, ("good", "dots"))
    names = {seed: [image.name for image in look_at(parts, SMALL, seed=seed).classes[0].shown] for seed in range(3)}
    assert names[0] == [image.name for image in look_at(parts, SMALL).classes[0].shown]
    assert len({tuple(chosen) for chosen in names.values()}) > 1
    for chosen in names.values():
        assert [int(name[-7:-4]) // 10 for name in chosen] == [0, 1, 2, 3]


def test_what_is_left_out_is_shown_with_its_reason(parts: Path) -> None:
    Image.new("RGB", (48, 48)).save(parts / "good" / "black.png")
    (parts / "good" / "broken.png").write_bytes(b"no image")
    (parts / "good" / "notes.txt").write_text("no image")
    sheet = look_at(parts, SMALL)
    assert (sheet.images, sheet.unused, sheet.other_files) == (12, 2, 1)
    shown = {item.name: item for item in sheet.left_out}
    assert "constant frame" in shown["good/black.png"].reason
    assert shown["good/black.png"].picture is not None
    assert shown["good/broken.png"].picture is None
    page = sheet_html(sheet)
    assert "not an image in a format that can be read" in page


def test_how_the_folder_was_understood_is_said(tmp_path: Path) -> None:
    for side, number in (("train", 6), ("test", 3)):
        write_set(tmp_path / "parts" / side, number, ("good", "dots"), first=len(side))
    sheet = look_at(tmp_path / "parts", SMALL, ok=["dots"])
    assert "divided by its folders" in sheet.layout
    assert [(one.label, one.disposition, one.sides) for one in sheet.classes] == [
        ("dots", "ok", {"train": 6, "test": 3}),
        ("good", "ok", {"train": 6, "test": 3}),
    ]


class Page(HTMLParser):
    """Collects tags and where they lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def test_the_page_loads_nothing_and_escapes_every_name(tmp_path: Path) -> None:
    hostile = "<script>alert(1)<b>"
    parts = tmp_path / "<b>parts"
    for label in ("good", hostile):
        save(parts / label, "dots", 1).rename(parts / label / f"{hostile}.png")
        save(parts / label, "dots", 2 + len(label))
    html = sheet_html(look_at(parts, SMALL, ok=[hostile]), f"edgefs adapt {hostile}")
    page = Page(html)
    assert "&lt;script&gt;alert(1)&lt;b&gt;" in html
    assert not page.tags & {"script", "b", "link", "iframe", "object"}
    assert "url(" not in html
    assert "@import" not in html
    assert page.links
    for link in page.links:
        assert link.startswith("data:image/")
        decoded(base64.b64decode(link.partition(",")[2]))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["look", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_the_command_writes_the_sheet_and_the_command_that_goes_on(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.html"
    options = ["--roi", "4", "4", "30", "30", "--rotation", "180", "--size", "32", "32", "--ok", "dots"]
    assert run(parts, "-o", out, *options) == 0
    said = capsys.readouterr().out
    assert re.search(r"dots +ok +6 images", said)
    assert said.endswith(f"Sheet: {out}\n")
    (command,) = re.findall(r'<code class="command">(.*)</code>', out.read_text("utf-8"))
    assert shlex.split(command)[:5] == ["edgefs", "adapt", str(parts), "-o", "run"]
    given = " ".join(shlex.split(command)[5:])
    for option in ("--roi 4 4 30 30", "--rotation 180", "--size 32 32", "--ok dots"):
        assert option in given
    assert "--resize" not in given


def test_json_says_what_was_found(parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parts, "-o", tmp_path / "sheet.html", "--json", "--images", "2") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["label"], one["images"], len(one["shown"])) for one in found["classes"]] == [
        ("dots", 6, 2),
        ("good", 6, 2),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("no-such-folder", "-o", "sheet.html"), 1, "nothing there"),
        ((".", "-o", "sheet.png"), 2, "ends with .html"),
        ((".", "-o", "no/such/folder/sheet.html"), 1, "there is no folder"),
        ((".", "-o", "sheet.html", "--ok", "scratch"), 1, "no class of that name"),
        ((".", "-o", "sheet.html", "--window", "5", "5"), 1, "window"),
    ],
)
def test_what_does_not_fit_is_one_line(
    parts: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(parts)
    assert run(*arguments) == code
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (parts / "sheet.html").exists()


def test_a_folder_without_images_is_refused_as_by_adapt(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image found"):
        look_at(tmp_path / "empty", SMALL)


def test_a_pipe_among_the_images_is_not_waited_for(tmp_path: Path) -> None:
    write_set(tmp_path / "d", 2, ("good", "dots"))
    os.mkfifo(tmp_path / "d" / "good" / "pipe.png")
    said = CliRunner().invoke(main, ["look", str(tmp_path / "d"), "-o", str(tmp_path / "s.html")])
    assert said.exit_code == 0, said.output
    assert "left out: 1, no such file" in said.output

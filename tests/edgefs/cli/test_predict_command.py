"""What `edgefs predict` prints, writes and saves beside its decisions."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import RUN
from textures import save

from edgefs.cli import main
from edgefs.cli.saving import folder_name
from edgefs.cli.spreadsheet import Table, cell
from edgefs_runtime import Classifier

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def predict(bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`predict(*arguments)`, in this process."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stopped:
            main(["predict", str(bundle), *map(str, arguments)])
        said = capsys.readouterr()
        return Ran(int(stopped.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def shift(tmp_path: Path) -> Path:
    """A folder: two dots, one good, one of stripes, one of a kind that nobody taught, and a file that is no image."""
    folder = tmp_path / "shift"
    for kind, number in (("dots", 100), ("dots", 101), ("good", 100), ("stripes", 100), ("checks", 200)):
        save(folder, kind, number)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_several_images_end_with_a_summary_beside_the_lines(predict: Callable[..., Ran], shift: Path) -> None:
    ran = predict(shift)
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 5
    *_, summary = ran.err.splitlines()
    assert summary == "6 images: 4 NG (dots 2, unknown 1, stripes 1), 1 unreadable, 1 OK (good 1)."


def test_one_image_and_json_have_no_summary(predict: Callable[..., Ran], shift: Path, pictures: Pictures) -> None:
    assert predict(*pictures("dots", 1)).err == ""
    ran = predict(shift, "--json")
    assert ran.err == ""
    assert len([json.loads(line) for line in ran.out.splitlines()]) == 6


def test_the_table_says_what_json_says(predict: Callable[..., Ran], shift: Path, tmp_path: Path) -> None:
    ran = predict(shift, "--csv", tmp_path / "answers.csv", "--json")
    data = (tmp_path / "answers.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpath,verdict,label,nearest,disposition,probability,p_value,")
    rows = table(data.decode("utf-8-sig"))
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert len(rows) == len(answers) == 6
    for row, answer in zip(rows, answers, strict=True):
        for column in ("path", "verdict", "label", "nearest", "reason", "error"):
            assert row[column] == (answer.get(column) or "")
        for column in ("probability", "p_value", "margin", "strangeness", "score"):
            assert (float(row[column]) if row[column] else None) == answer.get(column)


def test_a_table_on_standard_output_stands_alone(predict: Callable[..., Ran], shift: Path) -> None:
    ran = predict(shift, "--csv", "-")
    rows = table(ran.out)
    assert Counter(row["verdict"] for row in rows) == {"NG": 4, "OK": 1, "": 1}
    expected = "not an image in a format that can be read; save it as PNG, JPEG or TIFF"
    assert [row["error"] for row in rows if row["error"]] == [expected]


def test_only_a_table_of_its_own_is_replaced(predict: Callable[..., Ran], pictures: Pictures, tmp_path: Path) -> None:
    first, second = pictures("dots", 2)
    whole = first.read_bytes()
    ran = predict(second, "--csv", first)
    assert (ran.code, first.read_bytes()) == (2, whole)
    assert "another file lies there, and is kept" in ran.err
    for _ in range(2):
        assert predict(second, "--csv", tmp_path / "t.csv").code == 0
    assert len(table((tmp_path / "t.csv").read_text("utf-8-sig"))) == 1


@pytest.mark.parametrize("target", ["no/such/folder/t.csv", "/dev/full"])
def test_a_table_that_cannot_be_written_is_one_line(
    predict: Callable[..., Ran], pictures: Pictures, tmp_path: Path, target: str
) -> None:
    if target == "/dev/full" and not Path(target).exists():
        pytest.skip("this system has no /dev/full")
    ran = predict(*pictures("dots", 2), "--csv", tmp_path / target)
    (line,) = ran.err.strip().splitlines()
    assert ran.code == 1
    assert "can't be written" in line


@given(st.text())
def test_a_spreadsheet_computes_no_cell(text: str) -> None:
    written = str(cell(text))
    assert written.lstrip()[:1] not in {"=", "+", "-", "@", "＝", "＋", "－", "＠"}
    assert written in (text, f"'{text}")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"))).filter(bool))
def test_a_row_is_read_as_it_was_written(row: list[str]) -> None:
    stream = io.StringIO(newline="")
    Table(stream, ["column"] * len(row)).write(row)
    _, read = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert read == [cell(text) for text in row]


def test_a_path_that_looks_like_a_formula_is_only_text(
    predict: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "dots", 1).rename(tmp_path / "=1+1.png")
    monkeypatch.chdir(tmp_path)
    assert table(predict("=1+1.png", "--csv", "-").out)[0]["path"] == "'=1+1.png"


def test_answers_come_in_the_order_asked_for(predict: Callable[..., Ran], shift: Path) -> None:
    def answers(order: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in predict(shift, "--sort", order, "--json").out.splitlines()]

    assert [answer.get("verdict") for answer in answers("verdict")] == ["NG"] * 4 + [None, "OK"]
    for order, field in (("p", "p_value"), ("probability", "probability")):
        first, *others = [answer.get(field) for answer in answers(order)]
        assert first is None  # what can't be read needs a look
        assert others == sorted(others)  # type: ignore[type-var]


def test_paths_are_sorted_as_people_count(predict: Callable[..., Ran], tmp_path: Path) -> None:
    for number in (10, 2, 1):
        save(tmp_path, "dots", number).rename(tmp_path / f"part{number}.png")
    ran = predict(*(tmp_path / f"part{number}.png" for number in (10, 1, 2)), "--sort", "path", "--json")
    names = [Path(json.loads(line)["path"]).name for line in ran.out.splitlines()]
    assert names == ["part1.png", "part2.png", "part10.png"]


def saved(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_images_are_copied_by_verdict_and_class(predict: Callable[..., Ran], shift: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = predict(shift, "--save", out)
    assert saved(out) == [
        "NG/dots/dots-100.png",
        "NG/dots/dots-101.png",
        "NG/stripes/stripes-100.png",
        "NG/unknown/checks-200.png",
        "OK/good/good-100.png",
        "unreadable/broken.png",
    ]
    assert (out / "OK/good/good-100.png").read_bytes() == (shift / "good-100.png").read_bytes()
    assert ran.err.splitlines()[-1] == f"6 of them copied into {out}."


def test_saving_overwrites_nothing_and_copies_nothing_twice(
    predict: Callable[..., Ran], bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    one, other = (save(tmp_path / name, "dots", number) for name, number in (("a", 1), ("b", 2)))
    other = other.rename(other.with_name(one.name))
    (out / "NG" / "dots").mkdir(parents=True)
    (out / "NG" / "dots" / one.name).write_bytes(b"of somebody else")
    for _ in range(2):
        assert predict(one, other, one, "--save", out).code == 0
    assert (out / "NG" / "dots" / one.name).read_bytes() == b"of somebody else"
    assert saved(out) == ["NG/dots/dots-001-2.png", "NG/dots/dots-001-3.png", "NG/dots/dots-001.png"]
    contents = {(out / name).read_bytes() for name in saved(out)}
    assert contents == {b"of somebody else", one.read_bytes(), other.read_bytes()}


def test_what_was_saved_below_the_folder_is_not_asked_about_again(predict: Callable[..., Ran], shift: Path) -> None:
    out = shift / "sorted"
    first = predict(shift, "--save", out).out
    assert predict(shift, "--save", out).out == first
    assert len(saved(out)) == 6


def test_saving_into_the_folder_of_the_images_themselves_keeps_them(predict: Callable[..., Ran], shift: Path) -> None:
    predict(shift, "--save", shift / "sorted")
    before = {name: (shift / "sorted" / name).read_bytes() for name in saved(shift / "sorted")}
    predict(shift / "sorted" / "NG", "--save", shift / "sorted")
    assert {name: (shift / "sorted" / name).read_bytes() for name in saved(shift / "sorted")} == before


def test_links_lead_to_the_images(predict: Callable[..., Ran], shift: Path, tmp_path: Path) -> None:
    for _ in range(2):
        predict(shift, "--save", tmp_path / "out", "--link")
    assert len(saved(tmp_path / "out")) == 6
    link = tmp_path / "out" / "NG" / "dots" / "dots-100.png"
    assert link.is_symlink()
    assert link.samefile(shift / "dots-100.png")


def test_a_link_is_no_copy_of_its_image(predict: Callable[..., Ran], shift: Path, tmp_path: Path) -> None:
    predict(shift, "--save", tmp_path / "out", "--link")
    predict(shift, "--save", tmp_path / "out")
    copy = tmp_path / "out" / "NG" / "dots" / "dots-100-2.png"
    assert not copy.is_symlink()
    assert copy.read_bytes() == (shift / "dots-100.png").read_bytes()


LABELS = ["../x", "a/b", "..", ".", ".hidden", "CON", "nul.txt", "end.", "缺" * 150, "a:b", "a\\b", "/etc"]


@pytest.mark.parametrize("label", LABELS)
def test_no_label_leads_out_of_its_folder_or_to_that_of_another(label: str) -> None:
    name = folder_name(label)
    assert Path(name).name == name
    assert not name.startswith(".")
    assert not set(name) & set('<>:"/\\|?*')
    assert len(name.encode()) <= 100
    assert len({folder_name(other) for other in LABELS}) == len(LABELS)


def test_a_class_called_as_a_way_out_stays_inside(
    bundle: Path, predict: Callable[..., Ran], pictures: Pictures, tmp_path: Path
) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("../../x", pictures("checks", 5))
    assert predict(*pictures("checks", 1, 300), "--save", tmp_path / "out").code == 0
    (name,) = saved(tmp_path / "out")
    assert name.startswith("NG/__.._x-")


def test_a_folder_that_cannot_be_written_is_one_line(predict: Callable[..., Ran], pictures: Pictures) -> None:
    (path,) = pictures("dots", 1)
    ran = predict(path, "--save", path / "out")
    assert ran.code == 1
    assert ran.err.startswith("Error: --save: ")
    assert len(ran.err.strip().splitlines()) == 1


@pytest.mark.parametrize("options", [("--link",), ("--csv", "-", "--json"), ("--sort", "beauty"), ("--save", __file__)])
def test_options_that_do_not_fit_have_status_2(
    predict: Callable[..., Ran], pictures: Pictures, options: tuple[str, ...]
) -> None:
    assert predict(*pictures("dots", 1), *options).code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is a POSIX one here")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_verdicts_are_coloured_on_a_terminal_that_wants_it(
    bundle: Path, pictures: Pictures, variables: dict[str, str], coloured: bool
) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    if "NO_COLOR" not in variables:
        environment.pop("NO_COLOR", None)
    command = [sys.executable, "-c", RUN, "predict", str(bundle), *map(str, pictures("dots", 1))]
    run = subprocess.run(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, check=True, timeout=120)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert run.returncode == 0
    assert ("\x1b[31m" in said) == coloured
    assert "dots (" in said

"""A CSV file says what each image shows, which part, and on which side it stands."""

import csv
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefs.data import load_dataset
from edgefs.data.layouts.tables import list_table
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label


@pytest.fixture
def table(make):
    root = make("images/一.png", "images/b.png", "images/c.png")

    def write(text, encoding="utf-8"):
        (root / "零件.csv").write_bytes(text.encode(encoding))
        return root / "零件.csv"

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_paths_are_relative_to_the_table(table, encoding, newline):
    lines = ["Path, label ,group,note", "images/一.png,好,p1,x", '"images/b.png",划痕,p2', "", "images/c.png,划痕,"]
    dataset = load_dataset(table(newline.join(lines), encoding))
    assert dataset.layout == "csv"
    assert dataset.root.name != "零件.csv"
    assert [(s.path.name, s.label, s.group, s.split) for s in dataset.samples] == [
        ("b.png", "划痕", "p2", ""),
        ("c.png", "划痕", "", ""),
        ("一.png", "好", "p1", ""),
    ]


def test_splits_are_read(table):
    text = "path,label,split\nimages/一.png,a,Train\nimages/b.png,b,valid\nimages/c.png,b,test\n"
    assert [s.split for s in load_dataset(table(text)).samples] == ["val", "test", "train"]


def test_backslashes_of_windows_are_understood(table):
    dataset = load_dataset(table("path,label\nimages\\一.png,a\nimages\\b.png,b\n"))
    assert dataset.left_out == ()


def test_missing_files_and_incomplete_rows_are_left_out(table):
    rows = "images/一.png,a\nimages/b.png,b\nimages/gone.png,b\nimages/c.png,\n,b\nimages/b.png,b\n"
    dataset = load_dataset(table("path,label\n" + rows))
    assert sorted((item.path.name, item.reason) for item in dataset.left_out) == sorted(
        [
            ("gone.png", "no such file"),
            ("c.png", "line 5 of 零件.csv has no label"),
            (dataset.root.name, "line 6 of 零件.csv has no path"),
            ("b.png", "listed again on line 7 of 零件.csv"),
        ]
    )
    assert len(dataset.samples) == 2


def test_one_file_under_two_labels_is_left_out(table):
    rows = "images/一.png,a\nimages/b.png,b\nimages/c.png,a\nimages/c.png,b\n"
    dataset = load_dataset(table("path,label\n" + rows))
    assert {item.path.name for item in dataset.left_out} == {"c.png"}
    assert len(dataset.samples) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("file,class\nx,y\n", "columns path,label.* found file,class"),
        ("path|label\nx|y\n", r"separated by commas, semicolons or tabs; found path\|label"),
        ("path,label\n", "no row names an image"),
        ("path,label,split\nimages/b.png,b,holdout\n", "line 2: split 'holdout' is unknown"),
        ("path,label,split\nimages/b.png,b,train\nimages/c.png,c,\n", r"1 of 2 rows have no split .*c\.png"),
        ("path,label\nimages/b.png,b\nimages/gone.png,c\n", r"class 'c' has no usable image .*gone\.png: no such file"),
    ],
)
def test_tables_that_cant_be_understood_are_refused(table, text, message):
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(table(text))
    assert "\n" not in str(caught.value)


def test_another_encoding_is_refused(table):
    with pytest.raises(DataError, match="not UTF-8 text; save it as 'CSV UTF-8'"):
        load_dataset(table("path,label\nimages/b.png,划痕\n", "gbk"))


@pytest.mark.parametrize(
    "raw",
    [
        "path;label\nimages/一.png;a\nimages/b.png;b\n".encode(),
        "sep=;\nPath;LABEL\nimages/一.png;a\nimages/b.png;b\n".encode("utf-8-sig"),
        "LABEL\tpath\r\na\timages/一.png\r\nb\timages/b.png\r\n".encode("utf-16"),
        '\n"label","path",\r"a","images/一.png",\r"b","images/b.png",\r'.encode(),
        b"\xfe\xff" + "path,label\nimages\\一.png, a \n./images//b.png,b\u00a0\n".encode("utf-16-be"),
    ],
)
def test_what_spreadsheets_write_is_read(table, raw):
    path = table("")
    path.write_bytes(raw)
    dataset = load_dataset(path)
    assert [(sample.path.name, sample.label) for sample in dataset.samples] == [("b.png", "b"), ("一.png", "a")]
    assert (dataset.left_out, dataset.notes) == ((), ())


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12)


@given(
    rows=st.lists(st.tuples(CELLS.filter(lambda text: _is_label(text)), CELLS), min_size=2, max_size=6),
    order=st.permutations(["path", "label", "group", "Bemerkung"]),
    separator=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=80, deadline=None)
def test_any_dialect_is_read_as_it_was_written(rows, order, separator, ending, quoting, encoding):
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "t.csv")
        with table.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=separator, lineterminator=ending, quoting=quoting)
            writer.writerow(name.upper() for name in order)
            for number, (label, group) in enumerate(rows):
                cells = {"path": f"sub, dir/{number}.png", "label": label, "group": group, "Bemerkung": "x"}
                writer.writerow(cells[name] for name in order)
        listing = list_table(table)
        assert [(one.path, one.label, one.group) for one in listing.images] == [
            (
                Path(folder, "sub, dir", f"{number}.png"),
                normal_label(label),
                unicodedata.normalize("NFC", group.strip()),
            )
            for number, (label, group) in enumerate(rows)
        ]
        assert listing.left_out == []
        assert listing.notes == ["Columns of t.csv that were not used: bemerkung."]


def _is_label(text):
    return bool(normal_label(text)) and bool(text.strip())


def test_paths_are_found_whichever_system_composed_them(make):
    root = make("Prüfung/ä.png", "b.png")
    folder = next(path for path in root.iterdir() if path.is_dir())
    folder.rename(root / unicodedata.normalize("NFD", "Prüfung"))
    (root / "t.csv").write_text(f"path,label\nPrüfung/{unicodedata.normalize('NFD', 'ä')}.png,a\nb.png,b\n", "utf-8")
    assert load_dataset(root / "t.csv").counts == {"a": 1, "b": 1}


def test_absolute_paths_are_taken(make):
    root = make("a.png", "b.png")
    (root / "t.csv").write_text(f"path,label\n{root / 'a.png'},a\n{root / 'b.png'},b\n", "utf-8")
    assert load_dataset(root / "t.csv").counts == {"a": 1, "b": 1}


def test_a_row_with_a_cell_too_many_is_left_out(table):
    dataset = load_dataset(table("path,label\nimages/一.png,a\nimages/b.png,b\nimages/c,d.png,b\n"))
    (left,) = dataset.left_out
    assert left.reason.startswith("line 4 of 零件.csv has 3 cells and the first line 2: write quotes around")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            "path,label\nimages/b.png,划痕\n".encode("gbk"),
            r"is not UTF-8 text; save it as .* \(line 2 reads 'images/b.png,划痕' as GBK\)",
        ),
        ("path,label\nimages/b.png,Riß\n".encode("latin-1"), r"\(line 2 reads 'images/b.png,Riß' as Latin-1\)"),
        ("path,label\nimages/b.png,b\n".encode("utf-16-le"), "it holds zero bytes"),
        (b"path,label,Label\nimages/b.png,a,b\n", "two columns are called 'label'"),
    ],
)
def test_tables_in_other_encodings_get_one_clear_line(table, raw, message):
    path = table("")
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


def test_one_impossible_path_costs_one_row(table):
    dataset = load_dataset(table(f"path,label\nimages/b.png,a\nimages/c.png,b\nimages/{'x' * 300}.png,a\n"))
    assert len(dataset.samples) == 2
    assert [left.reason for left in dataset.left_out] == ["can't be read (File name too long)"]


def test_a_quotation_mark_that_is_not_closed_is_said(table):
    with pytest.raises(DataError, match=r"line 3: a quotation mark is opened and never closed"):
        list_table(table('path,label\nimages/b.png,a\n"images/c.png,b\nimages/一.png,b\n'))
    listing = list_table(table('path,label\nimages/b.png,a\n"images/c.png,b\nimages/一.png",b\n'))
    assert [image.path.name for image in listing.images] == ["b.png"]
    assert "quotation mark" in listing.left_out[0].reason

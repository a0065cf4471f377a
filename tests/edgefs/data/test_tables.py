"""A CSV file says what each image shows, which part, and on which side it stands."""

import pytest

from edgefs.data import load_dataset
from edgefs_runtime.errors import DataError


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

"""A folder that lies above the one that was meant is named, with what to pass instead."""

import pytest

from edgefs.data import load_dataset, split_dataset
from edgefs_runtime.base.errors import DataError


def test_two_lines_with_the_same_classes_are_named(make):
    root = make("line1/dent/1.png", "line1/good/2.png", "line2/dent/3.png", "line2/good/4.png")
    assert load_dataset(root).notes == (
        "line1 and line2 both hold the folders dent, good and were taken for classes: if the classes lie in them, pass "
        f"one of them, as {root / 'line1'}.",
    )


def test_products_that_are_divided_each_are_named(make):
    root = make(*(f"{one}/{side}/good/{one}{side}.png" for one in ("cap", "nut", "pin") for side in ("train", "test")))
    (note,) = load_dataset(root).notes
    assert note.startswith("cap, nut and pin all hold the folders test, train and were taken for classes")


def test_lines_inside_a_divided_folder_are_named_on_each_side(make):
    names = (f"{side}/line{n}/{c}/{side}{n}{c}.png" for side in ("train", "test") for n in (1, 2) for c in "ab")
    notes = load_dataset(make(*names)).notes
    assert [note.split(" and were")[0] for note in notes] == ["line1 and line2 both hold the folders a, b"] * 2


@pytest.mark.parametrize(
    "names",
    [
        ("a/day1/1.png", "b/day2/2.png"),  # nothing in common
        ("a/x/1.png", "b/x/2.png"),  # one folder each, as of a camera
        ("a/1.png", "a/x/2.png", "a/y/3.png", "b/4.png", "b/x/5.png", "b/y/6.png"),  # classes with images of their own
    ],
)
def test_folders_inside_classes_are_no_matter(make, names):
    assert load_dataset(make(*names)).notes == ()


@pytest.mark.parametrize("above", ["set", "archive/set"])
def test_a_folder_around_a_divided_one_is_named(make, above):
    root = make(*(f"{above}/{side}/{label}/{side}{label}.png" for side in ("train", "test") for label in "ab"))
    with pytest.raises(DataError, match=f"only one class.*{root / above} holds test, train: pass that folder"):
        load_dataset(root)
    (note,) = load_dataset(root, minimum_classes=1).notes
    assert (
        note
        == f"{above.split('/')[0]} was taken for the only class; {root / above} holds test, train: pass that folder."
    )


def test_classes_beside_a_folder_of_other_files_are_pointed_at(make):
    root = make("images/a/1.png", "images/b/2.png", "boxes/1.png")
    (root / "boxes" / "1.png").rename(root / "boxes" / "1.xml")
    with pytest.raises(
        DataError, match=f"class 'boxes' has no usable image .*; if a, b are the classes, pass {root}/images"
    ):
        load_dataset(root)


def test_a_class_that_is_spelled_otherwise_in_the_test_is_named(make):
    root = make("train/Dent/1.png", "train/good/2.png", "test/dent/3.png", "test/good/4.png")
    with pytest.raises(
        DataError, match=r"'dent' has 1 image .* \(dent and Dent, of which there are some, differ in case"
    ):
        split_dataset(load_dataset(root), shots=None, seed=0)


def test_good_parts_in_folders_are_asked_about(make):
    root = make("good/day1/1.png", "good/day2/2.png")
    (note,) = load_dataset(root).notes
    assert "if day1, day2 are the classes, pass" in note

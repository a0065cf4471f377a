"""The part an image shows can stand in its file name."""

import pytest

from edgefs.data import load_dataset
from edgefs_runtime.base.errors import DataError


@pytest.fixture
def lots(make):
    return make("a/lot1_x.png", "a/lot2_y.png", "b/lot1_z.png", "b/批3_w.png")


def groups(root, expression):
    dataset = load_dataset(root, group_from=expression)
    return {sample.path.name: sample.group for sample in dataset.samples}, dataset.notes


@pytest.mark.parametrize("expression", [r"lot\d", r"(lot\d)_\w", r"(l)(?P<group>ot\d)"])
def test_the_named_group_then_the_first_group_then_the_whole_match(lots, expression):
    found, notes = groups(lots, expression)
    prefix = "" if "?P" in expression else "l"
    assert found == {
        "lot1_x.png": f"{prefix}ot1",
        "lot2_y.png": f"{prefix}ot2",
        "lot1_z.png": f"{prefix}ot1",
        "批3_w.png": "",
    }
    assert notes == ("1 of 4 file names hold no group: each is a part of its own.",)


def test_a_slash_searches_the_whole_path(lots):
    found, _ = groups(lots, r"^(\w)/")
    assert set(found.values()) == {"a", "b"}


def test_names_override_the_column(make):
    root = make("x/p1_a.png", "x/p2_b.png")
    (root / "t.csv").write_text("path,label,group\nx/p1_a.png,a,g\nx/p2_b.png,b,g\n")
    found, notes = groups(root / "t.csv", r"p\d")
    assert set(found.values()) == {"p1", "p2"}
    assert notes == ("Groups were taken from file names; the group column was not used.",)


def test_an_invalid_expression_is_refused(lots):
    with pytest.raises(DataError, match="is not a regular expression"):
        groups(lots, "(")


def test_an_expression_that_matches_nothing_is_refused_with_an_example(lots):
    with pytest.raises(DataError, match=r"matches none of 4 file names; the first is 'lot1_x\.png'"):
        groups(lots, r"patient\d")

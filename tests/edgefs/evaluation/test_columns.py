"""Rows in columns: nothing is interpreted, coloured, wrapped or lost."""

import pytest

from edgefs.evaluation.columns import in_columns


def test_columns_stand_two_apart_and_figures_end_in_one_line() -> None:
    rows = [["class", "images"], ["scratch", "7"], ["ok", "1,200"]]
    assert in_columns(rows, "lr") == "class    images\nscratch       7\nok        1,200"


@pytest.mark.parametrize("label", ["划痕", "🙂", "e\u0301", "[red]a[/red]", ":smile:", "http://a.b", r"\[x]", ""])
def test_a_label_is_shown_as_it_is(label: str) -> None:
    shown = in_columns([[label, "1"], ["scratch", "2"]], "lr").splitlines()
    assert shown[0].startswith(label)
    assert shown[0].endswith("1")


@pytest.mark.parametrize("surroundings", [{"FORCE_COLOR": "1"}, {"COLUMNS": "20"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_changes_nothing(surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["x" * 150, "0.123", "a sentence " * 20]]
    before = in_columns(rows, "lrl")
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    assert in_columns(rows, "lrl") == before == f"{'x' * 150}  0.123  {('a sentence ' * 20).rstrip()}"


def test_only_a_label_is_cut() -> None:
    cut = in_columns([["x" * 60, "y" * 60]], "ll", 28)
    assert cut == f"{'x' * 27}…  {'y' * 60}"
    assert in_columns([["划" * 14, "1"]], "lr", 28).startswith("划" * 14)

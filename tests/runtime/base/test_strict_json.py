"""JSON that strangers wrote, and JSON that anybody can read."""

from __future__ import annotations

import json
import math

import pytest

from edgefs_runtime.base.strict_json import read_json, write_json

pytestmark = pytest.mark.device


@pytest.mark.parametrize(
    "text",
    ["NaN", "[1e999]", "-Infinity", "9" * 5000, "0." + "1" * 5000, "[" * 100_000, "{", b"\xff", "", '{"a": ' * 33],
)
def test_what_no_writer_of_ours_writes_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whoever reads a file says whose it is
        read_json(text)


def test_brackets_within_a_text_are_no_depth() -> None:
    value = {"a": "[" * 1000 + '"\\' + "{" * 1000, "b": [[1, 2.5, None, True]]}
    assert read_json(json.dumps(value)) == value


def test_what_is_no_finite_number_is_written_null() -> None:
    written = write_json({"a": math.nan, "b": (1.5, [-math.inf]), "c": {"d": math.inf}})
    assert json.loads(written) == {"a": None, "b": [1.5, [None]], "c": {"d": None}}

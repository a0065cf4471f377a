"""JSON as it is read from strangers and written for anybody: no NaN, no infinity, no number or nesting without end.

Python's own reader takes `NaN`, makes infinity of `1e999` and raises `RecursionError` where brackets are deep; what it
writes may be no JSON at all. What is read here has finite numbers of a usual size alone.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MOST_DIGITS = 400  # of a number; a float64 written out has no more
MOST_DEPTH = 32  # brackets inside each other
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def read_json(text: str | bytes) -> Any:
    """Read one JSON value.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deeply, or a number that is none or too long.
    """
    text = text if isinstance(text, str) else text.decode("utf-8")
    _refuse_depth(text)
    return _DECODER.decode(text)


def write_json(value: Any, **options: Any) -> str:
    """A value as JSON text; what is no finite number is written `null`.

    Args:
        value: of what JSON knows.
        options: of `json.dumps`.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(f"brackets nested more than {MOST_DEPTH} deep")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits) if len(digits) <= MOST_DIGITS else math.inf
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large or too long")
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


# Made once: a gallery of ten thousand rows is read by eighty thousand calls.
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_constant)

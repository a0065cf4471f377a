"""Whole inputs, spoilt a little: what gets past the first checks of a parser."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

_EDITS = 4  # at most
_ODD = [
    b"\xff" * 4,
    b"\0" * 8,
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"9" * 400,
    b"[" * 2000,
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
]
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([10**400, -1, 2**63]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some overwritten, inserted, left out or cut off; the ends are spoilt as often as all between.

    Hypothesis draws one number for each, since it takes longer to draw every edit than the parsers take.
    """
    return st.integers(0, 2**64).map(lambda number: _spoilt(whole, random.Random(number)))


def _spoilt(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.randint(1, _EDITS)):
        near = min(len(data), 200)
        at = chance.choice((chance.randint(0, len(data)), chance.randint(0, near), len(data) - chance.randint(0, near)))
        piece = chance.choice((chance.randbytes(chance.randint(1, 8)), chance.choice(_ODD)))
        how = chance.choice(("over", "over", "over", "in", "out", "cut"))
        if how == "over":
            data[at : at + len(piece)] = piece
        elif how == "in":
            data[at:at] = piece
        elif how == "out":
            del data[at : at + chance.randint(1, 40)]
        else:
            del data[at:]
    return bytes(data)


@st.composite
def spoilt_json(draw: st.DrawFn, whole: dict[str, Any]) -> bytes:
    """The object with some fields of another value, or with its text spoilt."""
    fields = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, _EDITS))):
        places = list(_places(fields))
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        parent[key] = draw(_VALUES)
    text = json.dumps(fields).encode()
    return draw(spoilt(text)) if draw(st.integers(0, 4)) == 0 else text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)

"""Numbers and errors in sentences that a person reads."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2 images`, `1,800 images`; a `plural` of its own where an s does not make it."""
    return f"{number:,} {noun_of(number, noun, plural)}"


def noun_of(number: int, noun: str, plural: str = "") -> str:
    """The noun alone, as that many of it are called: `image` for 1, else `images`."""
    return noun if number == 1 else plural or f"{noun}s"


def first_line(error: object, empty: str | None = None) -> str:
    """What a library's error says, in one line; its type, or `empty`, where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__ if empty is None else empty])[0]


def plain(text: str) -> str:
    """A text on one line, where nothing that was read from elsewhere can move a terminal's cursor or turn its writing.

    Line breaks, control characters, marks of direction and half characters are shown by their numbers: `\\x1b`.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)

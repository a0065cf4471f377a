"""Numbers and errors in sentences that a person reads."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2 images`, `1,800 images`; a `plural` of its own where an s does not make it."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def first_line(error: object, empty: str = "") -> str:
    """What a library's error says, in one line; its type, or `empty`, where it says nothing."""
    return (str(error).splitlines() or [empty or type(error).__name__])[0]


def plain(text: str) -> str:
    """A text on one line, where nothing that was read from elsewhere can move a terminal's cursor."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "replace").decode() for one in text)

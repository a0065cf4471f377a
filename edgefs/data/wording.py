"""Numbers in sentences that a person reads."""


def counted(number: int, noun: str) -> str:
    """`1 image`, `2 images`, `1,800 images`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

"""The version of everything in this distribution: packages, bundles and devices compare against it."""

__version__ = "0.1.0"


def version_key(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: `0.10.1` -> (0, 10, 1); anything behind the numbers is passed over."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)

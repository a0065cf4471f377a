"""Whether the folders or cells that name classes can, and whether two of them may be one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from edgefs_runtime.base.errors import DataError, GalleryError
from edgefs_runtime.base.labels import check_label, difference_in_words, not_text, twin_key


def check_names(labels: Collection[str], root: Path) -> None:
    """Refuse names that can't be those of classes.

    Raises:
        DataError: one can't be.
    """
    for label in sorted(labels):
        if undecoded := not_text(label):
            raise DataError(f"{root}: the folder name {undecoded}: rename it")
        try:
            check_label(label)
        except GalleryError as error:
            raise DataError(f"{root}: {error}") from error


def twin_notes(labels: Collection[str]) -> list[str]:
    """A question for each label that differs from another in case or in the width of its characters only."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        alike[twin_key(label)].append(label)
    return [
        f"{first} and {twin} differ {difference_in_words(first, twin)} only: are they one class?"
        for first, *twins in alike.values()
        for twin in twins
    ]

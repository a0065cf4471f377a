"""Notices that a folder was passed which lies above the one that was meant.

Two lines with the same defects, two products of one benchmark, or a download in a folder of its own: the folders that
would be taken for classes then hold the classes themselves. It may be meant so, so this is said and not refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.images.listing import entries

_SHOWN = 4  # names in a sentence


def too_high(class_folders: Sequence[Path]) -> str:
    """A sentence where several folders that are taken for classes hold the same folders and no images; else empty."""
    inside = {folder: _folders_only(folder) for folder in class_folders}
    counts = Counter(name for names in inside.values() for name in names)
    shared = {name for name, number in counts.items() if number > 1}
    above = [folder for folder, names in inside.items() if len(names & shared) > 1]
    if len(above) < 2:
        return ""
    common = sorted(shared.intersection(*(inside[folder] for folder in above)) or shared)
    names, number = _listed([folder.name for folder in above], " and "), "both" if len(above) == 2 else "all"
    return (
        f"{names} {number} hold the folders {_listed(common)} and were taken for classes: if the classes lie in them, "
        f"pass one of them, as {above[0]}."
    )


def classes_below(folder: Path) -> Path | None:
    """Where classes may be meant to lie: the first of a folder and those alone in it that holds several; else None."""
    current = folder
    while True:
        found = entries(current)
        folders = [path for path in found.folders if not path.is_symlink()]
        if len(folders) != 1:
            return current if len(folders) > 1 and not found.images else None
        current = folders[0]


def _folders_only(folder: Path) -> set[str]:
    """Names of the folders in a folder that holds no image itself."""
    try:
        found = entries(folder)
    except DataError:
        return set()
    return set() if found.images else {normal_label(path.name) for path in found.folders}


def _listed(names: Sequence[str], last: str = ", ") -> str:
    """`a, b and c`; of many the first."""
    if len(names) > _SHOWN:
        return ", ".join(names[:_SHOWN]) + " …"
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

"""Which files of a folder are images: one answer for whoever lists one, on the device and on the workstation.

- Links to folders are followed. A folder that is met again, or that lies above, is passed over: no link makes a loop.
- Hidden files and what a system or a network drive keeps beside pictures (thumbnails, recycle bins) are passed over.
- Names stand in natural order: `img_2` before `img_10`.
- What is an image is told by its suffix here, and by its content where it is opened. What is passed over for its suffix
  can be said with `passed_over`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import readable
from edgefs_runtime.images.formats import (
    AVIF_SUFFIXES,
    HEIF_SUFFIXES,
    UNREAD_SUFFIXES,
    reads_avif,
    reads_heif,
)

_SYSTEM_NAMES = frozenset(
    {
        *("@eadir", "@tmp", "@sharebin", "@sharesnap", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "network recycle bin"),  # QNAP
        *("~snapshot", "lost+found", "snapshot$"),  # NetApp, Linux
        *("$recycle.bin", "recycler", "recycled", "system volume information", "$extend", "config.msi", "$winreagent"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "zbthumbnail.info"),
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", "icon\r"),
        *("desktop db", "desktop df", "thefindbycontentfolder", "cleanup at startup"),
        *("_gsdata_", "__pycache__"),
    }
)
_SYSTEM_PATTERN = re.compile(r"found\.\d{3}|\$recycle\.bin.*|\$windows\.~.*|thumbs\.db.*", re.IGNORECASE)
_DIGITS = re.compile(r"([0-9]+)")
_MOST_KINDS = 4  # suffixes named in a sentence


@dataclass
class Entries:
    """What lies directly in a folder, each in natural order.

    Attributes:
        images: files with the suffix of an image that is read here.
        others: other files.
        folders: folders, those that are linked to too.
    """

    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def entries(folder: Path) -> Entries:
    """What lies directly in a folder, less what is hidden or a system's own.

    Raises:
        DataError: the folder can't be read.
    """
    found = Entries()
    try:
        with os.scandir(folder) as scan:
            listed = [(entry.name, _is_folder(entry)) for entry in scan if not is_passed_over(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({error.strerror or error})") from error
    for name, is_folder in sorted(listed, key=lambda item: natural_key(item[0])):
        kind = found.folders if is_folder else found.images if is_image(name) else found.others
        kind.append(folder / name)
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: whoever opens it will hear so
        return False


def walk(folder: Path, above: Collection[Path] = ()) -> Iterator[tuple[Path, Entries]]:
    """A folder and all below it with what lies in each: depth first, each real folder once.

    Args:
        folder: where to begin.
        above: further real folders that a link may not lead to; those that hold `folder` are none of its own anyway.

    Raises:
        DataError: a folder can't be read.
    """
    seen = {*above, *folder.resolve().parents}
    pending = [folder]
    while pending:
        current = pending.pop()
        real = current.resolve()
        if real in seen:
            continue
        seen.add(real)
        found = entries(current)
        yield current, found
        pending += reversed(found.folders)


def find_images(folder: Path) -> list[Path]:
    """Image files below `folder` at any depth, in natural order.

    Raises:
        DataError: a folder can't be read.
    """
    return list_images(folder)[0]


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Image files below `folder` at any depth, and the files that are none by their suffix, in natural order.

    Raises:
        DataError: a folder can't be read.
    """
    images: list[Path] = []
    others: list[Path] = []
    for _, found in walk(folder):
        images += [path for path in found.images if path.is_file() or not path.exists()]  # no pipes, which never end
        others += found.others
    return in_natural_order(images, folder), in_natural_order(others, folder)


def in_natural_order(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Paths below `folder` in natural order, folder by folder."""
    return sorted(paths, key=lambda path: [natural_key(part) for part in path.relative_to(folder).parts])


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Sorting by this key puts numbers in a name in the order of their size; names that differ never tie."""
    pieces = _DIGITS.split(unicodedata.normalize("NFKC", name).casefold())
    key = (_number(piece) if place % 2 else piece for place, piece in enumerate(pieces))
    return tuple(key), name


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden or a system's own."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES or _SYSTEM_PATTERN.fullmatch(name) is not None


def is_image(name: str) -> bool:
    """Whether a file is an image that is read here, by its suffix."""
    suffix = _suffix(name)
    from edgefs_runtime.images.decoding import DECODERS  # numpy and Pillow, which a command's help need not wait for

    if any(suffix in decoder.suffixes for decoder in DECODERS.values()):
        return True
    return (suffix in HEIF_SUFFIXES and reads_heif()) or (suffix in AVIF_SUFFIXES and reads_avif())


def passed_over(others: Sequence[Path]) -> str:
    """A sentence about files that are no images by their suffix, with a cure where they are pictures; else empty."""
    if not others:
        return ""
    counts = Counter(_suffix(path.name) for path in others)
    kinds = [
        f"{number:,} {readable(suffix) or 'without a suffix'}{_example(suffix, others) if place == 0 else ''}"
        for place, (suffix, number) in enumerate(counts.most_common(_MOST_KINDS))
    ]
    more = len(others) - sum(number for _, number in counts.most_common(_MOST_KINDS))
    listed = ", ".join([*kinds, *([f"{more:,} more"] if more else [])])
    if len(others) == 1:
        return f"1 file was passed over, which is no image by its suffix: {readable(others[0].name)}.{_cures(counts)}"
    return f"{len(others):,} files were passed over, which are no images by their suffix: {listed}.{_cures(counts)}"


def _example(suffix: str, others: Sequence[Path]) -> str:
    first = next(path for path in others if _suffix(path.name) == suffix)
    return f" (the first is {readable(first.name)})"


def _cures(suffixes: Collection[str]) -> str:
    """What to do with those that are pictures all the same, a sentence each."""
    heif = sorted(HEIF_SUFFIXES.intersection(suffixes))
    unread = sorted((UNREAD_SUFFIXES | AVIF_SUFFIXES).intersection(suffixes))
    sentences = []
    if heif:
        sentences.append(f' To read {", ".join(heif)}: pip install "edgefs[heif]", or convert them to PNG or JPEG.')
    if unread:
        sentences.append(f" To use {', '.join(unread)}, convert them to PNG or JPEG.")
    return "".join(sentences)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _number(digits: str) -> tuple[int, str]:
    """Key that compares as the number does, however long: Python refuses to read more than 4,300 digits."""
    significant = digits.lstrip("0")
    return len(significant), significant

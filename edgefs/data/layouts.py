"""Recognises the folder conventions and lists what each image is labelled, without opening one.

    flat    <class>/*                              no split
    split   train/<class>/* [val/…] [test/…]       the split is given
    mvtec   train/good/* and test/<defect>/*       defects are found in test/ only; ground_truth/ is passed over

Inside a class folder any depth is searched, links to folders are followed, and a link back to a folder that is being
searched does no harm.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgefs.data.samples import Layout, LeftOut
from edgefs.data.wording import counted
from edgefs_runtime.decision import default_disposition
from edgefs_runtime.errors import DataError
from edgefs_runtime.images import IMAGE_SUFFIXES

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Listed:
    """An image file that should be read, with what its place or its row says about it."""

    path: Path
    label: str
    split: str = ""
    group: str = ""


@dataclass
class Listing:
    """What a folder or a CSV file lists; `labels` also holds the classes without a single image."""

    root: Path
    layout: Layout
    images: list[Listed] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    other_files: int = 0


def list_folder(root: Path) -> Listing:
    """List the labelled images of a folder in one of the conventions above.

    Raises:
        DataError: images lie loose with no class folder beside them.
        OSError: a folder can't be read.
    """
    sides = _split_folders(root)
    if sides:
        return _list_split(root, sides)
    listing = Listing(root, "flat")
    _add_classes(listing, root, "")
    _mention_tables(listing)
    return listing


def clean_label(name: str) -> str:
    """One spelling for a label whether it came from a Mac's file system, another one, or a spreadsheet."""
    return unicodedata.normalize("NFC", name).strip()


def _split_folders(root: Path) -> dict[str, list[Path]]:
    """Folders named after the parts of a split; empty when the layout is flat (`train` may be a class: a vehicle)."""
    sides: dict[str, list[Path]] = {}
    for folder in _subfolders(root):
        if side := SPLIT_NAMES.get(folder.name.lower()):
            sides.setdefault(side, []).append(folder)
    divided = "train" in sides and (len(sides) > 1 or any(_subfolders(folder) for folder in sides["train"]))
    return sides if divided else {}


def _list_split(root: Path, sides: dict[str, list[Path]]) -> Listing:
    listing = Listing(root, "split")
    for side, folders in sides.items():
        for folder in folders:
            _add_classes(listing, folder, side)
    learned = {image.label for image in listing.images if image.split == "train"}
    tested = {image.label for image in listing.images if image.split == "test"}
    if len(learned) == 1 and default_disposition(next(iter(learned))) == "ok" and tested - learned:
        listing.layout = "mvtec"
    used = {folder for folders in sides.values() for folder in folders}
    ignored = [f.name for f in _subfolders(root) if f not in used and f.name.lower() != "ground_truth"]
    if ignored:
        listing.notes.append(f"Folders beside train/ were not used: {', '.join(ignored)}.")
    return listing


def _add_classes(listing: Listing, folder: Path, split: str) -> None:
    """Every folder in `folder` is a class; an image that lies beside them has no label."""
    class_folders = [path for path in _subfolders(folder) if path.resolve() not in _with_parents(folder)]
    loose = [Path(entry) for entry in _files(folder)]
    images = [path for path in loose if path.suffix.lower() in IMAGE_SUFFIXES]
    if images and not class_folders:
        raise DataError(
            f"{folder}: {counted(len(images), 'loose image')} (the first is {images[0].name}); "
            "expected one folder of images per class, named after it"
        )
    reason = "lies beside the class folders, so it has no label"
    listing.left_out += [LeftOut(path, reason) for path in images]
    listing.other_files += len(loose) - len(images)
    for class_folder in class_folders:
        label = clean_label(class_folder.name)
        listing.labels.add(label)
        for path in _walk(class_folder, listing.root):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                listing.images.append(Listed(path, label, split))
            else:
                listing.other_files += 1


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    """Files below `folder`, sorted; a link to a folder above or already seen is not followed twice."""
    seen = _with_parents(root) | _with_parents(folder.parent)
    pending = [folder]
    while pending:
        current = pending.pop()
        if current.resolve() in seen:
            continue
        seen.add(current.resolve())
        yield from _files(current)
        pending += reversed(_subfolders(current))


def _with_parents(folder: Path) -> set[Path]:
    resolved = folder.resolve()
    return {resolved, *resolved.parents}


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.is_dir() and not _is_hidden(path))


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _SYSTEM_NAMES


def _mention_tables(listing: Listing) -> None:
    """A table of paths and labels beside the folders is probably what the user wanted read."""
    for path in listing.root.glob("*.csv"):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            header = next(csv.reader(lines), [])
        if {"path", "label"} <= {name.strip().lower() for name in header}:
            used = ", ".join(sorted(listing.labels)[:5])
            listing.notes.append(f"The folders were taken as classes ({used}); pass {path.name} to use its labels.")

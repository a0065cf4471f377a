"""Recognises the folder conventions and lists what each image is labelled, without opening one.

    flat    <class>/*                              no split
    split   train/<class>/* [val/…] [test/…]       the split is given
    mvtec   train/good/* and test/<defect>/*       defects are found in test/ only; ground_truth/ is passed over

Inside a class folder any depth is searched, links to folders are followed, and a link back to a folder that is being
searched does no harm (`edgefs_runtime.images.listing`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from edgefs.data.layouts.levels import too_high
from edgefs.data.samples import Layout, LeftOut
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import default_disposition
from edgefs_runtime.images.listing import entries, walk

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_LONGEST_HEADER = 10_000  # characters


@dataclass(frozen=True)
class Listed:
    """An image file that should be read, with what its place or its row says about it."""

    path: Path
    label: str
    split: str = ""
    group: str = ""


@dataclass
class Listing:
    """What a folder or a CSV file lists.

    Attributes:
        root: what paths are relative to.
        layout: the convention.
        images: files to read.
        labels: the classes, those without a single image too.
        left_out: files that are not used, with the reason.
        notes: what the user should know, one sentence each.
        others: by class (empty: of none) the files that are no images by their suffix.
    """

    root: Path
    layout: Layout
    images: list[Listed] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def other_files(self) -> list[Path]:
        """The files that are no images by their suffix."""
        return [path for paths in self.others.values() for path in paths]


def list_folder(root: Path) -> Listing:
    """List the labelled images of a folder in one of the conventions above.

    Raises:
        DataError: images lie loose with no class folder beside them, or a folder can't be read.
    """
    sides = _split_folders(root)
    if sides:
        return _list_split(root, sides)
    listing = Listing(root, "flat")
    _add_classes(listing, root, "")
    _mention_tables(listing)
    return listing


def _split_folders(root: Path) -> dict[str, list[Path]]:
    """Folders named after the parts of a split; empty when the layout is flat (`train` may be a class: a vehicle)."""
    sides: dict[str, list[Path]] = {}
    for folder in entries(root).folders:
        if side := SPLIT_NAMES.get(folder.name.lower()):
            sides.setdefault(side, []).append(folder)
    divided = "train" in sides and (len(sides) > 1 or any(entries(folder).folders for folder in sides["train"]))
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
    ignored = [f.name for f in entries(root).folders if f not in used and f.name.lower() != "ground_truth"]
    if ignored:
        listing.notes.append(f"Folders beside train/ were not used: {', '.join(ignored)}.")
    return listing


def _add_classes(listing: Listing, folder: Path, split: str) -> None:
    """Every folder in `folder` is a class; an image that lies beside them has no label."""
    above = {folder.resolve(), *folder.resolve().parents}
    beside = entries(folder)
    class_folders = [path for path in beside.folders if path.resolve() not in above]
    if beside.images and not class_folders:
        raise DataError(
            f"{folder}: {counted(len(beside.images), 'loose image')} (the first is {beside.images[0].name}); "
            "expected one folder of images per class, named after it"
        )
    reason = "lies beside the class folders, so it has no label"
    listing.left_out += [LeftOut(path, reason) for path in beside.images]
    listing.others.setdefault("", []).extend(beside.others)
    above |= {listing.root.resolve(), *listing.root.resolve().parents}
    for class_folder in class_folders:
        label = normal_label(class_folder.name)
        listing.labels.add(label)
        for _, found in walk(class_folder, above):
            listing.images += [Listed(path, label, split) for path in found.images]
            listing.others.setdefault(label, []).extend(found.others)
    if note := too_high(class_folders):
        listing.notes.append(note)


def _mention_tables(listing: Listing) -> None:
    """A table of paths and labels beside the folders is probably what the user wanted read."""
    for path in [path for path in listing.others[""] if path.suffix.lower() in TABLE_SUFFIXES and path.is_file()]:
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            header = re.split("[,;\t]", lines.readline(_LONGEST_HEADER).replace('"', ""))
        if {"path", "label"} <= {name.strip().lower() for name in header}:
            used = ", ".join(sorted(listing.labels)[:5])
            listing.notes.append(f"The folders were taken as classes ({used}); pass {path.name} to use its labels.")
            listing.others[""].remove(path)

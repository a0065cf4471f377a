"""Loading turns a folder or a CSV file into a `Dataset` in which every image can be trusted to open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from edgefs.data.layouts.folders import SPLIT_NAMES, TABLE_SUFFIXES, Listing, list_folder
from edgefs.data.layouts.groups import group_by_name
from edgefs.data.layouts.labels import check_names, twin_notes
from edgefs.data.layouts.levels import classes_below
from edgefs.data.layouts.tables import list_table
from edgefs.data.reading import Progress, read_images
from edgefs.data.samples import Dataset, LeftOut, Sample, dataset_digest, relative_name
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import default_disposition
from edgefs_runtime.images.listing import entries, passed_over
from edgefs_runtime.images.preprocess import Preprocess


def load_dataset(
    root: Path | str,
    *,
    group_from: str | None = None,
    minimum_classes: int = 2,
    ok: Sequence[str] = (),
    without: Sequence[str] = (),
    leave_out_blank: bool = False,
    preprocess: Preprocess | None = None,
    choose_window: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Read every labelled image of a folder or of a CSV file.

    Args:
        root: a folder in one of the conventions of `layouts.folders`, or a CSV file (`layouts.tables`).
        group_from: regular expression that takes an image's group from its file name (`layouts.groups`).
        minimum_classes: 2 to learn from; 1 is enough to evaluate on, or where it is one of good parts.
        ok: classes of good parts, beside those whose names say so.
        without: classes to pass over, as if the folder did not hold them.
        leave_out_blank: leave out black, saturated and constant frames, from which nothing can be learned;
            `Dataset.blank` holds them, since where they test they count.
        preprocess: judge images as the device will see them: what its region of interest misses is left out, and what
            shows nothing is blank by the network's input. Without it, by the file.
        choose_window: choose the window of `preprocess` from the images (`edgefs.data.windows`).
        progress: called with (images done, images in all) while they are read.

    Raises:
        DataError: nothing there, no images, too few classes, a class without a usable image, a name that can't be a
            label, a CSV file that can't be understood, or a `group_from` that is invalid or matches nothing.
    """
    listing = _listed(Path(root), without, group_from)
    reading = read_images(listing.images, progress, preprocess, choose=choose_window)
    samples, unreadable = reading.samples, reading.left_out
    samples, contradicting = _without_contradictions(samples, listing.root)
    blank = [sample for sample in samples if leave_out_blank and sample.blank]
    samples = [sample for sample in samples if not (leave_out_blank and sample.blank)]
    unseen = [LeftOut(sample.path, sample.blank) for sample in blank]
    left_out = [*listing.left_out, *unreadable, *contradicting, *unseen]
    named = {normal_label(label) for label in ok}
    good = {label for label in listing.labels if label in named or default_disposition(label) == "ok"}
    _check_classes(samples, left_out, listing, 1 if listing.labels == good else minimum_classes)
    if said := passed_over(listing.other_files):
        listing.notes.append(said)
    return Dataset(
        root=listing.root,
        layout=listing.layout,
        samples=_in_order(samples, listing.root),
        classes=tuple(sorted({sample.label for sample in samples})),
        left_out=tuple(sorted(left_out, key=lambda item: (relative_name(item.path, listing.root), item.reason))),
        digest=dataset_digest(samples, listing.root),
        other_files=len(listing.other_files),
        notes=tuple(listing.notes),
        blank=_in_order(blank, listing.root),
        window=reading.window,
    )


def _listed(root: Path, without: Sequence[str], group_from: str | None) -> Listing:
    """What there is to read, with its classes and groups; nothing is opened yet."""
    listing = _list(root)
    _drop_classes(listing, [normal_label(label) for label in without])
    if not listing.images:
        raise DataError(_nothing_found(root, listing))
    check_names(listing.labels, listing.root)
    listing.notes += twin_notes(listing.labels)
    if group_from is not None:
        group_by_name(listing, group_from)
    return listing


def _in_order(samples: Sequence[Sample], root: Path) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: (relative_name(sample.path, root), sample.split)))


def _list(root: Path) -> Listing:
    try:
        if root.is_dir():
            return list_folder(root)
        if root.is_file() and root.suffix.lower() in TABLE_SUFFIXES:
            return list_table(root)
    except OSError as error:
        raise DataError(f"{error.filename or root}: can't be read ({error.strerror})") from error
    found = "a file that is no CSV" if root.exists() else "nothing there"
    raise DataError(f"{root}: expected a folder with one folder of images per class, or a CSV file; found {found}")


def _drop_classes(listing: Listing, without: Sequence[str]) -> None:
    strangers = sorted(set(without) - listing.labels)
    if strangers:
        raise DataError(f"--without {strangers[0]}: no class of that name; found {', '.join(sorted(listing.labels))}")
    listing.labels -= set(without)
    listing.images = [image for image in listing.images if image.label in listing.labels]
    if without:
        listing.notes.append(f"Passed over, as asked: {', '.join(sorted(without))}.")


def _nothing_found(root: Path, listing: Listing) -> str:
    if listing.layout == "csv":
        return f"{root}: no row names an image and its label; expected lines such as images/part1.png,scratch"
    found = counted(len(listing.labels), "folder") if listing.labels else "no folders"
    return (
        f"{root}: no image found; expected one folder of images (.jpg, .png, .bmp, .tif ...) per class, found {found} "
        f"and {counted(len(listing.other_files), 'other file')}{_said(listing.other_files)}"
    )


def _said(others: Sequence[Path]) -> str:
    return f"; {passed_over(others)}".rstrip(".") if others else ""


def _without_contradictions(samples: list[Sample], root: Path) -> tuple[list[Sample], list[LeftOut]]:
    """Leave out files with the same bytes under two labels: nobody can say which of them is right."""
    by_digest: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if not sample.blank:  # black frames are often the same bytes, and say nothing of a label
            by_digest[sample.digest].append(sample)
    left_out = []
    for copies in by_digest.values():
        for sample in copies:
            other = next((copy for copy in copies if copy.label != sample.label), None)
            if other is not None:
                where = relative_name(other.path, root)
                left_out.append(LeftOut(sample.path, f"the same file is also labelled {other.label!r}: {where}"))
    kept = [sample for sample in samples if len({copy.label for copy in by_digest[sample.digest]}) < 2]
    return kept, left_out


def _check_classes(samples: list[Sample], left_out: list[LeftOut], listing: Listing, minimum_classes: int) -> None:
    counts = Counter(sample.label for sample in samples)
    for label in sorted(listing.labels - counts.keys()):
        listed = {image.path for image in listing.images if image.label == label}
        reasons = [item for item in left_out if item.path in listed]
        first = max(reasons, key=lambda item: "--window" in item.reason, default=None)  # the one that names a cure
        why = (
            f"all {len(listed)} were left out, {relative_name(first.path, listing.root)}: {first.reason}"
            if first
            else f"none found{_said(listing.others.get(label, ()))}"
        )
        raise DataError(
            f"{listing.root}: class {label!r} has no usable image ({why}); {_cure(first)}{_deeper(listing)}"
        )
    deeper = _deeper(listing)
    if len(counts) < minimum_classes:
        label, number = next(iter(counts.items()))
        raise DataError(
            f"{listing.root}: only one class, {label!r} with {counted(number, 'image')}; "
            f"at least {minimum_classes} are needed, each in a folder of its own{deeper}"
        )
    if deeper:
        listing.notes.append(f"{next(iter(counts))} was taken for the only class{deeper}.")


def _cure(left_out: LeftOut | None) -> str:
    """What to do about a class without a usable image: an option, where one made them unusable."""
    if left_out and left_out.reason.startswith("region of interest"):
        return "pass a --roi that lies inside the images, or remove the class"
    if left_out and " frame: " in left_out.reason:
        return "pass a --window, or a --roi, in which the part can be seen, add images, or remove the class"
    return "add images to it or remove the class"


def _deeper(listing: Listing) -> str:
    """Where the classes may be meant to lie: below the only one with images; empty where nothing speaks for it."""
    filled = {image.label for image in listing.images}
    if listing.layout != "flat" or len(filled) != 1:
        return ""
    folders = [folder for folder in entries(listing.root).folders if normal_label(folder.name) in filled]
    beneath = classes_below(folders[0])
    if beneath is None:
        return ""
    names = [folder.name for folder in entries(beneath).folders]
    if "train" in {SPLIT_NAMES.get(name.lower()) for name in names}:
        return f"; {beneath} holds {', '.join(names[:4])}: pass that folder"
    return f"; if {', '.join(names[:4])} are the classes, pass {beneath}"

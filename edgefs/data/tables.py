"""Reads a CSV file of labelled images: `path,label[,split][,group]`, UTF-8 with or without a byte order mark.

Paths are relative to the folder of the CSV file. Other columns are passed over.
"""

from __future__ import annotations

import csv
from pathlib import Path

from edgefs.data.layouts import SPLIT_NAMES, Listed, Listing, clean_label
from edgefs.data.samples import LeftOut
from edgefs_runtime.errors import DataError


def list_table(table: Path) -> Listing:
    """List the images that a CSV file names.

    Raises:
        DataError: not UTF-8, no columns `path` and `label`, or a split that is none of train, val and test.
        OSError: the file can't be read.
    """
    listing = Listing(table.parent, "csv")
    seen: set[Listed] = set()
    for line, row in _rows(table):
        if not row["path"] or not row["label"]:
            missing = "label" if row["path"] else "path"
            listing.left_out.append(
                LeftOut(table.parent / row["path"], f"line {line} of {table.name} has no {missing}")
            )
            continue
        image = Listed(
            path=_locate(table.parent, row["path"]),
            label=clean_label(row["label"]),
            split=_split_of(row.get("split", ""), table, line),
            group=row.get("group", ""),
        )
        if image in seen:
            listing.left_out.append(LeftOut(image.path, f"listed again on line {line} of {table.name}"))
            continue
        seen.add(image)
        listing.images.append(image)
        listing.labels.add(image.label)
    _check_all_or_none(listing, table)
    return listing


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells by lower-case column name) of each row that is not blank."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = [name.strip().lower() for name in next(reader, [])]
            if not {"path", "label"} <= set(header):
                raise DataError(
                    f"{table}: expected a first line with the columns path,label[,split][,group] separated by commas; "
                    f"found {','.join(header)[:80] or 'an empty file'}"
                )
            empty = dict.fromkeys(header, "")
            return [
                (reader.line_num, empty | dict(zip(header, (cell.strip() for cell in cells), strict=False)))
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: is not UTF-8 text; save it as 'CSV UTF-8' and try again") from error
    except csv.Error as error:
        raise DataError(f"{table}: is not a CSV file ({error})") from error


def _locate(folder: Path, written: str) -> Path:
    """The file a row names; tables written on Windows separate folders with backslashes."""
    path = folder / written
    return folder / written.replace("\\", "/") if "\\" in written and not path.exists() else path


def _split_of(written: str, table: Path, line: int) -> str:
    if written and written.lower() not in SPLIT_NAMES:
        raise DataError(f"{table}, line {line}: split {written!r} is unknown; expected train, val or test")
    return SPLIT_NAMES.get(written.lower(), "")


def _check_all_or_none(listing: Listing, table: Path) -> None:
    undecided = [image for image in listing.images if not image.split]
    if 0 < len(undecided) < len(listing.images):
        raise DataError(
            f"{table}: {len(undecided)} of {len(listing.images)} rows have no split (the first is "
            f"{undecided[0].path.name}); give every row one, or leave the column empty"
        )

"""Reads a table of labelled images: `path,label[,split][,group]`, as spreadsheets write it.

Separated by commas, semicolons or tabs; UTF-8 with or without a byte order mark, or UTF-16 with one. The columns may
stand in any order and be written in any case; others are passed over. Paths are relative to the table's folder.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgefs.data.layouts.folders import SPLIT_NAMES, Listed, Listing
from edgefs.data.samples import LeftOut
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import guess_text, normal_label

_SEPARATORS = (",", ";", "\t")
_COLUMNS = ("path", "label", "split", "group")


def list_table(table: Path) -> Listing:
    """List the images that a table names.

    Raises:
        DataError: neither UTF-8 nor UTF-16, no columns `path` and `label`, or a split that is none of train, val and
            test.
        OSError: the file can't be read.
    """
    listing = Listing(table.parent, "csv")
    seen: set[Listed] = set()
    header, rows = _read(table)
    for line, cells in rows:
        row = dict(zip(header, cells, strict=False))
        reason = _incomplete(row, cells, header)
        if reason:
            where = table.parent / row.get("path", "")
            listing.left_out.append(LeftOut(where, f"line {line} of {table.name} {reason}"))
            continue
        image = Listed(
            path=_locate(table.parent, row["path"]),
            label=normal_label(row["label"]),
            split=_split_of(row.get("split", ""), table, line),
            group=unicodedata.normalize("NFC", row.get("group", "")),
        )
        if image in seen:
            listing.left_out.append(LeftOut(image.path, f"listed again on line {line} of {table.name}"))
            continue
        seen.add(image)
        listing.images.append(image)
        listing.labels.add(image.label)
    _check_all_or_none(listing, table)
    if others := [name for name in header if name and name not in _COLUMNS]:
        listing.notes.append(f"Columns of {table.name} that were not used: {', '.join(others)}.")
    return listing


def _read(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns in lower case, and (line number, cells) of each row that is not blank."""
    text = _decoded(table)
    for separator in (*_SEPARATORS, None):
        try:
            rows = _rows(text, separator or ",")
            line, first = next(rows, (0, []))
            if line and first[0].lower().startswith("sep="):  # Excel's own mark
                line, first = next(rows, (0, []))
            header = [normal_label(name).casefold() for name in first]
            if separator is None or {"path", "label"} <= set(header):
                _check_header(table, header, text)
                _check_closed(table, text, separator or ",")
                return header, list(rows)
        except csv.Error as error:
            raise DataError(f"{table}: is not a CSV file ({error})") from error
    raise AssertionError("the last turn of the loop returns or raises")


def _decoded(table: Path) -> str:
    raw = table.read_bytes()
    codec = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{table}: is not UTF-8 text; save it as 'CSV UTF-8' and try again{_reading(raw, error.start)}"
        ) from error
    if "\0" in text:
        raise DataError(f"{table}: is not UTF-8 text (it holds zero bytes); save it as 'CSV UTF-8' and try again")
    return text


def _reading(raw: bytes, place: int) -> str:
    """How the line around a byte may be meant."""
    line = raw[raw.rfind(b"\n", 0, place) + 1 :].splitlines()[0]
    meant = guess_text(line)
    return f" (line {raw.count(bytes([10]), 0, place) + 1} reads {meant[0][:60]!r} as {meant[1]})" if meant else ""


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and trimmed cells of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for cells in reader:
        trimmed = [cell.strip() for cell in cells]
        if any(trimmed):
            yield reader.line_num, trimmed


def _check_closed(table: Path, text: str, separator: str) -> None:
    """A quotation mark that is never closed swallows every row after it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    opened = 1
    try:
        for _ in reader:
            opened = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise DataError(f"{table}, line {opened}: a quotation mark is opened and never closed") from error


def _check_header(table: Path, header: Sequence[str], text: str) -> None:
    if not {"path", "label"} <= set(header):
        found = text.strip().splitlines()[0][:80] if text.strip() else "an empty file"
        raise DataError(
            f"{table}: expected a first line with the columns path,label[,split][,group] separated by commas, "
            f"semicolons or tabs; found {found}"
        )
    twice = next((name for name in _COLUMNS if header.count(name) > 1), None)
    if twice:
        raise DataError(f"{table}: two columns are called {twice!r}; keep one of them")


def _incomplete(row: dict[str, str], cells: Sequence[str], header: Sequence[str]) -> str:
    """Why a row can't be used; empty when it can."""
    for column in ("path", "label"):
        if "\n" in row.get(column, ""):
            return f"ends a {column} of several lines: a quotation mark was opened above it and not closed"
        if not normal_label(row.get(column, "")):
            return f"has no {column}"
    if any(cells[len(header) :]):
        return f"has {len(cells)} cells and the first line {len(header)}: write quotes around a text with the separator"
    return ""


def _locate(folder: Path, written: str) -> Path:
    """The file a row names; backslashes are Windows', and a Mac composes letters otherwise than other systems."""
    tried = [written, written.replace("\\", "/")] if "\\" in written else [written]
    paths = [Path(os.path.normpath(folder / one)) for one in tried]
    try:
        return next((path for path in paths if path.exists()), _composed_alike(folder, tried[-1]) or paths[-1])
    except OSError:  # a name that no system takes, a folder that may not be looked into: the row is bad, not the table
        return paths[-1]


def _composed_alike(folder: Path, written: str) -> Path | None:
    """The one file whose path differs from what is written in the composition of its letters only."""
    current = folder
    for part in (current / written).parts if Path(written).is_absolute() else Path(written).parts:
        current = current / part
        if current.exists():
            continue
        wanted = unicodedata.normalize("NFC", part)
        beside = current.parent.iterdir() if current.parent.is_dir() else iter(())
        alike = [path for path in beside if unicodedata.normalize("NFC", path.name) == wanted]
        if len(alike) != 1:
            return None
        current = alike[0]
    return Path(os.path.normpath(current))


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

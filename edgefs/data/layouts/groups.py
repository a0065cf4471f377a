"""Takes the group of an image (part, lot, patient, exposure) from its file name."""

from __future__ import annotations

import dataclasses
import re

from edgefs.data.layouts.folders import Listed, Listing
from edgefs.data.samples import relative_name
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.wording import counted


def group_by_name(listing: Listing, expression: str) -> None:
    """Give each listed image the group that `expression` finds in its file name.

    The group is the named group `group`, else the first group, else the whole match. An expression with a slash is
    searched in the path relative to the dataset's root instead. A file it does not match is a part of its own. A
    group reaches over all classes: the same lot seen in two of them is one group.

    Raises:
        DataError: the expression is invalid or matches no file.
    """
    pattern = group_pattern(expression)
    images = [dataclasses.replace(image, group=_group_of(image, pattern, listing)) for image in listing.images]
    unmatched = sum(not image.group for image in images)
    if images and unmatched == len(images):
        raise DataError(
            f"--group-from {expression!r} matches none of {counted(len(images), 'file name')}; the first is "
            f"{_searched(images[0], pattern, listing)!r}"
        )
    if any(image.group for image in listing.images):
        listing.notes.append("Groups were taken from file names; the group column was not used.")
    if unmatched:
        listing.notes.append(f"{unmatched} of {len(images)} file names hold no group: each is a part of its own.")
    listing.images = images


def group_pattern(expression: str) -> re.Pattern[str]:
    """The expression, compiled.

    Raises:
        DataError: it is none.
    """
    try:
        return re.compile(expression)
    except re.error as error:
        raise DataError(f"--group-from {expression!r} is not a regular expression: {error}") from error


def _group_of(image: Listed, pattern: re.Pattern[str], listing: Listing) -> str:
    match = pattern.search(_searched(image, pattern, listing))
    if match is None:
        return ""
    if "group" in pattern.groupindex:
        return match["group"] or ""
    return (match[1] if pattern.groups else match[0]) or ""


def _searched(image: Listed, pattern: re.Pattern[str], listing: Listing) -> str:
    return relative_name(image.path, listing.root) if "/" in pattern.pattern else image.path.name

"""The images that a command is given: files, and folders that are searched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgefs.cli.streams import echo

_PASSED_OVER = "edgefs.passed_over"  # in the context of a command: the sentence


def unlabelled_files(given: Sequence[Path]) -> list[Path]:
    """Files as `image_files` lists them, of which single ones may fail later; a path that is not there fails at once.

    Raises:
        ImageError: a file or a folder does not exist, or a folder holds no image.
        DataError: a folder can't be read.
    """
    from edgefs_runtime.base.errors import ImageError

    for path in given:
        if not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    return image_files(given)


def image_files(given: Sequence[Path]) -> list[Path]:
    """The files given, and the images below the folders given.

    What was passed over below them is told by `echo_passed_over`, which `open_classifier` calls: a command that can't
    begin says only why.

    Raises:
        ImageError: a folder holds no image.
        DataError: a folder can't be read.
    """
    if not any(path.is_dir() for path in given):
        return list(given)
    from edgefs_runtime.base.errors import ImageError
    from edgefs_runtime.images.listing import list_images, passed_over

    files: list[Path] = []
    not_images: list[Path] = []
    for path in given:
        found, others = list_images(path) if path.is_dir() else ([path], [])
        if not found:
            said = f"; {passed_over(others)}".rstrip(".") if others else ""
            raise ImageError(f"{path}: no image (.jpg, .png, .bmp, .tif ...) in this folder{said}")
        files += found
        not_images += others
    click.get_current_context().meta[_PASSED_OVER] = passed_over(not_images)
    return files


def echo_passed_over() -> None:
    """What `image_files` passed over, where it did."""
    if sentence := click.get_current_context().meta.pop(_PASSED_OVER, ""):
        echo(sentence, err=True)

"""Copies of images, or links to them, in folders by verdict and class: DIR/NG/scratches/part-7.jpg.

- What lies there is never overwritten: another image of the same name becomes part-7-2.jpg, and the same image is not
  copied twice.
- A folder bears its class's name as far as every file system can bear it; a name that had to be changed ends with a
  digest, so that two classes never share a folder.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from edgefs.cli.answers import Answered

_LONGEST = 100  # bytes of a folder's name
_LONGEST_FILE = 240  # bytes of a file's name
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows, with any suffix


class Saver:
    """Puts images where their answers belong.

    Args:
        folder: made when the first image is saved.
        link: make symbolic links, not copies.
    """

    def __init__(self, folder: Path, link: bool) -> None:
        self.saved = 0
        self._folder = folder
        self._put = _link if link else _copy
        self._is_there = _is_linked if link else _is_copied
        self._done: set[Path] = set()
        self._used: dict[Path, int] = {}  # how many names like this one were tried

    def save(self, answered: Answered) -> None:
        """Save one image; what is no file is passed over.

        Raises:
            click.ClickException: the folder can't be written, or the disk is full.
        """
        if answered.path in self._done or not answered.path.is_file():
            return
        self._done.add(answered.path)
        folder = self._folder / ("unreadable" if answered.kind == "error" else answered.kind)
        if answered.label:
            folder /= folder_name(answered.label)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for target in self._targets(folder / answered.path.name):
                if os.path.lexists(target) and self._is_there(answered.path, target):
                    break
                with suppress(FileExistsError):
                    self._put(answered.path, target)
                    break
        except OSError as error:
            raise click.ClickException(f"--save: {folder} can't be written ({error.strerror or error})") from error
        self.saved += 1

    def _targets(self, first: Path) -> Iterator[Path]:
        """Names for a file in turn. Those that were given away in this run are not tried again."""
        while True:
            number = self._used[first] = self._used.get(first, 0) + 1
            yield first if number == 1 else _numbered(first, number)


def folder_name(label: str) -> str:
    """A name that every file system can bear for a class's folder, and that leads nowhere else."""
    name = _UNSAFE.sub("_", label).rstrip(". ")
    if name.startswith(".") or _RESERVED.fullmatch(name) or not name:
        name = f"_{name.lstrip('.')}"
    if name == label and len(name.encode("utf-8", "surrogateescape")) <= _LONGEST:
        return name
    return f"{_shortened(name, _LONGEST - 9)}-{hashlib.sha256(label.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def is_below(path: Path, folder: Path) -> bool:
    """Whether a file lies somewhere in a folder."""
    return folder.resolve() in path.resolve().parents


def _numbered(path: Path, number: int) -> Path:
    ending = f"-{number}{path.suffix}"
    return path.with_name(_shortened(path.stem, _LONGEST_FILE - len(os.fsencode(ending))) + ending)


def _shortened(name: str, most: int) -> str:
    """At most so many bytes of a name, cut between characters."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as original, target.open("xb") as copy:  # fails where a file or a link lies
            shutil.copyfileobj(original, copy)
    except FileExistsError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)  # half a copy looks like a damaged image
        raise
    with suppress(OSError):
        shutil.copystat(source, target)


def _link(source: Path, target: Path) -> None:
    target.symlink_to(source.absolute())


def _is_copied(source: Path, target: Path) -> bool:
    # A link is no copy: who asked for copies may delete the originals.
    return target.is_file() and not target.is_symlink() and filecmp.cmp(source, target, shallow=False)


def _is_linked(source: Path, target: Path) -> bool:
    return target.exists() and source.samefile(target)

"""Keeping image files as challenge parts: all of those given, or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edgefs_runtime.base.durable import make_folder, replace_file, swept_folder
from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.labels import readable
from edgefs_runtime.challenge.parts import ChallengePart, Index
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.sources import Frame, Images, frames_of, read_all
from edgefs_runtime.images.usable import sight_of


def keep_images(
    folder: Path, images: Images, draft: ChallengePart, index: Index, preprocess: Preprocess
) -> list[ChallengePart]:
    """Write image files into the folder under their digests, on the disk before an index can name them.

    Args:
        folder: of the parts; made where there is none.
        images: image files, by their paths or their bytes; a content that comes twice is one part.
        draft: what all the parts have in common.
        index: what is kept already; a content that it names keeps its name and its file.
        preprocess: of the bundle in use.

    Raises:
        ImageError: a file can't be read or shows nothing; what this call had written is gone then.
        OSError: the folder can't be written; likewise.
    """
    parts: dict[str, ChallengePart] = {}
    written: list[Path] = []
    try:
        make_folder(folder)
        with swept_folder(folder):
            for frame in frames_of(images):
                data = _usable(frame, preprocess)
                part = _named(draft, content_digest(data), frame, index)
                if part.sha256 not in parts:
                    parts[part.sha256] = part
                    _write(folder / part.file_name, data, part.sha256, written)
    except BaseException:
        _take_back(folder, written)
        raise
    return list(parts.values())


def _usable(frame: Frame, preprocess: Preprocess) -> bytes:
    try:
        data = read_all(frame)
        if reason := sight_of(data, preprocess).reason:
            raise ImageError(reason)
    except ImageError as error:
        raise ImageError(f"{error.reason}; nothing was kept", str(frame.path or frame.name)) from error
    return data


def _named(draft: ChallengePart, sha256: str, frame: Frame, index: Index) -> ChallengePart:
    kept = index.of(sha256)
    name = sha256[:12] if frame.path is None else readable(frame.path.name)
    return dataclasses.replace(draft, sha256=sha256, name=kept.name if kept else name)


def _write(path: Path, data: bytes, sha256: str, written: list[Path]) -> None:
    """Write a file unless it lies there whole; one that is new joins `written`."""
    is_new = not path.exists()
    if is_new:
        written.append(path)
    if is_new or content_digest(path) != sha256:
        replace_file(path, [data], synced=True)


def _take_back(folder: Path, written: Sequence[Path]) -> None:
    with suppress(OSError):  # what can't be removed is a file that no index names, which does no harm
        for path in written:
            path.unlink(missing_ok=True)
        folder.rmdir()  # where it was made for this

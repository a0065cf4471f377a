"""Reads the tasks that are learned from: a folder of folders, in whatever depth.

A folder that holds images is a class, and the folder it lies in is a task:

    alphabet/character/*.png      as many tasks as alphabets
    set/class/*.png               as many tasks as sets
    class/*.png                   one task, which episodes divide by class
    set/train/class/*.png         one task: `train`, `val` and `test` are looked through

The classes that DATA knows may not be learned from: a class that shares an image with it, byte for byte, is left out.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.data.layouts.folders import SPLIT_NAMES, Listed
from edgefs.data.reading import read_images
from edgefs.progress import Steps
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images.listing import walk
from edgefs_runtime.images.preprocess import Preprocess

_MOST_BYTES = 4 << 30  # of pixels held in memory


@dataclass(frozen=True)
class TaskClass:
    """One class of a task.

    Attributes:
        task: the task's place below the folder of tasks; empty for the folder itself.
        label: the class.
        pixels: uint8 `[n,H,W,3]`, preprocessed.
    """

    task: str
    label: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Tasks:
    """What can be learned from.

    Attributes:
        classes: sorted by task and label, each with enough images for an episode.
        notes: what was understood, in sentences.
    """

    classes: tuple[TaskClass, ...]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Hex SHA-256 of names and pixels."""
        digest = hashlib.sha256()
        for one in self.classes:
            digest.update(f"{one.task}\0{one.label}\0{one.pixels.shape}\n".encode("utf-8", "surrogateescape"))
            digest.update(one.pixels.tobytes())
        return digest.hexdigest()


def read_tasks(
    root: Path, preprocess: Preprocess, *, images: int, known: Collection[str], steps: Steps, what: str = "--tasks"
) -> Tasks:
    """Read every image below `root`.

    Args:
        root: folder of tasks.
        preprocess: from file to network input.
        images: of a class that an episode takes; a class with fewer is left out.
        known: content digests of DATA's images.
        steps: told how the work goes on.
        what: the option that named the folder, for messages.

    Raises:
        DataError: no such folder, no class in it, none with enough images, or more than memory should hold.
    """
    if not root.is_dir():
        raise DataError(f"{what} {root}: no such folder; expected a folder of tasks, each a folder of class folders")
    listed = list(_listed(root))
    if not listed:
        raise DataError(f"{what} {root}: no image in it; expected TASK/CLASS/*.png, or CLASS/*.png for one big task")
    reading = read_images(listed, steps("read tasks"), preprocess)
    usable = [sample for sample in reading.samples if not sample.blank]
    classes: dict[tuple[str, str], dict[str, Sample]] = defaultdict(dict)
    for sample in usable:  # a file that lies in a class twice counts once
        classes[sample.group, sample.label].setdefault(sample.digest, sample)
    shared = {name for name, own in classes.items() if not own.keys().isdisjoint(known)}
    small = {name for name, own in classes.items() if len(own) < images} - shared
    kept = sorted(classes.keys() - shared - small)
    if not kept:
        raise DataError(_none_left(f"{what} {root}", len(classes), shared, images))
    height, width = preprocess.size
    total = sum(len(classes[name]) for name in kept)
    if total * height * width * 3 > _MOST_BYTES:
        raise DataError(
            f"{what} {root}: {counted(total, 'image')} of {width} x {height} pixels take "
            f"{total * height * width * 3 / 2**30:.1f} GiB of memory; pass fewer, or a smaller --size"
        )
    found = tuple(
        TaskClass(task, label, np.stack([preprocess(sample.path) for sample in classes[task, label].values()]))
        for task, label in kept
    )
    return Tasks(found, _notes(root, found, shared, small, images, len(listed) - len(usable)))


def _listed(root: Path) -> Iterator[Listed]:
    """Images with their class as `label` and their task as `group`."""
    for folder, found in walk(root):
        if folder != root:
            task = _task_of(folder, root)
            label = normal_label(folder.name)
            yield from (Listed(path, label, group=task) for path in sorted(found.images))  # the order of ever


def _task_of(folder: Path, root: Path) -> str:
    """The folder above a class, or above that where it is a part of a divided set."""
    task = folder.parent
    while task != root and task.name.lower() in SPLIT_NAMES:
        task = task.parent
    return "" if task == root else task.relative_to(root).as_posix()


def _none_left(where: str, classes: int, shared: Collection[object], images: int) -> str:
    if len(shared) == classes:
        return f"{where}: all {classes} classes share images with DATA; tasks must be of other classes"
    return (
        f"{where}: {counted(classes, 'class', 'classes')}, none with the {images} different images that an episode "
        "takes (shots and queries); add images, or pass a smaller --queries or --episode-shots"
    )


def _notes(
    root: Path,
    classes: tuple[TaskClass, ...],
    shared: Collection[tuple[str, str]],
    small: Collection[tuple[str, str]],
    images: int,
    unusable: int,
) -> tuple[str, ...]:
    tasks = sorted({one.task for one in classes})
    total = counted(sum(len(one.pixels) for one in classes), "image")
    understood = (
        f"Tasks: {root.name} is one set of {len(classes)} classes, {total}; every episode is a task of some of them."
        if len(tasks) == 1
        else f"Tasks: {len(tasks)} in {root.name} ({', '.join(tasks[:3])}{' …' if len(tasks) > 3 else ''}) with "
        f"{len(classes)} classes, {total}."
    )
    notes = [understood]
    if shared:
        names = ", ".join("/".join(filter(None, name)) for name in sorted(shared)[:3])
        among = counted(len(shared), "class", "classes")
        notes.append(f"Not learned from, since DATA holds some of the same images: {among} ({names}).")
    if small:
        notes.append(f"Not learned from, with fewer than {images} images: {counted(len(small), 'class', 'classes')}.")
    if unusable:
        notes.append(f"Left out of the tasks: {counted(unusable, 'image')} that can't be read or show nothing.")
    return tuple(notes)

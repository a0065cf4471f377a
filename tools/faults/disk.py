"""A disk that is replayed: what `shim.c` recorded, cut off by a power failure at any change.

What was synced is there. Of the rest a card keeps what it likes: nothing, all, some writes, or some sectors of some
writes. Names are kept in their order, as a journal does; a name that was not synced may be lost with all after it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

Kept = Literal["drop", "keep", "subset", "torn"]
_HEAD = struct.Struct("<cQQQII")
_SECTOR = 512  # bytes that a disk writes whole or not at all


@dataclass(frozen=True)
class Change:
    """One recorded change: `w`rite, si`t`e, `s`ync, folder sync `d`, `c`reate, `r`ename, `l`ink, `u`nlink, `m`kdir.

    `a` is no change: what was acknowledged, in `name`.
    """

    kind: str
    inode: int
    offset: int
    name: str
    other: str
    data: bytes


def read_log(log: Path) -> list[Change]:
    """The recorded changes, in their order."""
    data, at, found = log.read_bytes(), 0, []
    while at < len(data):
        kind, inode, offset, size, one, two = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name, other = data[at : at + one].decode(), data[at + one : at + one + two].decode()
        at += one + two
        found.append(Change(kind.decode(), inode, offset, name, other, data[at : at + size]))
        at += size
    return found


@dataclass
class Disk:
    """What is on the disk for sure, and what is on its way there."""

    content: dict[int, bytearray] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)  # 0 is a folder
    writes: list[Change] = field(default_factory=list)
    renames: list[Change] = field(default_factory=list)
    acknowledged: str = ""

    def take(self, change: Change) -> None:
        """One more change is asked for."""
        if change.kind == "a":
            self.acknowledged = change.name
        elif change.kind in "wt":
            self.writes.append(change)
        elif change.kind == "s":
            for write in [write for write in self.writes if write.inode == change.inode]:
                _apply(self.content, write)
            self.writes = [write for write in self.writes if write.inode != change.inode]
        elif change.kind == "d":
            for name in [name for name in self.renames if _folder(name) == change.name]:
                _rename(self.names, name)
            self.renames = [name for name in self.renames if _folder(name) != change.name]
        else:
            if change.kind == "c":
                self.content[change.inode] = bytearray()
                self.writes = [write for write in self.writes if write.inode != change.inode]
            self.renames.append(change)

    def cut(self, folder: Path, kept: Kept, chance: random.Random) -> None:
        """Write into `folder` what lies there after a power cut now."""
        content = {inode: bytearray(data) for inode, data in self.content.items()}
        for write in self._kept(kept, chance):
            _apply(content, write)
        names = dict(self.names)
        count = len(self.renames)
        for name in self.renames[: {"drop": 0, "keep": count}.get(kept, chance.randint(0, count))]:
            _rename(names, name)
        _materialise(folder, names, content)

    def _kept(self, kept: Kept, chance: random.Random) -> Iterator[Change]:
        for write in self.writes if kept != "drop" else ():
            if kept == "keep" or (kept == "subset" and chance.random() < 0.5):
                yield write
            elif kept == "torn":
                yield from _sectors(write, chance)


def _sectors(write: Change, chance: random.Random) -> Iterator[Change]:
    if write.kind == "t":
        if chance.random() < 0.5:
            yield write
        return
    start = write.offset
    while start < write.offset + len(write.data):
        end = min(start // _SECTOR * _SECTOR + _SECTOR, write.offset + len(write.data))
        if chance.random() < 0.5:
            piece = write.data[start - write.offset : end - write.offset]
            yield Change("w", write.inode, start, write.name, "", piece)
        start = end


def _apply(content: dict[int, bytearray], write: Change) -> None:
    data = content.setdefault(write.inode, bytearray())
    end = write.offset + len(write.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if write.kind == "t":
        del data[end:]
    else:
        data[write.offset : end] = write.data


def _folder(change: Change) -> str:
    parent = str(PurePosixPath(change.other or change.name).parent)
    return "" if parent == "." else parent


def _rename(names: dict[str, int], change: Change) -> None:
    if change.kind == "u":
        names.pop(change.name, None)
    elif change.kind == "r":
        if change.name in names:
            names[change.other] = names.pop(change.name)
    else:
        names[change.other or change.name] = 0 if change.kind == "m" else change.inode


def _materialise(folder: Path, names: dict[str, int], content: dict[int, bytearray]) -> None:
    for name, inode in sorted(names.items()):
        path = folder / name
        if inode == 0:
            path.mkdir(parents=True, exist_ok=True)
        elif path.parent.is_dir():  # else its folder was lost
            path.write_bytes(content.get(inode, b""))

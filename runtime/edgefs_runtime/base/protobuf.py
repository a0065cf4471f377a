"""Protobuf's wire format, read without a schema and without copying: what fields a message has, and where they lie.

A message is a row of fields; each begins with its number and its wire type in one varint. Of a field that has a length
(text, bytes, another message) only where it lies is said: a network's weights are stepped over.

Layout: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, LENGTH = 0, 2  # wire types
_FIXED = {1: 8, 5: 4}  # wire type -> bytes

Buffer = bytes | mmap.mmap


class WireError(ValueError):
    """Not a message, or not all of one."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: of the field.
        wire: its wire type.
        value: of a varint its value, unsigned; else where its bytes begin.
        end: where the field ends.
    """

    number: int
    wire: int
    value: int
    end: int


def fields_of(data: Buffer, start: int, end: int) -> Iterator[Field]:
    """The fields of the message that lies from `start` to `end`.

    Raises:
        WireError: a field is of a wire type that is no more, or ends behind the message.
    """
    while start < end:
        if (tag := data[start]) < 128:  # as nearly all are; a call would take longer than the rest
            start += 1
        else:
            tag, start = varint(data, start, end)
        wire = tag & 7
        value = start
        if wire == LENGTH:
            if start < end and (size := data[start]) < 128:
                value = start + 1
            else:
                size, value = varint(data, start, end)
            start = value + size
        elif wire == VARINT:
            value, start = varint(data, start, end)
        elif wire in _FIXED:
            start += _FIXED[wire]
        else:
            raise WireError("no protobuf message")
        if start > end:
            raise WireError("the message is cut off")
        yield Field(tag >> 3, wire, value, start)


def varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """A number of one to ten bytes, unsigned, and where the next thing begins.

    Raises:
        WireError: it is longer, or not all of it lies before `end`.
    """
    if at < end and (first := data[at]) < 128:  # nearly all are
        return first, at + 1
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise WireError("the message is cut off")


def varints(data: Buffer, field: Field) -> list[int]:
    """The signed numbers of a repeated field, packed or one alone.

    Raises:
        WireError: it does not hold numbers.
    """
    if field.wire == VARINT:
        return [_signed(field.value)]
    found, at = [], field.value
    while at < field.end:
        value, at = varint(data, at, field.end)
        found.append(_signed(value))
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value

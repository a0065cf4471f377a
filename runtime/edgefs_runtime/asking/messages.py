"""What is asked of a gallery's owner and what it answers, each field held against what it can say.

A request is answered by two frames: `began`, when the gallery's lock is held for it, and what came of it. Whoever sees
no `began` knows that nothing was done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgefs_runtime.asking.frames import FrameError

UNKNOWN = "it is not known whether the act was done: look at `edgefs gallery log`"
MOST_TEXT = 100_000  # characters that a person writes
_MOST_NUMBER = 1 << 40
_WORD = re.compile(r"[a-z][a-z ]{0,30}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Position = tuple[str, int]  # the device that numbers a gallery's rows, and how many there are beyond the seed's


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        ask: which act, or what is to be told.
        bundle: digest of the bundle in use.
        behind: the act is done there, or not at all; None for what changes no row.
        force: whether challenge parts are not asked.
        done: what then was not done, as `enrolled`.
        what: what the act needs to know.
    """

    ask: str
    bundle: str
    behind: Position | None = None
    force: bool = False
    done: str = ""
    what: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "behind": None if self.behind is None else list(self.behind)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Request:
        """Read what `to_json` wrote.

        Raises:
            FrameError: a field is missing or of another kind.
        """
        try:
            return cls(
                ask=_matching(fields["ask"], _WORD),
                bundle=_matching(fields["bundle"], _DIGEST),
                behind=None if fields["behind"] is None else position(fields["behind"]),
                force=truth(fields["force"]),
                done="" if fields["done"] == "" else _matching(fields["done"], _WORD),
                what=mapping(fields["what"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError("what came through the socket is no request of edgefs") from error


@dataclass(frozen=True)
class Answer:
    """What came of a request that was begun.

    Attributes:
        position: of the gallery now.
        classes: how many classes count now.
        head_note: a sentence, where another head decides since; else empty.
        result: what the act gives.
        error: why it was not done, in one line; else empty.
        is_passed_over: whether another act came first; nothing was done then.
    """

    position: Position
    classes: int = 0
    head_note: str = ""
    result: Any = None
    error: str = ""
    is_passed_over: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "position": list(self.position)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Answer:
        """Read what `to_json` wrote.

        Raises:
            FrameError: a field is missing or of another kind.
        """
        try:
            return cls(
                position=position(fields["position"]),
                classes=number(fields["classes"]),
                head_note=text(fields["head_note"]),
                result=fields["result"],
                error=text(fields["error"]),
                is_passed_over=truth(fields["is_passed_over"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FrameError("what came through the socket is no answer of edgefs") from error


def text(value: object, most: int = MOST_TEXT) -> str:
    """A text of so many characters at most; ValueError for anything else."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("no text")
    return value


def number(value: object, least: int = 0) -> int:
    """A whole number; ValueError for anything else."""
    if type(value) is not int or not least <= value < _MOST_NUMBER:
        raise ValueError("no number")
    return value


def truth(value: object) -> bool:
    """Either `true` or `false`; ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def mapping(value: object) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def listing(value: object) -> list[Any]:
    """A JSON array; ValueError for anything else."""
    if not isinstance(value, list):
        raise ValueError("no list")
    return value


def position(value: object) -> Position:
    """A device and a number of its rows; ValueError for anything else."""
    device, seq = listing(value)
    return text(device, 200), number(seq)


def counts(value: object) -> dict[str, int]:
    """Numbers by class; ValueError for anything else."""
    return {text(label): number(count) for label, count in mapping(value).items()}


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("another text")
    return value

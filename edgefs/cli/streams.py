"""What a command prints reaches its reader in any encoding, and ends in good order where it can't.

- `prepare`: what an encoding can't take is printed as `\\u5212`, and bytes of a file name that are no text as `?`.
- `shown`: what came from outside stays on its line, and can't move the cursor.
- `silence`: nothing more is written where nothing can be, not even what Python would flush at its end.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

_ERRORS = "edgefs-legible"


def prepare() -> None:
    """Let standard output and standard error take every character there is."""
    codecs.register_error(_ERRORS, _legible)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def takes(text: str) -> bool:
    """Whether standard output can print a text as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(name: object) -> str:
    """What came from outside (a file's name, what somebody typed), where it can't pass for anything of ours.

    Line breaks and control characters are shown by their numbers; bytes of a file name that are no text as `?`.
    """
    from edgefs_runtime.base.wording import plain  # `edgefs --help` does without

    return plain("".join("?" if "\ud800" <= one <= "\udfff" else one for one in str(name)))


def silence() -> None:
    """Write nothing more to a stream that failed, nor complain at the end that what waits there can't be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _legible(error: UnicodeError) -> tuple[str, int]:
    """`?` for bytes of a file name that are no text, else the character's number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join("?" if "\ud800" <= one <= "\udfff" else _escaped(one) for one in characters), error.end


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode()

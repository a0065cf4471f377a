"""What a command prints reaches its reader in any encoding, and ends in good order where it can't.

- `prepare`: what an encoding can't take is printed as `\\u5212`, and bytes of a file name that are no text as `?`.
- `echo`: the one way in which a command prints; whatever a line tells of, it stays one and can't move the cursor.
- `shown`: the same of a text on its way elsewhere.
- `silence`: nothing more is written where nothing can be, not even what Python would flush at its end.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

import click

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


def echo(*lines: object, err: bool = False, before: str = "", coloured: bool | None = None) -> None:
    """Print lines.

    Args:
        lines: each is printed as `shown` has it.
        err: print to standard error.
        before: words of ours before the first of them, which may be styled.
        coloured: whether their style is printed; None leaves it to the terminal.
    """
    for number, line in enumerate(lines):
        click.echo(f"{'' if number else before}{shown(line)}", err=err, color=coloured)


def shown(text: object) -> str:
    """A text that holds what came from outside (a file's name, what somebody typed), so that it can't pass for ours.

    Line breaks and control characters are shown by their numbers; bytes of a file name that are no text as `?`.
    """
    if (said := str(text)).isprintable():
        return said
    from edgefs_runtime.base.wording import plain  # `edgefs --help` does without

    return plain("".join("?" if "\ud800" <= one <= "\udfff" else one for one in said))


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

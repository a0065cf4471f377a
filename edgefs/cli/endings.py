"""How a command ends when it can't go on: one line on standard error, and a status that a script can tell apart.

| status | what happened |
|---|---|
| 1 | an error that a user can cause and cure, the full disk and the missing file of the operating system among them |
| 2 | wrong usage |
| 130 | Ctrl-C |
| 141 | who read the output is gone (`| head`): silent, as the shell's own tools are |

A programming error keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from edgefs.cli import streams

# The help where no command is given, which click 8.2 and later print as an error: words of ours, of many lines.
_HELP: tuple[type[click.ClickException], ...] = (
    (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()
)
_MOST_SAID = 4000  # characters of an error
INTERRUPTED, NO_READER = 130, 141
# What the extra `workstation` brings and a command may miss.
WORKSTATION = (
    "torch",
    "torchvision",
    "safetensors",
    "onnx",
    "onnxscript",
    "sklearn",
    "scipy",
    "skl2onnx",
    "jinja2",
    "rich",
    "lightning_fabric",
    "platformdirs",
    *(() if sys.version_info >= (3, 11) else ("tomli",)),
)


class Interrupted(click.ClickException):
    """The end of a command by Ctrl-C."""

    exit_code = INTERRUPTED

    def __init__(self) -> None:
        super().__init__("stopped by Ctrl-C")

    def show(self, file: IO[Any] | None = None) -> None:
        """Print on a line of its own, where a terminal has shown `^C`."""
        if sys.stderr.isatty():
            streams.echo("", err=True)
        super().show(file)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn what a user can cause into what click prints in one line.

    Raises:
        click.ClickException: an error of ours, of the operating system, or Ctrl-C.
        click.exceptions.Exit: nobody reads any more.
    """
    try:
        yield
    except click.ClickException as error:
        if isinstance(error, _HELP):
            raise
        error.message = streams.shown(error.message)  # type: ignore[misc]  # what was typed stands in it as it came
        raise
    except (click.exceptions.Exit, click.Abort):
        raise  # of click: `--help` ends so, and should not load the runtime
    except KeyboardInterrupt:
        raise Interrupted from None
    except ImportError as error:
        raise _of_import(error) from error
    except OSError as error:
        raise _of_system(error) from error
    except Exception as error:
        from edgefs_runtime.base.errors import EdgefsError

        if isinstance(error, EdgefsError):
            raise click.ClickException(streams.shown(error)[:_MOST_SAID]) from error
        raise


def last_words(error: OSError) -> int:
    """The status of a command whose very error could not be printed."""
    streams.silence()
    return NO_READER if isinstance(error, BrokenPipeError) else 1


def missing_extra(module: str) -> click.ClickException:
    """Error of a workstation's command that is called on a device."""
    return click.ClickException(
        f'this command needs the workstation part, {module} is not installed: pip install "edgefs[workstation]"'
    )


def _of_import(error: ImportError) -> Exception:
    """A missing extra is the user's to cure; a missing module of ours is not."""
    missing = (error.name or "").partition(".")[0]
    return missing_extra(missing) if missing in WORKSTATION else error


def _of_system(error: OSError) -> Exception:
    """A missing file, a place that may not be written; without a file's name it is what was being written."""
    if error.strerror is None:
        return error
    if error.filename is not None:
        return click.ClickException(f"{streams.shown(os.fsdecode(error.filename))}: {error.strerror}")
    streams.silence()
    if isinstance(error, BrokenPipeError):
        return click.exceptions.Exit(NO_READER)
    return click.ClickException(f"the output can't be written: {error.strerror}")

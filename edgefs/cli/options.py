"""Options and arguments that several commands share."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgefs.cli.images import echo_passed_over
from edgefs.cli.streams import echo, shown, takes

if TYPE_CHECKING:
    from edgefs_runtime.classifier import Classifier

Command = TypeVar("Command", bound=Callable[..., Any])
Option = Callable[[Any], Any]


class _Path(click.Path):
    """A path; an empty text, such as a shell's unset variable, would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected a path, found an empty text", param, ctx)
        return super().convert(value, param, ctx)


class Count(click.IntRange):
    """A whole number in a range, which help and errors call an integer: the range stands beside it."""

    name = "integer"


class Number(click.FloatRange):
    """A number in a range; `nan` lies in every one, and a limit of it would let anything pass."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, where it is finite."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


PATH = _Path(path_type=Path)


class Described(click.Option):
    """An option that knows under which heading its help stands, and tells a default in words.

    Args:
        group: the heading; empty for what all the commands have.
        described: as `click.Option`.
        options: as `click.Option`.
    """

    def __init__(self, *described: Any, group: str = "", **options: Any) -> None:
        super().__init__(*described, **options)
        self.group = group

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Line of the help; a default in words stands there as a default in figures does, without brackets."""
        record = super().get_help_record(ctx)
        if record is None or not isinstance(self.show_default, str):
            return record
        return record[0], record[1].replace(f"({self.show_default})", self.show_default)


def apply(*groups: tuple[Option, ...]) -> Option:
    """Add all options of some groups to a command, in their order."""

    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def bundle_argument(command: Command) -> Command:
    """Add the argument BUNDLE, a `.edgefs` file."""
    return click.argument("bundle", type=PATH)(command)


def gallery_option(command: Command) -> Command:
    """Add `--gallery FILE`."""
    return click.option(
        "--gallery",
        cls=Described,
        type=PATH,
        show_default="the model's own in $EDGEFS_STATE",
        help="The gallery of this device.",
    )(command)


def provider_option(command: Command) -> Command:
    """Add `--provider`."""
    return click.option(
        "--provider",
        type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
        default="cpu",
        show_default=True,
        help="What computes; auto takes the fastest that works here. tensorrt needs `edgefs engine` first.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")(command)


def actor_option(command: Command) -> Command:
    """Add `--actor NAME`."""
    return click.option("--actor", default="", metavar="NAME", help="The name of who does this, for the audit log.")(
        command
    )


def reason_option(command: Command) -> Command:
    """Add `--reason TEXT`."""
    return click.option("--reason", default="", metavar="TEXT", help="The reason for doing it, for the audit log.")(
        command
    )


def wait_option(command: Command) -> Command:
    """Add `--wait SECONDS`."""
    return click.option(
        "--wait",
        type=Number(min=0),
        default=10,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait, at most, while another process owns the gallery.",
    )(command)


# Options of what changes a gallery: who does it and why, which gallery, and how long it waits for another owner.
ACT: tuple[Option, ...] = (reason_option, actor_option, gallery_option, wait_option, json_option)


def open_classifier(
    bundle: Path,
    gallery: Path | None,
    *,
    provider: str = "cpu",
    challenge: bool = True,
    wait: float = 10,
    quiet: bool = False,
) -> Classifier:
    """The classifier of a command that lives for a moment; says where it computes on the CPU against hope.

    What is loaded stays to the end, so the garbage collector need not look at it: neither while it is loaded, nor when
    Python cleans up at exit. That is a fifteenth of a cold `edgefs predict`. A quarter of its work would be BLAS's idle
    threads, which spin on the processors that onnxruntime waits for; a head is fitted in milliseconds by one thread.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is loaded
    gc.disable()
    from edgefs_runtime.classifier import Classifier

    classifier = Classifier.open(
        bundle, gallery=gallery, provider=provider, challenge=challenge, wait=wait, share=False
    )
    gc.freeze()
    gc.enable()
    echo_note(classifier.backend.note)
    if not quiet:
        echo_warnings(classifier.warnings)
    echo_passed_over()
    return classifier


def gallery_path_of(bundle: Path, gallery: Path | None) -> Path:
    """The gallery of a command that computes nothing: the one that was named, or the bundle's."""
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.gallery.belonging import gallery_of

    opened = Bundle.open(bundle)
    return gallery if gallery is not None else gallery_of(opened)


def echo_head_note(classifier: Classifier) -> None:
    """Say where another head decides from now on."""
    if classifier.head_note:
        echo(classifier.head_note)


def echo_note(note: str) -> None:
    """A sentence beside the results, where there is one."""
    if note:
        echo(" ".join(note.split()), err=True)


def echo_warnings(warnings: Sequence[str]) -> None:
    """What the user should know of a bundle before its answers, one line each on standard error."""
    echo(*(f"Warning: {sentence}" for sentence in warnings), err=True)


def echo_json(fields: Any) -> None:
    """One JSON object on one line, without loss.

    What the output's encoding can't take, or a terminal would obey, is escaped as JSON does it. So are the bytes of a
    file name that are no text: `\\udcff` is what Python reads back as that byte. What is no finite number is `null`.
    """
    from edgefs_runtime.base.strict_json import write_json

    text = write_json(fields, ensure_ascii=False)
    echo(text if takes(text) and shown(text) == text else write_json(fields))


def echo_refined(gained: Mapping[str, int]) -> None:
    """What unlabelled images refined."""
    from edgefs_runtime.teach.refine import sentences_of

    echo(*sentences_of(gained))

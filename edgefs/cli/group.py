"""The lazy group of commands, with each command's help line beside its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from edgefs.cli import streams
from edgefs.cli.endings import last_words, one_line
from edgefs.cli.workstation import NEEDS

ON_THE_WORKSTATION = {
    "demo": "Go the whole way on built-in data, offline, in minutes.",
    "look": "Show what would be learned from a folder of images, before anything is.",
    "adapt": "Adapt a pretrained network to a folder of images.",
    "distill": "Teach a small network what a large one sees, from unlabelled images.",
    "evaluate": "Measure a RUN or a bundle on labelled images.",
    "export": "Export a RUN as one file for devices.",
}
ON_THE_DEVICE = {
    "show": "Say what a bundle is.",
    "verify": "Check a bundle and run its self-test on this machine.",
    "engine": "Build the TensorRT engine of a bundle for this device.",
    "bench": "Measure how fast bundles are on this machine.",
    "predict": "Decide about images.",
    "enroll": "Teach a class from a few images, on the spot.",
    "gallery": "Look at, undo, merge and check what was taught.",
    "realign": "Realign after a change of camera or lamp, by unlabelled images.",
    "challenge": "Keep real parts with their verdicts, which guard what is taught.",
}
COMMANDS = {**ON_THE_WORKSTATION, **ON_THE_DEVICE}


class LazyGroup(click.Group):
    """Loads `edgefs.cli.<command>` when that command is called."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Parse and run; what is printed reaches its reader in whatever encoding."""
        streams.prepare()
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if error.strerror is None:
                raise
            sys.exit(last_words(error))

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parse the group's own options; `--help` may meet a full disk as well."""
        with one_line():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what a user can cure comes out as one line."""
        with one_line():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command's module."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"edgefs.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a slip of the pen is answered with what may be."""
        name = str(args[0])
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}.{_near(name)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        sections: Sequence[tuple[str, Mapping[str, str]]] = (
            (f"Commands of the workstation, which need {NEEDS}", ON_THE_WORKSTATION),
            ("Commands of the device", ON_THE_DEVICE),
        )
        for title, commands in sections:
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


def _near(name: str) -> str:
    import difflib  # nearly never needed

    near = difflib.get_close_matches(name.lower(), COMMANDS, n=2)
    return f" Did you mean {' or '.join(near)}?" if near else " `edgefs --help` lists them."


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from edgefs_runtime.base.version import __version__

        streams.echo(f"edgefs {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Few-shot visual inspection: adapt on a workstation, decide and teach on the device.

    \b
    edgefs adapt parts/ -o run/ --shots 5
    edgefs export run/ -o parts.edgefs
    edgefs predict parts.edgefs photo.jpg
    edgefs enroll parts.edgefs new-defect a.jpg b.jpg c.jpg d.jpg e.jpg
    """

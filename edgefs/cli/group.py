"""The lazy group of commands, with each command's help line beside its name."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "demo": "The whole way on built-in data, offline, in minutes.",
    "look": "Show what would be learned from a folder of images, before anything is.",
    "adapt": "Adapt a pretrained network to a folder of images.",
    "distill": "Teach a small network what a large one sees, from unlabelled images.",
    "evaluate": "Measure a RUN or a bundle on labelled images.",
    "export": "Export a RUN as one file for devices.",
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
WORKSTATION = frozenset(
    {
        "torch",
        "torchvision",
        "safetensors",
        "onnx",
        "onnxscript",
        "sklearn",
        "skl2onnx",
        "jinja2",
        "rich",
        "lightning_fabric",
    }
)


class LazyGroup(click.Group):
    """Loads `edgefs.cli.<command>` when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command's module."""
        if cmd_name not in COMMANDS:
            return None
        try:
            command = importlib.import_module(f"edgefs.cli.{cmd_name}").command
        except ImportError as error:
            raise _explained(error) from error
        assert isinstance(command, click.Command)  # noqa: S101 - ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what a user can cure comes out as one line."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            raise _explained(error) from error
        except Exception as error:
            from edgefs_runtime.errors import EdgefsError

            if isinstance(error, EdgefsError):
                raise click.ClickException(" ".join(str(error).split())) from error
            raise


def _explained(error: ImportError) -> Exception:
    """A missing extra is the user's to cure; a missing module of ours is not."""
    missing = (error.name or "").partition(".")[0]
    if missing in WORKSTATION:
        return click.ClickException(
            f'this command needs the workstation part, {missing} is not installed: pip install "edgefs[workstation]"'
        )
    return error


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from edgefs_runtime.version import __version__

        click.echo(f"edgefs {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """Few-shot visual inspection: adapt on a workstation, decide and teach on the device.

    \b
    edgefs adapt parts/ -o run/ --shots 5
    edgefs export run/ -o parts.edgefs
    edgefs predict parts.edgefs photo.jpg
    edgefs enroll parts.edgefs new-defect a.jpg b.jpg c.jpg d.jpg e.jpg
    """

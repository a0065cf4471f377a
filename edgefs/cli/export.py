"""`edgefs export`: what it can be told, and what the bundle became."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from edgefs.cli.declared import options_of
from edgefs.cli.images import echo_passed_over, unlabelled_files
from edgefs.cli.options import PATH, Described, echo_json, json_option
from edgefs.cli.precision import told, trial_table
from edgefs.cli.program import this_program
from edgefs.cli.sections import SectionedCommand, under
from edgefs.cli.streams import echo
from edgefs.cli.terminal import progress_bars
from edgefs.pipelines.checking import check_export
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.deploy import PRECISION, DeploySettings
from edgefs_runtime.base.wording import counted, noun_of

if TYPE_CHECKING:
    from edgefs.pipelines.export import Exported


_BUNDLE, _IMAGES = "The bundle", "Images"  # headings of the help


@click.command("export", cls=SectionedCommand, headings=(_BUNDLE, _IMAGES, PRECISION))
@click.argument("run", type=PATH)
@click.option(
    "-o",
    "--out",
    required=True,
    type=PATH,
    help="The bundle's file, such as parts.edgefs; one that is there is replaced.",
    **under(_BUNDLE),
)
@click.option(
    "--data", type=PATH, help="Where the images lie now.", show_default="where `adapt` found them", **under(_IMAGES)
)
@click.option("--name", help="The model's name, for people.", show_default="the RUN's", **under(_BUNDLE))
@click.option(
    "--model-version", default="1", show_default=True, help="The model's version, as you count.", **under(_BUNDLE)
)
@click.option(
    "--keep-images",
    type=click.Choice(["none", "support"]),
    default="none",
    show_default=True,
    help="Whether pictures of the images learned from are put into the bundle.",
    **under(_BUNDLE),
)
@click.option(
    "--unlabelled",
    type=PATH,
    metavar="DIR",
    help="Refine classes of at most five images by the images in DIR, where that is safe, as `gallery refine` does.",
    **under(_IMAGES),
)
@options_of(DeploySettings)
@options_of(AdaptSettings, names=("use_cache",))
@json_option
def command(
    run: Path,
    out: Path,
    data: Path | None,
    name: str | None,
    model_version: str,
    keep_images: Literal["none", "support"],
    unlabelled: Path | None,
    use_cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Export RUN as one file that a device can run.

    The network is written as ONNX, compared with torch on the RUN's images, and measured through the runtime; the
    bundle carries those figures. Nothing is written when the two disagree, nor when another precision loses more than
    --max-drop.
    """
    if given["precision"] == "fp32":
        _refuse_idle_options()
    check_export(run, out, name=name, data=data, calibration=given["calibration"])
    refining = unlabelled_files([unlabelled]) if unlabelled else None
    from edgefs.pipelines.export import export
    from edgefs.pipelines.export.precision import GateError

    try:
        with progress_bars() as (steps, _):
            exported = export(
                run,
                out,
                data=data,
                name=name,
                version=model_version,
                keep_images=keep_images,
                unlabelled=refining,
                deployment=DeploySettings(**given),
                use_cache=use_cache,
                steps=steps,
            )
    except GateError as error:
        echo(*trial_table(error.trials), err=True)
        raise
    echo_passed_over()
    if as_json:
        echo_json(_json(exported))
    else:
        _echo(exported)


def _refuse_idle_options() -> None:
    """What speaks of another precision alone would be passed over in silence, and a float32 file taken for int8."""
    context = click.get_current_context()
    for option in context.command.params:
        of_precision = isinstance(option, Described) and option.group == PRECISION and option.name != "precision"
        if of_precision and context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{option.opts[0]} plays no part in float32; give --precision int8, fp16 or auto")


def _json(exported: Exported) -> dict[str, Any]:
    deployed, evaluation = exported.deployed, exported.evaluation
    return {
        "path": str(exported.path),
        "size": exported.size,
        "parity": exported.parity.to_json(),
        "precision": {**deployed.to_json(), "trials": [trial.to_json() for trial in deployed.trials]},
        "test": evaluation.to_json() if evaluation else None,
        **({} if exported.refined is None else {"refined": dict(exported.refined.classes)}),
    }


def _echo(exported: Exported) -> None:
    parity, evaluation = exported.parity, exported.evaluation
    echo(
        f"onnxruntime against torch on {counted(parity.images, 'image')}: embeddings within {parity.worst:.1e}, "
        f"{parity.flips or 'no'} {noun_of(parity.flips, 'label')} changed."
    )
    echo(*told(exported.deployed), *(exported.refined.sentences if exported.refined else ()))
    if evaluation is not None:
        from edgefs.evaluation import headline

        echo(f"The exported model on the RUN's test images: {headline(evaluation)}")
    echo(f"Bundle: {exported.path} ({exported.size / 1e6:.1f} MB)")
    echo(f"Go on: {shlex.join([*this_program(), 'predict', str(exported.path)])} IMAGE...")

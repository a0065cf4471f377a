"""`edgefs export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.terminal import progress_bars
from edgefs.exporting import export


@click.command("export")
@click.argument("run", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The bundle's file, such as parts.edgefs.")
@click.option("--data", type=PATH, help="Where the images lie now, if not where `adapt` found them.")
@click.option("--name", help="Of the model; the RUN's without it. It names the gallery on the device.")
@click.option("--model-version", default="1", show_default=True, help="Of the model, as you count.")
@click.option(
    "--keep-images",
    type=click.Choice(["none", "support"]),
    default="none",
    show_default=True,
    help="Put thumbnails of the images learned from into the bundle.",
)
@click.option("--no-cache", "use_cache", flag_value=False, default=True, type=bool, help="Don't remember embeddings.")
@json_option
def command(
    run: Path,
    out: Path,
    data: Path | None,
    name: str | None,
    model_version: str,
    keep_images: Literal["none", "support"],
    use_cache: bool,
    as_json: bool,
) -> None:
    """Export RUN as one file that a device can run.

    The network is written as ONNX, compared with torch on the RUN's images, and measured through the runtime; the
    bundle carries those figures. Nothing is written when the two disagree.
    """
    with progress_bars() as (steps, _):
        exported = export(
            run,
            out,
            data=data,
            name=name,
            version=model_version,
            keep_images=keep_images,
            use_cache=use_cache,
            steps=steps,
        )
    parity, evaluation = exported.parity, exported.evaluation
    if as_json:
        figures = evaluation.to_json() if evaluation else None
        echo_json({"path": str(out), "size": exported.size, "parity": parity.to_json(), "test": figures})
        return
    click.echo(
        f"onnxruntime against torch on {parity.images} images: embeddings within {parity.worst:.1e}, "
        f"{parity.flips or 'no'} label{'' if parity.flips == 1 else 's'} changed."
    )
    if evaluation is not None:
        click.echo(f"The exported model on the RUN's test images: {evaluation.headline()}")
    click.echo(f"Bundle: {out} ({exported.size / 1e6:.1f} MB)")

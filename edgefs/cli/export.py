"""`edgefs export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.terminal import progress_bars
from edgefs.deploying import DeploySettings, GateError, Trial
from edgefs.exporting import export
from edgefs_calibration.ranges import RANGE_ESTIMATORS

_MOST_MOVED = 5


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
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8", "auto"]),
    default="fp32",
    show_default=True,
    help="Of the network; `auto` takes the fastest here that loses no more than --max-drop.",
)
@click.option(
    "--target",
    type=click.Choice(["cpu", "arm", "tensorrt", "jetson"]),
    default="cpu",
    show_default=True,
    help="What will run an int8 file: an x86 or an Arm processor, or TensorRT (`jetson` is the same).",
)
@click.option(
    "--isa",
    type=click.Choice(["vnni", "avx2"]),
    default="vnni",
    show_default=True,
    help="What the x86 processor can do; `avx2` for one without VNNI (before about 2019).",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100, min_open=True),
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="Of few-shot accuracy, and of the AUROC of unknowns, that may be lost with 95 % confidence.",
)
@click.option("--calibration", type=PATH, metavar="DIR", help="Images for int8 ranges; those that taught without it.")
@click.option("--calibration-images", type=click.IntRange(8), default=128, show_default=True, help="At most.")
@click.option(
    "--calibration-select",
    type=click.Choice(["balanced", "k-center"]),
    default="balanced",
    show_default=True,
    help="Over classes and parts, or those that differ most.",
)
@click.option(
    "--ranges",
    type=click.Choice(["auto", *RANGE_ESTIMATORS]),
    default="auto",
    show_default=True,
    help="How int8 ranges are estimated; `auto` takes what leaves least noise in the calibration images.",
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
    precision: Literal["fp32", "fp16", "int8", "auto"],
    target: Literal["cpu", "arm", "tensorrt", "jetson"],
    isa: Literal["vnni", "avx2"],
    max_drop: float,
    calibration: Path | None,
    calibration_images: int,
    calibration_select: Literal["balanced", "k-center"],
    ranges: str,
    use_cache: bool,
    as_json: bool,
) -> None:
    """Export RUN as one file that a device can run.

    The network is written as ONNX, compared with torch on the RUN's images, and measured through the runtime; the
    bundle carries those figures. Nothing is written when the two disagree, nor when another precision loses more than
    --max-drop.
    """
    deployment = DeploySettings(
        precision=precision,
        target="tensorrt" if target == "jetson" else target,
        isa=isa,
        max_drop=max_drop,
        calibration=calibration,
        images=calibration_images,
        select=calibration_select,
        estimator=ranges,
    )
    try:
        with progress_bars() as (steps, _):
            exported = export(
                run,
                out,
                data=data,
                name=name,
                version=model_version,
                keep_images=keep_images,
                deployment=deployment,
                use_cache=use_cache,
                steps=steps,
            )
    except GateError as error:
        click.echo("\n".join(trial_table(error.trials)), err=True)
        raise
    parity, evaluation, deployed = exported.parity, exported.evaluation, exported.deployed
    if as_json:
        figures = evaluation.to_json() if evaluation else None
        precision_found = {**deployed.to_json(), "trials": [trial.to_json() for trial in deployed.trials]}
        echo_json(
            {
                "path": str(out),
                "size": exported.size,
                "parity": parity.to_json(),
                "precision": precision_found,
                "test": figures,
            }
        )
        return
    click.echo(
        f"onnxruntime against torch on {parity.images} images: embeddings within {parity.worst:.1e}, "
        f"{parity.flips or 'no'} label{'' if parity.flips == 1 else 's'} changed."
    )
    for line in (*trial_table(deployed.trials), *deployed.notes):
        click.echo(line)
    if deployed.moved:
        click.echo("Ranges that moved most since this network was last calibrated here:")
        for one in deployed.moved[:_MOST_MOVED]:
            before, after = (f"{low:.3g} to {high:.3g}" for low, high in (one.before, one.after))
            click.echo(f"  {one.name}: {before} -> {after}")
    if deployed.chosen is not None and deployed.chosen.is_slow:
        click.echo(
            f"It is not faster than float32 on this machine ({deployed.chosen.speed:.2f} x); "
            "--precision auto takes what is."
        )
    if evaluation is not None:
        click.echo(f"The exported model on the RUN's test images: {evaluation.headline()}")
    click.echo(f"Bundle: {out} ({exported.size / 1e6:.1f} MB)")


def trial_table(trials: Sequence[Trial]) -> list[str]:
    """Every precision that was tried, a line each; empty where none was."""
    if not trials:
        return []
    rows = [["", "accuracy", "may lose", "AUROC of unknowns", "may lose", "noise", "speed here", "MB", "gate"]]
    for trial in trials:
        right, unknowns = trial.gate.right, trial.gate.unknowns
        areas = ["not measured", ""]
        if unknowns is not None:
            areas = [f"{100 * unknowns.reference:.1f} -> {100 * unknowns.found:.1f}", f"{100 * unknowns.bound:.2f}"]
        rows.append(
            [
                trial.name,
                f"{100 * right.reference:.1f} -> {100 * right.found:.1f} %",
                f"{100 * right.bound:.2f}",
                *areas,
                f"{trial.sqnr:.1f} dB",
                f"{trial.speed:.2f} x" if trial.speed else "other machine",
                f"{trial.size / 1e6:.1f}",
                "passes" if trial.gate.passes else "fails",
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

"""The options of `edgefs export` that say what precision a device gets, and the table of what was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from edgefs.cli.options import PATH, Number, Option
from edgefs.settings.choices import RANGE_ESTIMATORS

if TYPE_CHECKING:
    from edgefs.pipelines.export.precision import Deployed, DeploySettings, Trial

_TARGETS = {"cpu": "cpu", "arm": "arm", "tensorrt": "tensorrt", "jetson": "tensorrt"}
PRECISION: tuple[Option, ...] = (  # each name is a field of `DeploySettings`
    click.option(
        "--precision",
        type=click.Choice(["fp32", "fp16", "int8", "auto"]),
        default="fp32",
        show_default=True,
        help="The precision of the network; `auto` takes the fastest here that loses no more than --max-drop.",
    ),
    click.option(
        "--target",
        type=click.Choice(list(_TARGETS)),
        default="cpu",
        show_default=True,
        help="What will run an int8 file: an x86 or an Arm processor, or TensorRT (`jetson` is the same).",
    ),
    click.option(
        "--isa",
        type=click.Choice(["vnni", "avx2"]),
        default="vnni",
        show_default=True,
        help="What the x86 processor can do; `avx2` for one without VNNI (before about 2019).",
    ),
    click.option(
        "--max-drop",
        type=Number(0, 100, min_open=True),
        default=0.5,
        show_default=True,
        metavar="POINTS",
        help="How many points of few-shot accuracy, and of the AUROC of unknowns, may be lost with 95 % confidence.",
    ),
    click.option(
        "--calibration",
        type=PATH,
        metavar="DIR",
        help="Images that int8 ranges are measured on; by default those that taught.",
    ),
    click.option(
        "--calibration-images",
        "images",
        type=click.IntRange(8),
        default=128,
        show_default=True,
        help="The most images that int8 ranges are measured on.",
    ),
    click.option(
        "--calibration-select",
        "select",
        type=click.Choice(["balanced", "k-center"]),
        default="balanced",
        show_default=True,
        help="How they are chosen: evenly over classes and parts, or those that differ most.",
    ),
    click.option(
        "--ranges",
        "estimator",
        type=click.Choice(["auto", *RANGE_ESTIMATORS]),
        default="auto",
        show_default=True,
        help="How int8 ranges are estimated; `auto` takes what leaves least noise in the calibration images.",
    ),
)


def deployment(given: Mapping[str, Any]) -> DeploySettings:
    """Settings from those options by name."""
    from edgefs.pipelines.export.precision import DeploySettings

    return DeploySettings(**{**given, "target": _TARGETS[given["target"]]})


def told(deployed: Deployed) -> Iterator[str]:
    """What was tried and taken, line by line; nothing where float32 was asked for."""
    yield from trial_table(deployed.trials)
    yield from deployed.notes
    chosen = deployed.chosen
    if chosen is not None and chosen.is_slow:
        yield f"It is not faster than float32 on this machine ({chosen.speed:.2f} x); --precision auto takes what is."


def trial_table(trials: Sequence[Trial]) -> list[str]:
    """Every precision that was tried, a line each; empty where none was."""
    if not trials:
        return []
    from edgefs.evaluation.columns import in_columns

    head = ["", "accuracy", "may lose", "AUROC of unknowns", "may lose", "noise", "speed here", "MB", "gate"]
    return in_columns([head, *map(_row, trials)], "l" * len(head)).splitlines()


def _row(trial: Trial) -> list[str]:
    from edgefs.pipelines.export.precision.trials import may_lose

    right, unknowns = trial.gate.right, trial.gate.unknowns
    areas = ["not measured", ""]
    if unknowns is not None:
        areas = [f"{100 * unknowns.reference:.1f} -> {100 * unknowns.found:.1f}", may_lose(unknowns)]
    return [
        trial.name,
        f"{100 * right.reference:.1f} -> {100 * right.found:.1f} %",
        may_lose(right),
        *areas,
        f"{trial.sqnr:.1f} dB",
        f"{trial.speed:.2f} x" if trial.speed else "other machine",
        f"{trial.size / 1e6:.1f}",
        "passes" if trial.gate.passes else "fails",
    ]

"""`edgefs adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgefs.adapting import adapt
from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.terminal import progress_bars
from edgefs.methods import METHODS
from edgefs.runs import REPORT
from edgefs.settings import AdaptSettings
from edgefs_runtime.heads import HEADS
from edgefs_runtime.preprocess import SYMMETRIES

_SYMMETRIES: dict[str, tuple[str, ...] | None] = {
    "auto": None,
    "none": (),
    "h": ("h",),
    "v": ("v",),
    "flips": ("h", "v", "hv"),
    "all": tuple(name for name in SYMMETRIES if name),
}


@click.command("adapt")
@click.argument("data", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="Folder for the RUN.")
@click.option("--method", type=click.Choice(list(METHODS)), default="features", show_default=True)
@click.option(
    "--backbone", metavar="NAME", help="nano, or a torchvision network; MobileNetV2 where its weights can be had."
)
@click.option("--weights", metavar="FILE", help=".pth or .safetensors, or the name of a torchvision set.")
@click.option("--shots", type=click.IntRange(min=1), help="Images of each class to learn from; all without it.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--ok", multiple=True, metavar="LABEL", help="A class of good parts [good, ok, normal and free are known]."
)
@click.option(
    "--good-only", is_flag=True, help="Learn from good parts alone; the others test whether they are told as unknown."
)
@click.option("--without", multiple=True, metavar="LABEL", help="Pass over a class, to teach it on the device later.")
@click.option(
    "--group-from", metavar="REGEX", help="Takes the part (lot, patient) from a file name; parts stay together."
)
@click.option("--head", type=click.Choice(sorted(HEADS)), default="lda", show_default=True)
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of known parts that may be refused as unknown.",
)
@click.option(
    "--unknown",
    type=click.Choice(["NG", "RECHECK"]),
    default="NG",
    show_default=True,
    help="Verdict for a part that no class fits.",
)
@click.option(
    "--overkill",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Share of good parts that may be judged NG, as unknown or as a defect: 0.01 is 1 %.",
)
@click.option(
    "--escape-cost",
    type=click.FloatRange(0, min_open=True),
    metavar="RATIO",
    help="How many overkills one escape costs; sets the operating point between good parts and defects.",
)
@click.option(
    "--size",
    nargs=2,
    type=click.IntRange(min=16),
    metavar="HEIGHT WIDTH",
    help="Network input; the backbone's without it.",
)
@click.option(
    "--roi", nargs=4, type=click.IntRange(min=0), metavar="LEFT TOP WIDTH HEIGHT", help="Region of interest, pixels."
)
@click.option(
    "--rotation",
    type=click.Choice(["0", "90", "180", "270"]),
    default="0",
    show_default=True,
    help="Counter-clockwise.",
)
@click.option("--resize", type=click.Choice(["stretch", "pad", "crop"]), default="stretch", show_default=True)
@click.option("--channels", type=click.Choice(["rgb", "mono"]), default="rgb", show_default=True)
@click.option(
    "--window",
    nargs=2,
    type=click.IntRange(0, 65535),
    metavar="BLACK WHITE",
    default=(0, 65535),
    show_default=True,
    help="Of frames with more than 8 bits.",
)
@click.option(
    "--dim",
    type=click.IntRange(min=0),
    default=512,
    show_default=True,
    help="Numbers of an embedding, at most; 0 keeps all that the stages give.",
)
@click.option(
    "--symmetry",
    type=click.Choice(list(_SYMMETRIES)),
    default="auto",
    show_default=True,
    help="How a part may be turned and stay in its class: h mirrors left to right, v upside down, flips both and each; "
    "auto lets the images decide.",
)
@click.option("--medical", is_flag=True, help="Print sensitivity and specificity in the place of escapes and overkill.")
@click.option("--name", help="Of the model; the data folder's without it.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 …")
@click.option("--overwrite", is_flag=True, help="Replace the RUN that stands there.")
@click.option("--no-cache", "use_cache", flag_value=False, default=True, type=bool, help="Don't remember embeddings.")
@json_option
def command(
    data: Path, out: Path, overwrite: bool, as_json: bool, rotation: str, symmetry: str, medical: bool, **options: Any
) -> None:
    """Adapt a pretrained network to the images of DATA and write a RUN.

    DATA is a folder with one folder of images per class, or train/, val/ and test/ of such folders, or MVTec style
    (train/good and test/<defect>), or a CSV file path,label[,split][,group].
    """
    settings = AdaptSettings(
        rotation=int(rotation),
        symmetries=_SYMMETRIES[symmetry],
        **{**options, "size": options["size"] or None, "roi": options["roi"] or None},
    )
    with progress_bars() as (steps, console):
        run, measured = adapt(data, out, settings, overwrite=overwrite, steps=steps, tell=console.print)
    if as_json:
        echo_json({"run": str(out), "name": run.name, **measured.to_json()})
        return
    for note in measured.data_notes:
        click.echo(note, err=True)
    if measured.headline is not None:
        what, side = measured.headline
        click.echo(f"\nMeasured on {what}:\n\n{side.evaluation.to_text(medical=medical)}\n")
    left_out = len(run.fields["left_out"])
    if left_out:
        click.echo(f"{left_out} file{'' if left_out == 1 else 's'} left out; run.json and the report say why.")
    click.echo(f"RUN: {out}   report: {out / REPORT}")

"""Options of what learns from images: how a frame is cut, on what a network is trained, and the RUN."""

from __future__ import annotations

import click

from edgefs.cli.options import PATH, Option

FRAME: tuple[Option, ...] = (
    click.option(
        "--roi",
        nargs=4,
        type=click.IntRange(min=0),
        metavar="LEFT TOP WIDTH HEIGHT",
        help="The region of interest in pixels; what lies outside is cut off.",
    ),
    click.option(
        "--rotation",
        type=click.Choice(["0", "90", "180", "270"]),
        default="0",
        show_default=True,
        help="The degrees that a frame is turned by, counter-clockwise.",
    ),
    click.option(
        "--channels",
        type=click.Choice(["rgb", "mono"]),
        default="rgb",
        show_default=True,
        help="Whether colours are kept or dropped.",
    ),
    click.option(
        "--window",
        nargs=2,
        type=click.IntRange(0, 65535),
        metavar="BLACK WHITE",
        help="The raw values that frames with more than 8 bits show as black and as white; by default the sensor's, "
        "chosen from the images.",
    ),
    click.option(
        "--page",
        type=click.IntRange(min=1),
        help="The page or frame, from 1, that is looked at in files with several; without it such files are left out.",
    ),
    click.option(
        "--damaged",
        type=click.Choice(["refuse", "keep"]),
        default="refuse",
        show_default=True,
        help="JPEG files whose scan is damaged: leave them out, or take what can be decoded.",
    ),
)
HARDWARE: tuple[Option, ...] = (
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="The arithmetic of training; auto takes bf16 on a GPU that has it.",
    ),
    click.option("--device", default="auto", show_default=True, help="What computes: auto, cpu, cuda, cuda:1 …"),
    click.option(
        "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="The number of GPUs to train on."
    ),
)
RUN: tuple[Option, ...] = (
    click.option("--name", help="The model's name; by default the folder's."),
    click.option("--overwrite", is_flag=True, help="Replace the RUN that stands there."),
    click.option(
        "--config", type=PATH, help="A TOML file with options by their names; options on the command line win."
    ),
)
CACHE: tuple[Option, ...] = (
    click.option(
        "--no-cache",
        "use_cache",
        flag_value=False,
        default=True,
        type=bool,
        help="Compute every embedding anew and keep none for the next time.",
    ),
)

"""The options of `edgefs adapt`, in groups; each name is a field of `AdaptSettings` or of a method's settings."""

from __future__ import annotations

import click

from edgefs.cli.options import Number, Option
from edgefs.settings.choices import HEADS_OF
from edgefs_runtime.images.preprocess import SYMMETRIES as KNOWN_SYMMETRIES

SYMMETRIES: dict[str, tuple[str, ...] | None] = {
    "auto": None,
    "none": (),
    "h": ("h",),
    "v": ("v",),
    "flips": ("h", "v", "hv"),
    "all": tuple(name for name in KNOWN_SYMMETRIES if name),
}
HEAD_NAMES = list(dict.fromkeys(head for heads in HEADS_OF.values() for head in heads))

NETWORK: tuple[Option, ...] = (
    click.option(
        "--backbone",
        metavar="NAME",
        help="The pretrained network: nano, one of torchvision's, or a RUN of `distill`. "
        "By default MobileNetV2 where its weights can be had.",
    ),
    click.option(
        "--weights",
        metavar="FILE",
        help="The backbone's weights: a .pth or .safetensors file, or the name of a torchvision set.",
    ),
)
DATA: tuple[Option, ...] = (
    click.option(
        "--shots", type=click.IntRange(min=1), help="The number of images of each class to learn from; by default all."
    ),
    click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        help="The number that picks splits and whatever else is random.",
    ),
    click.option(
        "--ok",
        multiple=True,
        metavar="LABEL",
        help="A class of good parts, beside good, ok, normal and free; may be repeated.",
    ),
    click.option(
        "--good-only",
        is_flag=True,
        help="Learn from good parts alone; the others test whether they are told as unknown.",
    ),
    click.option(
        "--without",
        multiple=True,
        metavar="LABEL",
        help="A class to pass over, so that it can be taught on the device later; may be repeated.",
    ),
    click.option(
        "--group-from",
        metavar="REGEX",
        help="A regular expression that takes the part (lot, patient) from a file name; a part's images stay together.",
    ),
)
SUCCESSION: tuple[Option, ...] = (
    click.option(
        "--succeeds",
        metavar="RUN|BUNDLE",
        help="The model whose successor this one is: a device that has the old one's gallery says how to carry over.",
    ),
)
DECISION: tuple[Option, ...] = (
    click.option(
        "--head",
        type=click.Choice(HEAD_NAMES),
        help="What decides from the embeddings. "
        + "; ".join(f"{method}: {', '.join(heads)}" for method, heads in HEADS_OF.items())
        + ". The first of a method is its default.",
    ),
    click.option(
        "--budget",
        type=Number(0, 1, max_open=True),
        default=0.05,
        show_default=True,
        help="The share of known parts that may be refused as unknown.",
    ),
    click.option(
        "--unknown",
        type=click.Choice(["NG", "RECHECK"]),
        default="NG",
        show_default=True,
        help="The verdict for a part that no class fits.",
    ),
    click.option(
        "--overkill",
        type=Number(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="The share of good parts that may be judged NG, as unknown or as a defect: 0.01 is 1 %.",
    ),
    click.option(
        "--escape-cost",
        type=Number(0, min_open=True),
        metavar="RATIO",
        help="How many overkills one escape costs; this sets the operating point between good parts and defects.",
    ),
)
IMAGES: tuple[Option, ...] = (
    click.option(
        "--size",
        nargs=2,
        type=click.IntRange(16, 4096),
        metavar="HEIGHT WIDTH",
        help="The size of the network's input in pixels; by default the backbone's own.",
    ),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "pad", "crop"]),
        default="stretch",
        show_default=True,
        help="How a frame of another shape is fitted into the network's input: stretched, padded, or cropped.",
    ),
    click.option(
        "--dim",
        type=click.IntRange(min=0),
        default=512,
        show_default=True,
        help="The most numbers that an embedding may have; 0 keeps all that the stages give.",
    ),
    click.option(
        "--symmetry",
        type=click.Choice(list(SYMMETRIES)),
        default="auto",
        show_default=True,
        help="How a part may be turned and stay in its class: h mirrors left to right, v upside down, flips both and "
        "each; auto lets the images decide.",
    ),
)
TRAINING: tuple[Option, ...] = (
    click.option(
        "--epochs", type=click.IntRange(min=1), help="The number of epochs to train for; by default the method's own."
    ),
    click.option("--lr", type=Number(0, min_open=True), help="The learning rate; by default the method's own."),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        help="The number of images (of episodes, in meta-learning) in a training step.",
    ),
    click.option(
        "--optimizer", type=click.Choice(["adam", "adamw", "sgd"]), help="The optimiser; by default the method's own."
    ),
    click.option(
        "--schedule", type=click.Choice(["constant", "cosine"]), help="How the learning rate goes on over the epochs."
    ),
    click.option(
        "--time-budget",
        type=Number(0, min_open=True),
        metavar="MINUTES",
        help="How long --method auto may try things for.",
    ),
)

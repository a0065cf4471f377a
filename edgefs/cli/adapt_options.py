"""The options of `edgefs adapt`, in groups; each name is a field of `AdaptSettings` or of a method's settings."""

from __future__ import annotations

import click

from edgefs.choices import HEADS_OF
from edgefs.cli.options import Option
from edgefs_runtime.preprocess import SYMMETRIES as KNOWN_SYMMETRIES

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
        help="nano, a torchvision network, or a RUN of `distill`; MobileNetV2 where its weights can be had.",
    ),
    click.option("--weights", metavar="FILE", help=".pth or .safetensors, or the name of a torchvision set."),
)
DATA: tuple[Option, ...] = (
    click.option("--shots", type=click.IntRange(min=1), help="Images of each class to learn from; all without it."),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option(
        "--ok", multiple=True, metavar="LABEL", help="A class of good parts [good, ok, normal and free are known]."
    ),
    click.option(
        "--good-only",
        is_flag=True,
        help="Learn from good parts alone; the others test whether they are told as unknown.",
    ),
    click.option(
        "--without", multiple=True, metavar="LABEL", help="Pass over a class, to teach it on the device later."
    ),
    click.option(
        "--group-from", metavar="REGEX", help="Takes the part (lot, patient) from a file name; parts stay together."
    ),
)
DECISION: tuple[Option, ...] = (
    click.option(
        "--head",
        type=click.Choice(HEAD_NAMES),
        help="; ".join(f"{method}: {', '.join(heads)}" for method, heads in HEADS_OF.items())
        + ". The first is the default.",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.05,
        show_default=True,
        help="Share of known parts that may be refused as unknown.",
    ),
    click.option(
        "--unknown",
        type=click.Choice(["NG", "RECHECK"]),
        default="NG",
        show_default=True,
        help="Verdict for a part that no class fits.",
    ),
    click.option(
        "--overkill",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="Share of good parts that may be judged NG, as unknown or as a defect: 0.01 is 1 %.",
    ),
    click.option(
        "--escape-cost",
        type=click.FloatRange(0, min_open=True),
        metavar="RATIO",
        help="How many overkills one escape costs; sets the operating point between good parts and defects.",
    ),
)
IMAGES: tuple[Option, ...] = (
    click.option(
        "--size",
        nargs=2,
        type=click.IntRange(min=16),
        metavar="HEIGHT WIDTH",
        help="Network input; the backbone's without it.",
    ),
    click.option("--resize", type=click.Choice(["stretch", "pad", "crop"]), default="stretch", show_default=True),
    click.option(
        "--dim",
        type=click.IntRange(min=0),
        default=512,
        show_default=True,
        help="Numbers of an embedding, at most; 0 keeps all that the stages give.",
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
    click.option("--epochs", type=click.IntRange(min=1), help="Of training; the method's default without it."),
    click.option("--lr", type=click.FloatRange(0, min_open=True), help="Learning rate; the method's without it."),
    click.option("--batch", type=click.IntRange(min=1), help="Images, or episodes, of a training step."),
    click.option("--optimizer", type=click.Choice(["adam", "adamw", "sgd"]), help="The method's without it."),
    click.option("--schedule", type=click.Choice(["constant", "cosine"]), help="Of the learning rate."),
    click.option("--time-budget", type=click.FloatRange(0, min_open=True), metavar="MINUTES", help="Of --method auto."),
)
FINETUNE: tuple[Option, ...] = (
    click.option(
        "--unfreeze", type=click.IntRange(min=0), metavar="STAGES", help="Last stages that learn; 0: the head alone."
    ),
    click.option("--l2sp", type=click.FloatRange(0), help="λ of the penalty on leaving the source weights."),
    click.option("--stage-rate", type=click.FloatRange(0), help="Learning rate of the stages, as a share of --lr."),
    click.option("--layer-decay", type=click.FloatRange(0, 1), help="Of the rate, from each stage to the one before."),
    click.option("--bn-stats", type=click.Choice(["frozen", "train"]), help="Statistics of batch normalisation."),
    click.option("--augment", type=click.Choice(["auto", "none"]), help="Turn, crop and light images anew each time."),
    click.option("--folds", type=click.IntRange(min=0), help="Cross-fitting, from which thresholds come."),
    click.option("--search", is_flag=True, default=None, help="Choose rate, depth and λ among a few by the folds."),
)
DOMAIN: tuple[Option, ...] = (
    click.option("--source", metavar="DIR", help="Labelled images of another domain, in any layout of DATA."),
    click.option(
        "--domain-loss",
        type=click.Choice(["dann", "coral", "none"]),
        help="dann without it, or no training where --adapt-bn or --align ask for a cheap kind.",
    ),
    click.option("--adapt-bn", is_flag=True, default=None, help="Batch statistics of the target."),
    click.option("--align", type=click.Choice(["mean", "moments", "coral"]), help="Moments of frozen embeddings."),
    click.option(
        "--task-labels", type=click.Choice(["source", "target", "both"]), help="Both where the target has labels."
    ),
    click.option("--domain-weight", type=click.FloatRange(0), help="λ of the domain loss, at the end."),
    click.option("--feature-rate", type=click.FloatRange(0), help="Of the learning rate, for the backbone."),
    click.option(
        "--self-training/--no-self-training", default=None, help="Learn from a teacher's sure answers on the target."
    ),
    click.option("--invert/--no-invert", default=None, help="Whether a negative of an image is still of its class."),
)
META: tuple[Option, ...] = (
    click.option("--tasks", metavar="DIR", help="What meta-training learns from: TASK/CLASS/*, or CLASS/* alone."),
    click.option("--algorithm", type=click.Choice(["protonet", "anil"]), help="Of meta-training; protonet without it."),
    click.option("--ways", type=click.IntRange(min=2), help="Classes of an episode."),
    click.option("--episode-shots", type=click.IntRange(min=1), help="Images of each class in an episode's support."),
    click.option("--queries", type=click.IntRange(min=1), help="Images of each class that an episode asks about."),
    click.option("--episodes", type=click.IntRange(min=1), help="Episodes in all."),
    click.option("--within-tasks", is_flag=True, default=None, help="Draw an episode's classes from one task."),
    click.option("--class-rotations", is_flag=True, default=None, help="A class turned by a quarter is another one."),
    click.option("--class-mirrors", is_flag=True, default=None, help="A mirrored class is another one."),
    click.option("--inner-steps", type=click.IntRange(min=1), help="Gradient steps on the head, for anil."),
)
CACHE: tuple[Option, ...] = (
    click.option(
        "--no-cache", "use_cache", flag_value=False, default=True, type=bool, help="Don't remember embeddings."
    ),
)

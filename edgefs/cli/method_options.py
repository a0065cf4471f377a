"""The options of `edgefs adapt` that belong to one method; each name is a field of that method's settings."""

from __future__ import annotations

import click

from edgefs.cli.options import Number, Option

FINETUNE: tuple[Option, ...] = (
    click.option(
        "--unfreeze",
        type=click.IntRange(min=0),
        metavar="STAGES",
        help="How many of the last stages learn; with 0 the head alone does.",
    ),
    click.option("--l2sp", type=Number(0), help="The weight λ of the penalty on leaving the source weights (L2-SP)."),
    click.option("--stage-rate", type=Number(0), help="The learning rate of the stages, as a share of --lr."),
    click.option(
        "--layer-decay",
        type=Number(0, 1),
        help="The factor of the learning rate from each stage to the one before it.",
    ),
    click.option(
        "--bn-stats",
        type=click.Choice(["frozen", "train"]),
        help="Whether the statistics of batch normalisation stay frozen or are trained.",
    ),
    click.option(
        "--augment",
        type=click.Choice(["auto", "none"]),
        help="Whether images are turned, cropped and lit anew each time they are seen.",
    ),
    click.option(
        "--folds",
        type=click.IntRange(min=0),
        help="The number of folds of the cross-fitting that thresholds come from; 0 leaves it out.",
    ),
    click.option(
        "--search", is_flag=True, default=None, help="Choose learning rate, depth and λ among a few by the folds."
    ),
)
DOMAIN: tuple[Option, ...] = (
    click.option("--source", metavar="DIR", help="Labelled images of another domain, in any layout of DATA."),
    click.option(
        "--domain-loss",
        type=click.Choice(["dann", "coral", "none"]),
        help="What brings the two domains together; by default dann, "
        "or no training where --adapt-bn or --align ask for a cheap kind.",
    ),
    click.option(
        "--adapt-bn",
        is_flag=True,
        default=None,
        help="Estimate the statistics of batch normalisation on the target's images.",
    ),
    click.option(
        "--align",
        type=click.Choice(["mean", "moments", "coral"]),
        help="Which moments of frozen embeddings are brought together.",
    ),
    click.option(
        "--task-labels",
        type=click.Choice(["source", "target", "both"]),
        help="Whose labels the task is learned from; by default both where the target has labels.",
    ),
    click.option("--domain-weight", type=Number(0), help="The weight λ of the domain loss at the end of its schedule."),
    click.option("--feature-rate", type=Number(0), help="The backbone's learning rate, as a share of --lr."),
    click.option(
        "--self-training/--no-self-training",
        default=None,
        help="Whether a teacher's sure answers on the target are learned from as well.",
    ),
    click.option("--invert/--no-invert", default=None, help="Whether a negative of an image is still of its class."),
)
META: tuple[Option, ...] = (
    click.option(
        "--tasks", metavar="DIR", help="The folder that meta-training learns from: TASK/CLASS/*, or CLASS/* alone."
    ),
    click.option(
        "--algorithm",
        type=click.Choice(["protonet", "anil"]),
        help="The algorithm of meta-training; by default protonet.",
    ),
    click.option("--ways", type=click.IntRange(min=2), help="The number of classes in an episode."),
    click.option(
        "--episode-shots",
        type=click.IntRange(min=1),
        help="The number of images of each class in an episode's support.",
    ),
    click.option(
        "--queries", type=click.IntRange(min=1), help="The number of images of each class that an episode asks about."
    ),
    click.option("--episodes", type=click.IntRange(min=1), help="The number of episodes in all."),
    click.option("--within-tasks", is_flag=True, default=None, help="Draw all classes of an episode from one task."),
    click.option(
        "--class-rotations", is_flag=True, default=None, help="Count a class turned by a quarter as another class."
    ),
    click.option("--class-mirrors", is_flag=True, default=None, help="Count a mirrored class as another class."),
    click.option(
        "--inner-steps", type=click.IntRange(min=1), help="The number of gradient steps on the head, for anil."
    ),
)

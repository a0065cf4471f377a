"""`edgefs evaluate`: a RUN or a bundle on labelled images, or in episodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from edgefs.cli.declared import options_of
from edgefs.cli.options import PATH, Count, echo_json, json_option
from edgefs.cli.sections import SectionedCommand, under
from edgefs.cli.streams import echo
from edgefs.cli.terminal import progress_bars
from edgefs.pipelines.checking import check_evaluate
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime.base.errors import EdgefsError

if TYPE_CHECKING:
    from edgefs.evaluation.episodes import EpisodePlan, Mean


_DECIDING, _EPISODES = "Deciding", "Episodes"  # headings of the help
# Options that play no part with --episodes, with the reason, and those that play none without.
_IDLE: dict[bool, dict[str, str]] = {
    True: {
        "gallery": "each teaches a gallery of its own",
        "medical": "they count no overkill and no escapes",
        "report": "there is no report of them, but --json",
    },
    False: dict.fromkeys(("shots", "ways", "queries", "seed"), ""),
}


@click.command("evaluate", cls=SectionedCommand, headings=(_DECIDING, _EPISODES))
@click.argument("subject", metavar="RUN|BUNDLE", type=PATH)
@click.argument("data", type=PATH)
@click.option(
    "--gallery",
    type=PATH,
    show_default="the bundle's seed",
    help="The gallery that decides.",
    **under(_DECIDING),
)
@click.option(
    "--ok",
    multiple=True,
    metavar="LABEL",
    help="A class of good parts among those that the model does not know; may be repeated.",
    **under(_DECIDING),
)
@options_of(AdaptSettings, names=("group_from",), under=_DECIDING)
@click.option("--medical", is_flag=True, help="Print sensitivity and specificity in the place of escapes and overkill.")
@click.option("--report", type=PATH, help="The file that a report (HTML) is written to; one that is there is replaced.")
@click.option(
    "--episodes",
    type=Count(min=1),
    metavar="N",
    help="Measure N episodes instead: galleries of --shots images a class, drawn from DATA.",
    **under(_EPISODES),
)
@click.option(
    "--shots",
    type=Count(min=1),
    default=5,
    show_default=True,
    help="The number of images of each class in an episode's gallery.",
    **under(_EPISODES),
)
@click.option(
    "--ways",
    type=Count(min=2),
    show_default="all",
    help="The number of classes in an episode.",
    **under(_EPISODES),
)
@click.option(
    "--queries",
    type=Count(min=1),
    default=15,
    show_default=True,
    help="The number of images of each class that an episode asks about.",
    **under(_EPISODES),
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The number that picks the episodes.",
    **under(_EPISODES),
)
@json_option
def command(
    subject: Path,
    data: Path,
    gallery: Path | None,
    ok: tuple[str, ...],
    group_from: str | None,
    medical: bool,
    report: Path | None,
    episodes: int | None,
    shots: int,
    ways: int | None,
    queries: int,
    seed: int,
    as_json: bool,
) -> None:
    """Decide about the labelled images of DATA and count: overkill, escapes, accuracy, confusions.

    Images that the model has learned from are left out. With --episodes, the model's embedding is measured instead of
    its gallery: N times a gallery of a few images of each class is drawn from DATA, asked about others, and each class
    is left out in turn to see whether it is told as unknown.
    """
    _refuse_idle_options(with_episodes=episodes is not None)
    check_evaluate(subject, data, group_from=group_from, report=report)
    from edgefs.evaluation.episodes import EpisodePlan
    from edgefs.pipelines.evaluate import evaluate
    from edgefs.report import report_html

    if episodes is not None:
        plan = EpisodePlan(shots=shots, ways=ways, queries=queries, episodes=episodes, seed=seed)
        _episodes(subject, data, plan, group_from, ok, as_json)
        return
    with progress_bars() as (steps, _):
        outcome = evaluate(subject, data, gallery=gallery, group_from=group_from, ok=ok, steps=steps)
    if report is not None:
        _write(report, report_html(outcome.report))
    if as_json:
        echo_json({"subject": str(subject), "data": str(data), **outcome.evaluation.to_json()})
        return
    echo(*outcome.notes, err=True)
    from edgefs.evaluation import evaluation_text

    echo(*evaluation_text(outcome.evaluation, medical=medical).split("\n"))
    if report is not None:
        echo("", f"Report: {report}")


def _refuse_idle_options(*, with_episodes: bool) -> None:
    """What would be passed over in silence: options of the other of the two ways to measure."""
    given = click.get_current_context().get_parameter_source
    idle = [name for name in _IDLE[with_episodes] if given(name) is not ParameterSource.DEFAULT]
    if idle and with_episodes:
        raise click.UsageError(f"--{idle[0]} plays no part in --episodes: {_IDLE[True][idle[0]]}")
    if idle:
        raise click.UsageError(f"--{idle[0]} says how --episodes measure; give --episodes N, or leave it out")


def _episodes(
    subject: Path, data: Path, plan: EpisodePlan, group_from: str | None, ok: tuple[str, ...], as_json: bool
) -> None:
    from edgefs.evaluation.columns import in_columns
    from edgefs.pipelines.evaluate import evaluate_episodes

    with progress_bars() as (steps, _):
        outcome = evaluate_episodes(subject, data, plan, group_from=group_from, ok=ok, steps=steps)
    if as_json:
        echo_json({"subject": str(subject), "data": str(data), **outcome.to_json()})
        return
    echo(f"{plan.episodes} episodes, {outcome.ways}-way {plan.shots}-shot, head {outcome.head}, seed {plan.seed}")
    rows = [
        ("accuracy", _percent(outcome.accuracy), "nearest class right, balanced"),
        ("unknown AUROC", _percent(outcome.auroc), "strangeness of a class left out against the others"),
        ("caught", _percent(outcome.caught), "of the class left out, refused as unknown at the model's budget"),
        ("wrongly refused", _percent(outcome.wrongly_refused), "of the other classes"),
        ("calibration", f"{100 * outcome.calibration_error:5.1f} %", "expected error of the probability"),
    ]
    echo(*in_columns(rows, "lll").split("\n"))


def _percent(mean: Mean) -> str:
    return "not measured" if mean.value != mean.value else f"{100 * mean.value:5.1f} ± {100 * mean.half:.1f} %"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise EdgefsError(f"{path}: can't be written ({error.strerror or error})") from error

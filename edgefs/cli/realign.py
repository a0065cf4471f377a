"""`edgefs realign`: an alignment after a change of camera or lamp, shown before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.images import unlabelled_files
from edgefs.cli.options import ACT, PATH, apply, bundle_argument, echo_json, open_classifier, provider_option
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs_runtime.decision.alignment import Choice
    from edgefs_runtime.realign.plan import Realigned


@click.command("realign")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--kind",
    type=click.Choice(["auto", "mean", "moments", "coral"]),
    default="auto",
    show_default=True,
    help="What is matched: mean takes the means, moments also how far the classes lie apart, coral also the scatter "
    "within them; auto is moments.",
)
@click.option("--check", is_flag=True, help="Say what realigning would do, and change nothing.")
@click.option("--force", is_flag=True, help="Realign although the estimate is doubtful or challenge parts would fail.")
@provider_option
@apply(ACT)
def command(
    bundle: Path,
    images: tuple[Path, ...],
    kind: Choice,
    check: bool,
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    provider: str,
    wait: float,
    as_json: bool,
) -> None:
    """Realign after a change of camera or lamp, by unlabelled IMAGES (files or folders) taken since.

    Fifty images are a good start, of several classes where the line has them; the last 200 are used. Photographs of
    challenge parts taken since guard it: add them with `edgefs challenge add --retaken` first. `edgefs gallery undo`
    takes it back.
    """
    files = unlabelled_files(images)
    with open_classifier(bundle, gallery, provider=provider, wait=wait) as classifier:
        if check:
            realigned = classifier.check_realign(files, kind=kind)
        else:
            realigned = classifier.realign(files, kind=kind, force=force, actor=actor, reason=reason)
        path = classifier.gallery_path
    if as_json:
        echo_json({**realigned.to_json(), "path": str(path)})
    elif check:
        _advise(realigned)
    else:
        echo(f"Realigned {_said(realigned)} in {path}")


def _advise(realigned: Realigned) -> None:
    echo(f"Would realign {_said(realigned)}")
    for sentence in realigned.challenge:
        echo(f"  challenge: {sentence}; realign needs --force")
    echo(f"  doubtful: {realigned.doubt}; realign needs --force" if realigned.doubt else "  no doubt")


def _said(realigned: Realigned) -> str:
    passed_over = f", {realigned.passed_over} can't be judged" if realigned.passed_over else ""
    number = f"by {counted(realigned.images, 'image')}{passed_over}"
    if realigned.kind == "none":
        return f"{number}: the camera is as when the gallery was taught"
    return (
        f"{number} ({realigned.kind}): moved by {realigned.shift:.1f} spreads of a class, unknown "
        f"{100 * realigned.refused_before:.0f} % -> {100 * realigned.refused_after:.0f} %"
    )

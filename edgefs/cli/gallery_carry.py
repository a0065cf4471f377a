"""`edgefs gallery carry`."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import (
    ACT,
    PATH,
    apply,
    bundle_argument,
    echo_head_note,
    echo_json,
    open_classifier,
    provider_option,
)
from edgefs.cli.streams import echo


@click.command("carry")
@bundle_argument
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="OLD",
    help="The other bundle, whose gallery in $EDGEFS_STATE is meant, or a gallery's file.  [default: the one found]",
)
@click.option("--fresh", is_flag=True, help="Begin without what was taught elsewhere, and hear no more of it.")
@click.option("--check", is_flag=True, help="Say what carrying over would do, and do nothing.")
@click.option(
    "--force", is_flag=True, help="Carry over what can be, although some images can't or challenge parts would fail."
)
@provider_option
@apply(ACT)
def carry(
    bundle: Path,
    source: Path | None,
    fresh: bool,
    check: bool,
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    provider: str,
    wait: float,
    as_json: bool,
) -> None:
    """Bring over what this device was taught under another bundle of the same product.

    That is another precision of the model, or one that was adapted again. The old gallery stays as it is, its challenge
    parts come along, and `edgefs gallery undo` takes it back.
    """
    if fresh and (source is not None or check):
        raise click.UsageError("--fresh begins without what was taught elsewhere: it takes neither --from nor --check")
    with open_classifier(bundle, gallery, provider=provider, challenge=False, wait=wait, quiet=True) as classifier:
        path = classifier.gallery_path
        if fresh:
            classifier.begin_afresh()
            echo(f"Made {path} from the bundle's seed.")
            return
        carried = classifier.carry(source, check=check, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({**carried.to_json(), "path": str(path), "head_note": classifier.head_note})
        return
    echo(carried.headline(path, check=check))
    echo(*(f"  {line}" for line in carried.lines()))
    echo_head_note(classifier)

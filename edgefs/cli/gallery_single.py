"""`edgefs gallery remove` and `edgefs gallery approve`: single images, and what waits for somebody else's word."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import (
    ACT,
    apply,
    bundle_argument,
    echo_head_note,
    echo_json,
    gallery_option,
    json_option,
    open_classifier,
    wait_option,
)
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted


@click.command("remove")
@bundle_argument
@click.argument("what", metavar="WHAT")
@click.option("--force", is_flag=True, help="Remove it although challenge parts would fail.")
@apply(ACT)
def remove(
    bundle: Path, what: str, force: bool, reason: str, actor: str, gallery: Path | None, wait: float, as_json: bool
) -> None:
    """Take single images away; `edgefs gallery undo` brings them back.

    WHAT is an image's file or its SHA-256 (at least 8 digits), the number of an act as `edgefs gallery log` shows it
    (7), or one of its images (7.2 is the second).
    """
    with open_classifier(bundle, gallery, wait=wait) as classifier:
        label, images = classifier.remove(what, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"label": label, "images": images, "head_note": classifier.head_note})
    else:
        echo(f"Removed {counted(images, 'image')} of {label}.")
        echo_head_note(classifier)


@click.command("approve")
@bundle_argument
@click.argument("act", metavar="ACT")
@click.option("--force", is_flag=True, help="Approve it although challenge parts would fail.")
@click.option("--actor", required=True, metavar="NAME", help="The name of who approves; not of who taught.")
@click.option("--reason", required=True, metavar="TEXT", help="The reason for doing it, for the audit log.")
@gallery_option
@wait_option
@json_option
def approve(
    bundle: Path, act: str, force: bool, reason: str, actor: str, gallery: Path | None, wait: float, as_json: bool
) -> None:
    """Let the pending images of ACT decide, a number that `edgefs gallery log` shows.

    What `edgefs enroll --pending` taught waits for somebody else than who taught it. `edgefs gallery undo` takes the
    approval back.
    """
    with open_classifier(bundle, gallery, wait=wait) as classifier:
        label, images = classifier.approve(act, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"label": label, "images": images, "head_note": classifier.head_note})
    else:
        echo(f"Approved {counted(images, 'image')} of {label}.")
        echo_head_note(classifier)

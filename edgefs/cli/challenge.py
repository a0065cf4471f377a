"""`edgefs challenge`: parts that must go on getting their verdicts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edgefs.cli.images import image_files
from edgefs.cli.options import (
    PATH,
    bundle_argument,
    echo_json,
    gallery_option,
    json_option,
    open_classifier,
    provider_option,
)
from edgefs.cli.sections import SummarisedGroup
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs_runtime.challenge import Added, Result
    from edgefs_runtime.classifier import Classifier


@click.group("challenge", cls=SummarisedGroup)
def command() -> None:
    """Keep images of real parts with the verdicts they must get.

    They are judged again before every act on the gallery, and when the bundle changes. What would spoil a part that
    passes is refused.
    """


@command.command("add", short_help="Keep images, and say what they get now.")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--expect", required=True, type=click.Choice(["OK", "NG", "RECHECK"]), help="The verdict that they must get."
)
@click.option("--label", default="", help="The class that must be answered; without it the verdict is enough.")
@click.option(
    "--retaken",
    is_flag=True,
    help="The parts were photographed after a change of camera or lamp that `edgefs realign` is yet to meet.",
)
@click.option("--actor", default="", metavar="NAME", help="The name of who does this; it is kept with the parts.")
@gallery_option
@provider_option
@json_option
def add(
    bundle: Path,
    images: tuple[Path, ...],
    expect: Literal["OK", "NG", "RECHECK"],
    label: str,
    retaken: bool,
    actor: str,
    gallery: Path | None,
    provider: str,
    as_json: bool,
) -> None:
    """Keep IMAGES (files or folders), all or none, and say what they get now.

    An image that is kept already gets the new expectation.
    """
    files = image_files(images)
    with _opened(bundle, gallery, provider) as classifier:
        judge = classifier.judge
        added = classifier.challenge.add(files, expect, judge, label=label, actor=actor, retaken=retaken)
    for one in added:
        if as_json:
            echo_json({"status": one.status, **one.result.to_json()})
        else:
            echo(_said_of_added(one))


@command.command("run", short_help="Judge the parts; exit status 1 when one fails.")
@bundle_argument
@click.option("--accept", is_flag=True, help="Accept this bundle, although parts fail that passed under the last one.")
@gallery_option
@provider_option
@json_option
def run(bundle: Path, accept: bool, gallery: Path | None, provider: str, as_json: bool) -> None:
    """Judge the parts by BUNDLE and its gallery; the exit status is 1 when one fails.

    With --accept it says what was accepted, and the exit status is 0.
    """
    with _opened(bundle, gallery, provider) as classifier:
        challenge = classifier.challenge
        results = challenge.run(classifier.judge, accept=accept)
        is_accepted = not results or challenge.is_accepted()
        digest = classifier.bundle.digest
    for result in results:
        if as_json:
            echo_json(result.to_json())
        else:
            echo(_line(result))
    if not results and not as_json:
        echo("No challenge part is kept for this gallery yet.")
    failing = sum(not result.passes for result in results)
    if accept and results:
        fail = f"{failing} of {len(results)} parts fail" if failing else "every part passes"
        echo(f"Accepted bundle {digest[:12]} as it is: {fail} under it.", err=as_json)
        return
    if not is_accepted:
        echo("Parts fail that passed under the last bundle; --accept accepts this one.", err=True)
    if failing:
        raise click.exceptions.Exit(1)


@command.command("list")
@bundle_argument
@gallery_option
@json_option
def list_parts(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """List the parts with their ids and what they must get."""
    with _opened(bundle, gallery) as classifier:
        challenge = classifier.challenge
    parts = challenge.parts()
    for part in parts:
        if as_json:
            echo_json({"id": part.id, **asdict(part), "path": str(challenge.folder / part.file_name)})
        else:
            by = f"  by {part.actor}" if part.actor else ""
            echo(f"{part.id}  {part.wanted:<7}  {part.name}  {part.added}{by}")
    if not as_json:
        echo(f"{counted(len(parts), 'part')} in {challenge.folder}")


@command.command("remove")
@bundle_argument
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@gallery_option
@json_option
def remove(bundle: Path, names: tuple[str, ...], gallery: Path | None, as_json: bool) -> None:
    """Take parts away, all or none. NAME is an id, or a file name that only one part bears."""
    with _opened(bundle, gallery) as classifier:
        gone = classifier.challenge.remove(names)
    for part in gone:
        if as_json:
            echo_json({"id": part.id, "name": part.name})
        else:
            echo(f"Removed {part.name} ({part.id}).")


def _opened(bundle: Path, gallery: Path | None, provider: str = "cpu") -> Classifier:
    """The classifier, even of a bundle that the parts stop elsewhere: they are looked at and accepted from here."""
    return open_classifier(bundle, gallery, provider=provider, challenge=False)


def _line(result: Result) -> str:
    outcome = "passes" if result.passes else "FAILS"
    return f"{outcome:<6}  {result.part.id}  must get {result.part.wanted}, gets {result.got}  {result.part.name}"


def _said_of_added(added: Added) -> str:
    result = added.result
    did = {"new": "Added", "same": "Kept already", "replaced": "Replaced what was expected of"}[added.status]
    now = f"gets {result.got} now"
    if not result.passes:
        now += ", so it fails and guards nothing until it passes"
    return f"{did} {result.part.name} ({result.part.id}): must get {result.part.wanted}, {now}"

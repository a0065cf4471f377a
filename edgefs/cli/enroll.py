"""`edgefs enroll`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import click

from edgefs.cli.options import (
    PATH,
    actor_option,
    bundle_argument,
    echo_json,
    gallery_option,
    image_files,
    json_option,
    open_classifier,
)


@click.command("enroll")
@bundle_argument
@click.argument("label")
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--as",
    "disposition",
    type=click.Choice(["ok", "defect"]),
    help="What the line does with such parts; by default as the class has it, else as its name says.",
)
@click.option("--group-from", metavar="REGEX", help="Takes the name of the part from a file name: shots of one part.")
@click.option("--keep-images/--no-keep-images", default=None, help="Keep thumbnails; by default as the bundle does.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the audit log.")
@actor_option
@gallery_option
@json_option
def command(
    bundle: Path,
    label: str,
    images: tuple[Path, ...],
    disposition: Literal["ok", "defect"] | None,
    group_from: str | None,
    keep_images: bool | None,
    reason: str,
    actor: str,
    gallery: Path | None,
    as_json: bool,
) -> None:
    """Teach LABEL, a new class or a known one, from IMAGES (files or folders).

    Five images of different parts are a good start. All are enrolled or none. `edgefs gallery undo` takes it back.
    """
    files = image_files(images)
    groups = _groups(files, group_from)
    with open_classifier(bundle, gallery) as classifier:
        taught = classifier.enroll(
            label,
            files,
            disposition=disposition,
            groups=groups,
            keep_images=keep_images,
            actor=actor,
            reason=reason,
        )
        path = classifier.gallery_path
    if as_json:
        echo_json({**vars(taught), "path": str(path)})
        return
    kind = "new class" if taught.is_new else f"now {taught.total} images"
    number = "1 image" if taught.images == 1 else f"{taught.images} images"
    click.echo(f"Enrolled {number} of {taught.label} ({kind}, {taught.disposition}) in {path}")


def _groups(files: list[Path], expression: str | None) -> list[str] | None:
    if expression is None:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise click.BadParameter(f"not a regular expression: {error}", param_hint="--group-from") from error
    found = [pattern.search(path.name) for path in files]
    return [(match[1] if pattern.groups else match[0]) or "" if match else "" for match in found]

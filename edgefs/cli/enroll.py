"""`edgefs enroll`: a class taught from images, or looked at first with `--check`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edgefs.cli.images import image_files, unlabelled_files
from edgefs.cli.options import (
    ACT,
    PATH,
    Described,
    apply,
    bundle_argument,
    echo_json,
    echo_refined,
    open_classifier,
    provider_option,
)
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs_runtime.classifier import Classifier
    from edgefs_runtime.teach.advice import Advice
    from edgefs_runtime.teach.enrolment import Taught

_MOST_SHOWN = 5  # pictures


@click.command("enroll")
@bundle_argument
@click.argument("label")
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--as",
    "disposition",
    type=click.Choice(["ok", "defect"]),
    cls=Described,
    show_default="as the class has it, else as its name says",
    help="What the line does with such parts.",
)
@click.option("--group-from", metavar="REGEX", help="A regular expression that takes the part from a file name.")
@click.option(
    "--keep-images/--no-keep-images",
    cls=Described,
    default=None,
    show_default="as the bundle has it",
    help="Whether pictures are kept: what the network is shown, lossless.",
)
@click.option(
    "--unlabelled",
    type=PATH,
    metavar="DIR",
    help="Refine classes of few images afterwards, by the images in DIR, as `edgefs gallery refine` does.",
)
@click.option(
    "--pending", is_flag=True, help="They don't decide until somebody else approves them (`edgefs gallery approve`)."
)
@click.option("--check", is_flag=True, help="Say what enrolling would do, and change nothing.")
@click.option("--show", type=PATH, metavar="DIR", help="With --check: write pictures kept of the nearest class to DIR.")
@click.option(
    "--force", is_flag=True, help="Enroll although the images look like another class or challenge parts would fail."
)
@provider_option
@apply(ACT)
def command(
    bundle: Path,
    label: str,
    images: tuple[Path, ...],
    disposition: Literal["ok", "defect"] | None,
    group_from: str | None,
    keep_images: bool | None,
    unlabelled: Path | None,
    pending: bool,
    check: bool,
    show: Path | None,
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    provider: str,
    wait: float,
    as_json: bool,
) -> None:
    """Teach LABEL, a new class or a known one, from IMAGES (files or folders).

    Five images of different parts are a good start. All are enrolled or none. `edgefs gallery undo` takes it back.
    """
    _refuse_forgotten(label)
    if show is not None and not check:
        raise click.UsageError("--show DIR is part of --check, which teaches nothing; give --check as well")
    files, others = image_files(images), unlabelled_files([unlabelled]) if unlabelled else []
    groups = _groups(files, group_from)
    with open_classifier(bundle, gallery, provider=provider, wait=wait) as classifier:
        if check:
            advice = classifier.check(label, files, disposition=disposition, groups=groups)
            _tell_advice(classifier, advice, files, show, as_json)
            return
        taught = classifier.enroll(
            label,
            files,
            disposition=disposition,
            groups=groups,
            keep_images=keep_images,
            pending=pending,
            force=force,
            actor=actor,
            reason=reason,
        )
        gained = classifier.refine(others, force=force, actor=actor, reason=reason) if others else {}
        path = classifier.gallery_path
    if as_json:
        echo_json({**vars(taught), "path": str(path), **({"refined": gained} if others else {})})
        return
    kind = "pending" if pending else "new class" if taught.is_new else f"now {taught.total} images"
    _tell_taught(taught, kind, path)
    if others:
        echo_refined(gained)


def _tell_advice(classifier: Classifier, advice: Advice, files: list[Path], show: Path | None, as_json: bool) -> None:
    shown = _show(classifier, advice.nearest, show) if show and advice.nearest else []
    _advise(advice, files, shown, as_json)
    if show and advice.nearest and not shown:
        echo(f"--show: no picture of {advice.nearest} is kept, so nothing was written.", err=True)


def _tell_taught(taught: Taught, kind: str, path: Path | None) -> None:
    number = counted(taught.images, "image")
    echo(f"Enrolled {number} of {taught.label} ({kind}, {taught.disposition}) in {path}")
    if taught.pending:
        echo("They don't decide until somebody else approves them (`edgefs gallery approve`).")
    for known_as, count in taught.again.items():
        echo(_taught_before(known_as, count, taught.images))
    if taught.head_note:
        echo(taught.head_note)


def _refuse_forgotten(label: str) -> None:
    """Where the label was forgotten the first image stands in its place, and would name a class."""
    from edgefs_runtime.images.listing import is_image

    if is_image(label) and Path(label).is_file():
        raise click.UsageError(f"LABEL is missing: {label} is an image; write the class before the images.")


def _taught_before(label: str, count: int, images: int) -> str:
    which = f"{count} of {images} images were" if images > 1 else "The image was"
    return f"{which} taught before, as {label}; an image says nothing new twice: `edgefs gallery undo` takes it back."


def _show(classifier: Classifier, label: str, folder: Path) -> list[Path]:
    """Write some of a class's kept pictures where an operator can look at them."""
    from edgefs_runtime.base.errors import GalleryError
    from edgefs_runtime.images.kept import is_lossless

    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(classifier.thumbnails(label)[:_MOST_SHOWN], start=1):
            written.append(folder / f"nearest-{number}.{'png' if is_lossless(picture) else 'jpg'}")
            written[-1].write_bytes(picture)
    except OSError as error:
        raise GalleryError(f"{folder}: can't be written ({error.strerror or error})") from error
    return written


def _advise(advice: Advice, files: list[Path], shown: list[Path], as_json: bool) -> None:
    if as_json:
        echo_json({**advice.to_json(), "thumbnails": [str(path) for path in shown]})
        return
    kind = "a new class" if advice.is_new else "a class that is known"
    echo(f"{advice.label}: {kind}, {counted(advice.shots, 'image')} of {counted(advice.parts, 'part')}")
    for a, b in advice.duplicates:
        echo(f"  {files[a].name} and {files[b].name} show almost the same: one part")
    if advice.nearest is not None:
        which = "class" if advice.is_new else "other class"
        echo(f"  nearest {which} now, as predict says it: {advice.nearest} {100 * advice.probability:.0f} %")
        for path in shown:
            echo(f"    {path}")
    if advice.judged:
        low, high = advice.expected
        echo(
            f"  {advice.right} of {advice.judged} images would be told rightly had they not been taught: expect "
            f"{100 * low:.0f} to {100 * high:.0f} %"
        )
    if advice.curve:
        points = ", ".join(f"{number}: {100 * share:.0f} %" for number, share in advice.curve)
        echo(f"  told rightly by the number of parts taught: {points}")
    if advice.outlier is not None:
        echo(f"  {files[advice.outlier].name} does not fit the others")
    for label, rows in advice.taken.items():
        echo(f"  takes {counted(rows, 'image')} from {label}")
    for sentence in advice.challenge:
        echo(f"  challenge: {sentence}; enroll needs --force")
    echo(f"  conflict: {advice.conflict}; enroll needs --force" if advice.conflict else "  no conflict")


def _groups(files: list[Path], expression: str | None) -> list[str] | None:
    if expression is None:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise click.BadParameter(f"not a regular expression: {error}", param_hint="--group-from") from error
    found = [pattern.search(path.name) for path in files]
    return [(match[1] if pattern.groups else match[0]) or "" if match else "" for match in found]

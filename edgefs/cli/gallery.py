"""`edgefs gallery`: what was taught on this device."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.options import (
    PATH,
    actor_option,
    bundle_argument,
    echo_json,
    echo_refined,
    gallery_option,
    json_option,
    open_classifier,
    provider_option,
    reason_option,
    unlabelled_files,
)

if TYPE_CHECKING:
    from edgefs_runtime.classifier import Classifier


@click.group("gallery")
def command() -> None:
    """Look at, undo, merge and check what was taught on this device."""


def _echo_note(classifier: Classifier) -> None:
    """Say where another head decides from now on."""
    if classifier.head_note:
        click.echo(classifier.head_note)


@command.command("classes")
@bundle_argument
@gallery_option
@json_option
def classes(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """List the classes with their dispositions and numbers of images."""
    with open_classifier(bundle, gallery) as classifier:
        snapshot, head = classifier.judge.snapshot, classifier.judge.head
        where = classifier.gallery_path
    rows = zip(snapshot.labels, snapshot.dispositions, snapshot.counts.values(), strict=True)
    for label, disposition, count in rows:
        if as_json:
            echo_json({"label": label, "disposition": disposition, "images": count})
        else:
            click.echo(f"{count:>6}  {disposition:<6}  {label}")
    if not as_json:
        made = "" if where is not None and where.exists() else " (not made yet: this is the bundle's seed)"
        click.echo(f"Gallery: {where}{made}; {head} decides")


@command.command("forget")
@bundle_argument
@click.argument("label")
@reason_option
@actor_option
@gallery_option
@json_option
def forget(bundle: Path, label: str, reason: str, actor: str, gallery: Path | None, as_json: bool) -> None:
    """Take the class LABEL away; `edgefs gallery undo` brings it back."""
    from edgefs_runtime.labels import normal_label

    with open_classifier(bundle, gallery) as classifier:
        images = classifier.forget(label, actor=actor, reason=reason)
    label = normal_label(label)
    if as_json:
        echo_json({"label": label, "images": images, "head_note": classifier.head_note})
    else:
        click.echo(f"Forgot {label} ({images} image{'' if images == 1 else 's'}).")
        _echo_note(classifier)


@command.command("refine")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option("--force", is_flag=True, help="Refine although challenge parts would fail.")
@reason_option
@actor_option
@gallery_option
@provider_option
@json_option
def refine(
    bundle: Path,
    images: tuple[Path, ...],
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    provider: str,
    as_json: bool,
) -> None:
    """Refine classes of at most five images by unlabelled IMAGES (files or folders), where that is safe.

    The last 200 are looked at. What surely belongs to a class is averaged and counts for three images more of it;
    often nothing is sure enough. `edgefs gallery undo` takes it back.
    """
    files = unlabelled_files(images)
    with open_classifier(bundle, gallery, provider=provider) as classifier:
        gained = classifier.refine(files, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"refined": gained, "head_note": classifier.head_note})
    else:
        echo_refined(gained)
        _echo_note(classifier)


@command.command("undo")
@bundle_argument
@actor_option
@gallery_option
@json_option
def undo(bundle: Path, actor: str, gallery: Path | None, as_json: bool) -> None:
    """Take back the latest act on this device that is not undone yet."""
    with open_classifier(bundle, gallery) as classifier:
        sentence = classifier.undo(actor=actor)
    if as_json:
        echo_json({"undone": sentence, "head_note": classifier.head_note})
    else:
        click.echo(f"Undone: {sentence}.")
        _echo_note(classifier)


@command.command("log")
@bundle_argument
@gallery_option
@json_option
def log(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """Print the audit log: who taught or removed what, when and why."""
    with open_classifier(bundle, gallery) as classifier:
        if classifier.gallery_path is None or not classifier.gallery_path.exists():
            entries = []
        else:
            entries = classifier.gallery.log()
    for entry in entries:
        if as_json:
            echo_json(asdict(entry))
            continue
        sign = "+" if entry.adds else "-"
        said = "".join(f"  {word}" for word in (entry.actor and f"by {entry.actor}", entry.reason) if word)
        click.echo(f"{entry.time}  {entry.kind:<7} {sign}{entry.images:<4} {entry.label}{said}".rstrip())
    if not entries and not as_json:
        click.echo("Nothing was taught on this device yet.")


@command.command("check")
@click.argument("gallery", type=PATH)
@json_option
def check(gallery: Path, as_json: bool) -> None:
    """Check the file GALLERY: structure, checksums, hash chains. Works on a file too damaged to open."""
    from edgefs_runtime.gallery import check_gallery

    problems = check_gallery(gallery)
    if as_json:
        echo_json({"path": str(gallery), "problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        click.echo(f"{gallery}: {'whole' if not problems else f'{len(problems)} problems'}")
    if problems:
        raise click.exceptions.Exit(1)


@command.command("merge")
@bundle_argument
@click.argument("other", type=PATH)
@click.option("--force", is_flag=True, help="Merge although challenge parts would fail.")
@gallery_option
@json_option
def merge(bundle: Path, other: Path, force: bool, gallery: Path | None, as_json: bool) -> None:
    """Add what the gallery OTHER holds, of another device with the same bundle; its removals too."""
    with open_classifier(bundle, gallery) as classifier:
        rows = classifier.merge(other, force=force)
    if as_json:
        echo_json({"rows": rows, "head_note": classifier.head_note})
    else:
        click.echo(f"Merged {rows} new row{'' if rows == 1 else 's'} from {other}.")
        _echo_note(classifier)


@command.command("export")
@bundle_argument
@click.argument("out", type=PATH)
@gallery_option
def export(bundle: Path, out: Path, gallery: Path | None) -> None:
    """Write the embeddings and labels that count now to OUT (.npz), for analysis elsewhere."""
    from edgefs_runtime.arrays import pack_arrays
    from edgefs_runtime.durable import replace_file
    from edgefs_runtime.errors import GalleryError

    with open_classifier(bundle, gallery) as classifier:
        snapshot = classifier.judge.snapshot
    import numpy as np

    labels = np.array(snapshot.labels, np.str_)[snapshot.classes]
    dispositions = np.array(snapshot.dispositions, np.str_)[snapshot.classes]
    arrays = {"vectors": snapshot.rows[:, 0], "labels": labels, "dispositions": dispositions, "parts": snapshot.parts}
    try:
        replace_file(out, [pack_arrays(arrays)], synced=True)
    except OSError as error:
        raise GalleryError(f"{out}: can't be written ({error.strerror or error})") from error
    click.echo(f"Wrote {len(snapshot.vectors)} embeddings of {len(snapshot.labels)} classes to {out}")

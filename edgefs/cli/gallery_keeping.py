"""`edgefs gallery repair`, `backup`, `restore` and `compact`: what keeps a gallery whole, and its file short."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import (
    PATH,
    actor_option,
    bundle_argument,
    echo_json,
    gallery_option,
    gallery_path_of,
    json_option,
    open_classifier,
    reason_option,
    wait_option,
)
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted


@click.command("repair")
@bundle_argument
@click.option(
    "--from",
    "others",
    multiple=True,
    type=PATH,
    metavar="OTHER",
    help="A backup, or a gallery that this one was merged into: rows come back from it. May be given several times.",
)
@reason_option
@actor_option
@gallery_option
@json_option
def repair(
    bundle: Path,
    others: tuple[Path, ...],
    reason: str,
    actor: str,
    gallery: Path | None,
    as_json: bool,
) -> None:
    """Mend a damaged gallery. The damaged file is kept under another name.

    What can't be read comes back from OTHER, or is taught again from the pictures that the gallery keeps; the rest is
    dropped, and the log says so.
    """
    from edgefs_runtime.classifier import Classifier

    path = gallery_path_of(bundle, gallery)
    with Classifier.open(bundle, seed_only=True) as classifier:  # the gallery may be too damaged to be opened
        repaired = classifier.repair(others, gallery=path, actor=actor, reason=reason)
    kept = None if repaired.kept is None else str(repaired.kept)
    if as_json:
        echo_json({"path": str(path), **vars(repaired), "kept": kept})
        return
    echo(*repaired.problems)
    if kept is None:
        echo(f"{path}: whole, nothing was changed")
        return
    again = sum(repaired.taught.values())
    echo(
        f"Mended {path}: {counted(repaired.brought, 'row')} brought back, {counted(again, 'image')} taught again, "
        f"{counted(repaired.lost, 'row')} lost. The damaged file is kept as {kept}"
    )


@click.command("backup")
@bundle_argument
@click.argument("out", type=PATH)
@gallery_option
@json_option
def backup(bundle: Path, out: Path, gallery: Path | None, as_json: bool) -> None:
    """Write a checked copy of the gallery to OUT, also while a process owns it."""
    from edgefs_runtime.gallery.repairing import back_up

    path = gallery_path_of(bundle, gallery)
    back_up(path, out)
    if as_json:
        echo_json({"path": str(path), "backup": str(out)})
    else:
        echo(f"Wrote a copy of {path} to {out}")


@click.command("restore")
@bundle_argument
@click.argument("copy", type=PATH, metavar="BACKUP")
@click.option("--force", is_flag=True, help="Restore it although challenge parts would fail.")
@reason_option
@actor_option
@gallery_option
@json_option
def restore(
    bundle: Path, copy: Path, force: bool, reason: str, actor: str, gallery: Path | None, as_json: bool
) -> None:
    """Put BACKUP, a copy of a gallery, in the gallery's place; that is kept under another name.

    What was taught after the backup can be merged from there. The restored gallery counts as another device.
    """
    from edgefs_runtime.base.errors import GalleryError
    from edgefs_runtime.classifier import Classifier

    path = gallery_path_of(bundle, gallery)
    unreadable = None
    try:
        classifier = Classifier.open(bundle, gallery=path, challenge=False)
    except GalleryError:  # it can't be opened, and is what a backup is for
        unreadable, classifier = path, Classifier.open(bundle, seed_only=True)
    with classifier:
        kept = classifier.restore(copy, gallery=unreadable, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"path": str(path), "kept": None if kept is None else str(kept)})
    else:
        before = f"; the gallery of before is kept as {kept}" if kept else ""
        echo(f"Restored {path} from {copy}{before}")


@click.command("compact")
@bundle_argument
@click.option(
    "--keep",
    type=click.IntRange(min=0, max=36500),
    metavar="DAYS",
    help="How long what was forgotten can be brought back, from now on; by default 30 days and at most 64 MB of it.",
)
@gallery_option
@wait_option
@json_option
def compact(bundle: Path, keep: int | None, gallery: Path | None, wait: float, as_json: bool) -> None:
    """Let go of the embeddings and pictures of what was forgotten long ago; the audit log stays whole.

    What the latest act took away can still be brought back by `edgefs gallery undo`.
    """
    with open_classifier(bundle, gallery, challenge=False, wait=wait) as classifier:
        path = classifier.gallery_path
        if path is None or not path.exists():
            echo(f"{path}: not made yet, so there is nothing to compact")
            return
        before = path.stat().st_size
        freed = classifier.compact(keep)
    after = path.stat().st_size
    if as_json:
        echo_json({"path": str(path), "images": freed.images, "bytes": freed.bytes, "size": after, "before": before})
    else:
        latest = "" if freed.images else ", what the latest act took away can still be brought back"
        echo(
            f"Compacted {path}: let go of {counted(freed.images, 'forgotten image')}{latest}; "
            f"{before:,} bytes before, {after:,} now"
        )

"""`edgefs gallery`: what was taught on this device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.gallery_carry import carry
from edgefs.cli.gallery_keeping import backup, compact, repair, restore
from edgefs.cli.gallery_log import log
from edgefs.cli.gallery_single import approve, remove
from edgefs.cli.images import unlabelled_files
from edgefs.cli.options import (
    ACT,
    PATH,
    apply,
    bundle_argument,
    echo_head_note,
    echo_json,
    echo_refined,
    gallery_option,
    gallery_path_of,
    json_option,
    open_classifier,
    provider_option,
)
from edgefs.cli.sections import SummarisedGroup
from edgefs.cli.streams import echo
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs_runtime.classifier import Classifier


@click.group("gallery", cls=SummarisedGroup)
def command() -> None:
    """Look at, undo, merge, carry over, check, mend and back up what was taught on this device."""


def _looking(bundle: Path, gallery: Path | None) -> Classifier:
    """The classifier of who only looks: also where challenge parts stop the bundle from deciding."""
    return open_classifier(bundle, gallery, challenge=False)


@command.command("classes")
@bundle_argument
@gallery_option
@json_option
def classes(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """List the classes with their dispositions and numbers of images."""
    from edgefs_runtime.base.state import lies

    with _looking(bundle, gallery) as classifier:
        snapshot, head = classifier.judge.snapshot, classifier.judge.head
        where = classifier.gallery_path
    rows = zip(snapshot.labels, snapshot.dispositions, snapshot.counts.values(), strict=True)
    for label, disposition, count in rows:
        if as_json:
            echo_json({"label": label, "disposition": disposition, "images": count})
        else:
            echo(f"{count:>6}  {disposition:<6}  {label}")
    if not as_json:
        made = "" if where is not None and lies(where) else " (not made yet: this is the bundle's seed)"
        echo(f"Gallery: {where}{made}; {head} decides")


@command.command("forget")
@bundle_argument
@click.argument("label")
@click.option("--force", is_flag=True, help="Forget it although challenge parts would fail.")
@apply(ACT)
def forget(
    bundle: Path, label: str, force: bool, reason: str, actor: str, gallery: Path | None, wait: float, as_json: bool
) -> None:
    """Take the class LABEL away; `edgefs gallery undo` brings it back."""
    from edgefs_runtime.base.labels import normal_label

    with open_classifier(bundle, gallery, wait=wait) as classifier:
        images = classifier.forget(label, force=force, actor=actor, reason=reason)
    label = normal_label(label)
    if as_json:
        echo_json({"label": label, "images": images, "head_note": classifier.head_note})
    else:
        echo(f"Forgot {label} ({counted(images, 'image')}).")
        echo_head_note(classifier)


@command.command("refine")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option("--force", is_flag=True, help="Refine although challenge parts would fail.")
@provider_option
@apply(ACT)
def refine(
    bundle: Path,
    images: tuple[Path, ...],
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    provider: str,
    wait: float,
    as_json: bool,
) -> None:
    """Refine classes of at most five images by unlabelled IMAGES (files or folders), where that is safe.

    The last 200 are looked at. What surely belongs to a class is averaged and counts for three images more of it;
    often nothing is sure enough. `edgefs gallery undo` takes it back.
    """
    files = unlabelled_files(images)
    with open_classifier(bundle, gallery, provider=provider, wait=wait) as classifier:
        gained = classifier.refine(files, force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"refined": gained, "head_note": classifier.head_note})
    else:
        echo_refined(gained)
        echo_head_note(classifier)


@command.command("undo")
@bundle_argument
@click.option("--force", is_flag=True, help="Undo it although challenge parts would fail.")
@apply(ACT)
def undo(bundle: Path, force: bool, reason: str, actor: str, gallery: Path | None, wait: float, as_json: bool) -> None:
    """Take back the latest act on this device that is not undone yet."""
    with open_classifier(bundle, gallery, wait=wait) as classifier:
        sentence = classifier.undo(force=force, actor=actor, reason=reason)
    if as_json:
        echo_json({"undone": sentence, "head_note": classifier.head_note})
    else:
        echo(f"Undone: {sentence}.")
        echo_head_note(classifier)


@command.command("check")
@click.argument("bundle", type=PATH)
@gallery_option
@json_option
def check(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """Check the gallery of BUNDLE: structure, checksums, hash chains.

    A gallery's file may be given in the place of the bundle. It works on one that is too damaged to open.
    """
    from edgefs_runtime.base.state import lies
    from edgefs_runtime.bundle.bundle import is_bundle
    from edgefs_runtime.gallery import check_gallery

    is_of_bundle = gallery is not None or bundle.suffix == ".edgefs" or is_bundle(bundle)
    path = gallery_path_of(bundle, gallery) if is_of_bundle else bundle
    if gallery is None and is_of_bundle and not lies(path):
        if as_json:
            echo_json({"path": str(path), "problems": []})
        else:
            echo(f"{path}: not made yet, so there is nothing to check: nothing was taught under {bundle}")
        return
    problems = check_gallery(path)
    if as_json:
        echo_json({"path": str(path), "problems": problems})
    else:
        echo(*problems)
        number = counted(len(problems), "problem")
        echo(f"{path}: {number if problems else 'whole'}")
    if problems:
        raise click.exceptions.Exit(1)


@command.command("merge")
@bundle_argument
@click.argument("other", type=PATH)
@click.option("--force", is_flag=True, help="Merge although OTHER is another model's, or challenge parts would fail.")
@apply(ACT)
def merge(
    bundle: Path,
    other: Path,
    force: bool,
    reason: str,
    actor: str,
    gallery: Path | None,
    wait: float,
    as_json: bool,
) -> None:
    """Add what the gallery OTHER holds, of another device with the same bundle; its removals too.

    It is one act: `edgefs gallery undo` takes all of it back.
    """
    with open_classifier(bundle, gallery, wait=wait) as classifier:
        merged = classifier.merge(other, force=force, actor=actor, reason=reason)
    if as_json:
        counts = {"added": dict(merged.added), "removed": dict(merged.removed)}
        echo_json({"rows": merged.rows, **counts, "head_note": classifier.head_note})
    else:
        echo(f"Merged {other}: {merged if merged.rows else 'nothing that is not here already'}.")
        echo_head_note(classifier)


@command.command("export")
@bundle_argument
@click.argument("out", type=PATH)
@gallery_option
def export(bundle: Path, out: Path, gallery: Path | None) -> None:
    """Write the embeddings and labels that count now to OUT (.npz), for analysis elsewhere."""
    from edgefs_runtime.base.arrays import pack_arrays
    from edgefs_runtime.base.durable import replace_file
    from edgefs_runtime.base.errors import GalleryError

    with _looking(bundle, gallery) as classifier:
        snapshot = classifier.judge.snapshot
    import numpy as np

    labels = np.array(snapshot.labels, np.str_)[snapshot.classes]
    dispositions = np.array(snapshot.dispositions, np.str_)[snapshot.classes]
    arrays = {"vectors": snapshot.rows[:, 0], "labels": labels, "dispositions": dispositions, "parts": snapshot.parts}
    try:
        replace_file(out, [pack_arrays(arrays)], synced=True)
    except OSError as error:
        raise GalleryError(f"{out}: can't be written ({error.strerror or error})") from error
    echo(f"Wrote {len(snapshot.vectors)} embeddings of {len(snapshot.labels)} classes to {out}")


for part in (approve, backup, compact, remove, repair, restore):
    command.add_command(part)
command.add_command(log)
command.add_command(carry)

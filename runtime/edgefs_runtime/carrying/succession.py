"""What a device was taught under an earlier bundle of the same product, found for a bundle that does not use it.

Opening a bundle mixes nothing: another precision, another model and a gallery that is only called alike each keep what
is theirs. So that nothing is left behind without a word either, one sentence says what lies there and how it is carried
over.
"""

from __future__ import annotations

from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import challenge_folder, challenges_of, galleries_of, gallery_path, lies
from edgefs_runtime.base.wording import counted
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.gallery.belonging import gallery_of

_NAMED = 3  # classes


def sources_of(bundle: Bundle, gallery: Path) -> list[Path]:
    """Galleries in the state folder that what was taught may be carried over from, the likeliest first.

    Those of the same model at another precision; those of the model that it succeeds; and one from before identities
    that goes by the model's name.

    Args:
        bundle: the new one.
        gallery: its own, which is none of them.

    Returns:
        Their paths; one that nothing was taught in need not be there, where challenge parts guard it.
    """
    manifest = bundle.manifest
    found = galleries_of(manifest.identity) if manifest.identity else []
    if manifest.succeeds:
        found += galleries_of(manifest.succeeds) or [_guarded(folder) for folder in challenges_of(manifest.succeeds)]
    named = gallery_path(manifest.name)
    found += [named] if lies(named) or lies(challenge_folder(named)) else []
    return [path for path in found if path != gallery]


def _guarded(folder: Path) -> Path:
    """A gallery that was never taught, but has parts that guard it."""
    return folder.with_name(f"{folder.stem}-{'0' * 8}.gallery")


def named_alike(bundle: Bundle) -> list[Path]:
    """Galleries in the state folder of other models of the bundle's name, which may have nothing to do with it."""
    own = gallery_of(bundle)
    start = own.name[: -len("0123456789abcdef-01234567.gallery")]
    return sorted(path for path in own.parent.glob("*-*-*.gallery") if path.name.startswith(start) and path != own)


def taught_in(gallery: Path) -> list[str]:
    """The classes that were taught on the device and count in a gallery, sorted.

    Raises:
        GalleryError: it can't be read now.
    """
    from edgefs_runtime.gallery.database import connect_reader
    from edgefs_runtime.gallery.loading import load_ledger

    if not lies(gallery):
        return []
    with connect_reader(gallery) as connection:
        return sorted({event.label for event in load_ledger(connection, gallery).taught()})


def unused(bundle: Bundle, gallery: Path) -> dict[Path, str]:
    """Sources of a bundle (`sources_of`) that hold something, and what, in words.

    A name is a guess: where an identity leads to something, what is only called alike is not looked at.
    """
    own = challenge_folder(gallery)
    told = {source: _told(source, own) for source in sources_of(bundle, gallery)}
    found = {source: said for source, said in told.items() if said}
    named = gallery_path(bundle.manifest.name)
    return found if len(found) < 2 else {source: said for source, said in found.items() if source != named}


def sentence_of(bundle: Bundle, gallery: Path) -> tuple[str, ...]:
    """What lies there unused, and the commands that carry it over or leave it; nothing where there is nothing."""
    told = unused(bundle, gallery)
    if not told:
        return ()
    import shlex  # nearly never needed

    carry = f"edgefs gallery carry {shlex.quote(str(bundle.path))}"
    source = "" if len(told) == 1 else " --from GALLERY"
    return (
        f"{bundle.path.name} does not use {'; '.join(told.values())}: `{carry}{source}` brings that over, "
        f"`{carry} --fresh` begins without it",
    )


def _told(gallery: Path, own: Path) -> str:
    from edgefs_runtime.challenge.parts import read_index

    parts = challenge_folder(gallery)
    try:
        labels = taught_in(gallery)
        if not labels:
            known = {part.sha256 for part in read_index(own).parts}
            unused = [part for part in read_index(parts).parts if part.sha256 not in known]
            return f"the challenge parts in {parts.name}" if unused else ""
    except GalleryError as error:
        return f"what was taught in {gallery.name} ({error})"
    names = ", ".join(labels[:_NAMED]) + (" ..." if len(labels) > _NAMED else "")
    return f"{counted(len(labels), 'class', 'classes')} taught in {gallery.name} ({names})"

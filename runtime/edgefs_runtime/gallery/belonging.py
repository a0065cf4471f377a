"""What a bundle and a gallery decide by, together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.base.errors import BundleError, GalleryError
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.snapshot import Snapshot, build_snapshot
from edgefs_runtime.base.state import gallery_path, identity_in, lies

if TYPE_CHECKING:
    from edgefs_runtime.gallery import Seed


def trained_head_of(bundle: Bundle) -> TrainedHead | None:
    """The head that was trained on the workstation, loaded; None where the bundle carries none.

    Raises:
        BundleError: it can't be loaded, or does not fit the seed gallery.
    """
    try:
        model = bundle.trained_head
        return None if model is None else TrainedHead(model, _seed_snapshot(bundle))
    except BundleError as error:
        raise BundleError(f"{bundle.path}: {error}") from error


def judge_by(bundle: Bundle, gallery: Path | None, trained: TrainedHead | None) -> Judge:
    """Decides by what the gallery holds, or by the bundle's seed where there is none yet.

    Args:
        bundle: whose settings count.
        gallery: of this device; None stands for the seed.
        trained: `trained_head_of` the bundle.

    Raises:
        BundleError: the seed does not hold a gallery, or the head is not known to this runtime.
        GalleryError: the gallery is damaged, or does not belong to the bundle.
    """
    if gallery is None or not lies(gallery):
        snapshot = _seed_snapshot(bundle)
    else:
        from edgefs_runtime.gallery import read_snapshot  # SQLite, which a cold start need not wait for

        snapshot = read_snapshot(gallery, seed_of(bundle))
    return Judge(snapshot, bundle.manifest.decision, bundle.digest, trained)


def gallery_of(bundle: Bundle) -> Path:
    """The usual place of the gallery that belongs to a bundle, which need not be there yet."""
    manifest = bundle.manifest
    return gallery_path(manifest.name, manifest.identity, bundle.space_id)


def refuse_another_model(gallery: Path, bundle: Bundle) -> None:
    """Models of one network may share an embedding space, and what one was taught is wrong in the other.

    Raises:
        GalleryError: by its name the gallery belongs to a model of another identity; other names tell nothing.
    """
    named, own = identity_in(gallery), bundle.manifest.identity[:16]
    if named and own and named != own:
        raise GalleryError(
            f"{gallery} belongs to another model (identity {named}, this bundle's is {own}); nothing was merged: to "
            "bring taught classes over to a model made anew use `edgefs gallery carry`, or pass --force"
        )


def warnings_of(bundle: Bundle, provider: str) -> tuple[str, ...]:
    """One sentence each of what speaks against running the bundle on this machine's processor; nearly always none.

    Args:
        bundle: that is opened.
        provider: what computes: nothing is claimed about a GPU.
    """
    entry = bundle.manifest.raw.get("embedder")
    if provider != "cpu" or not isinstance(entry, dict) or not {"target", "isa"} & entry.keys():
        return ()  # it claims nothing, and a cold start need not look
    from edgefs_runtime.base.processor import mismatch, this_processor

    sentence = mismatch(entry, this_processor())
    return (f"{bundle.path.name}: {sentence}",) if sentence else ()


def left_behind(bundle: Bundle, gallery: Path) -> tuple[str, ...]:
    """One sentence, where this device was taught something that a bundle without a gallery of its own does not use.

    Args:
        bundle: that is opened.
        gallery: its usual place.
    """
    if not bundle.manifest.identity or lies(gallery):
        return ()
    from edgefs_runtime.carrying.succession import sentence_of

    return sentence_of(bundle, gallery)


def _seed_snapshot(bundle: Bundle) -> Snapshot:
    return build_snapshot(bundle.seed_enrolments(), 0, bundle.manifest.preprocess.views)


def seed_of(bundle: Bundle) -> Seed:
    """What the bundle says about the gallery that belongs to it."""
    from edgefs_runtime.gallery import Seed

    enrolments = bundle.seed_enrolments()
    dim = enrolments[0].vectors.shape[1] if enrolments else 0
    return Seed(bundle.digest, bundle.space_id, dim, bundle.name, enrolments, bundle.manifest.preprocess.views)

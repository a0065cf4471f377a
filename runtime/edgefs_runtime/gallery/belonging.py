"""Which gallery belongs to a bundle, and what decides by both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import gallery_path, identity_in, lies
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.judge import Judge

if TYPE_CHECKING:
    from edgefs_runtime.gallery import Seed


def judge_by(bundle: Bundle, gallery: Path | None, trained: TrainedHead | None) -> Judge:
    """Decides by what the gallery holds, or by the bundle's seed where there is none yet.

    Args:
        bundle: whose settings count.
        gallery: of this device; None stands for the seed.
        trained: `Bundle.load_trained_head`.

    Raises:
        BundleError: the seed does not hold a gallery, or the head is not known to this runtime.
        GalleryError: the gallery is damaged, or does not belong to the bundle.
    """
    if gallery is None or not lies(gallery):
        return bundle.seed_judge(trained)
    from edgefs_runtime.gallery import read_snapshot  # SQLite, which a cold start need not wait for

    return Judge(read_snapshot(gallery, seed_of(bundle)), bundle.manifest.decision, bundle.digest, trained)


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


def seed_of(bundle: Bundle) -> Seed:
    """What the bundle says about the gallery that belongs to it."""
    from edgefs_runtime.gallery import Seed

    enrolments = bundle.seed_enrolments()
    dim = enrolments[0].vectors.shape[1] if enrolments else 0
    return Seed(bundle.digest, bundle.space_id, dim, bundle.name, enrolments, bundle.manifest.preprocess.views)

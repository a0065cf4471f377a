"""The gallery that something is carried over from, read; and how well its embedder agrees with a new one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError, ImageError
from edgefs_runtime.base.state import challenge_folder, identity_in, lies
from edgefs_runtime.bundle.bundle import Bundle, is_bundle
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.carrying.succession import named_alike, unused
from edgefs_runtime.carrying.taught import Decided, Taught, decided_there, taught_by
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.gallery.belonging import gallery_of
from edgefs_runtime.gallery.database import connect_looking, gallery_errors, read_meta
from edgefs_runtime.gallery.foreign import refuse_damaged
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import load_ledger
from edgefs_runtime.gallery.records import SEED_PREFIX, Meta
from edgefs_runtime.images.kept import is_lossless, read_picture

# The smallest cosine at which two precisions of one model see alike. An int8 network that loses no accuracy comes to
# 0.985 to 0.997 per image: far closer than another image of the class (0.8), and 0.95 is half-way there in distance.
CLOSE = 0.95
NEAR = 0.99  # the same from which a kept picture is as good a witness as the embedding of the frame that it was made of


@dataclass(frozen=True)
class Agreement:
    """How well two bundles embed alike.

    Attributes:
        cosine: the smallest that was measured; 1 where both are one network on one preprocessing.
        inputs: how many images it was measured on.
        of: what they are: `golden inputs`, or `images that both learned from`.
        is_exact: one embedding space: nothing had to be measured.
    """

    cosine: float
    inputs: int = 0
    of: str = ""
    is_exact: bool = False

    @property
    def is_close(self) -> bool:
        """Whether embeddings may be taken as they are."""
        return self.is_exact or self.cosine >= CLOSE

    def is_near(self, anew: NDArray[np.float32], vector: NDArray[np.float32]) -> bool:
        """Whether an image embedded anew is about what it was."""
        return _cosine(anew[None], vector[None]) >= NEAR

    def __str__(self) -> str:
        """Say how well the two bundles agree, as a clause."""
        if self.is_exact:
            return "both bundles have the same network and see alike"
        return f"the two bundles agree by a cosine of at least {self.cosine:.4f} on {self.inputs} {self.of}"


@dataclass(frozen=True)
class Earlier:
    """A gallery that something is carried over from.

    Attributes:
        path: its file.
        bundle: that it belongs to, where that was given.
        space_id: of its embeddings.
        dim: numbers that it keeps of an image.
        taught: what was taught on the device and counts or is pending.
        decided: what decided there; None where that can't be known.
        alignment: of its camera now; None without one.
        seeds: embeddings of the images that its bundles' seeds taught, by digest.
        notes: what was done there that is not carried over.
    """

    path: Path
    bundle: Bundle | None
    space_id: str
    dim: int
    taught: tuple[Taught, ...]
    decided: Decided | None
    alignment: Aligned | None
    seeds: dict[str, NDArray[np.float32]]
    notes: tuple[str, ...]

    def agreement(self, bundle: Bundle) -> Agreement | None:
        """How well its embedder agrees with a new bundle's; None where they are two models, or can't be compared."""
        if self.space_id == bundle.space_id:
            return Agreement(1.0, is_exact=True)
        if not self._may_be_of_the_model(bundle):
            return None
        return self._on_shared_images(bundle) or self._on_golden_inputs(bundle)

    def _may_be_of_the_model(self, bundle: Bundle) -> bool:
        """Whether it is not known to be of another model: what is older than identities does not tell."""
        known = self.bundle.manifest.identity[:16] if self.bundle is not None else identity_in(self.path)
        return known in ("", bundle.manifest.identity[:16])

    def _on_golden_inputs(self, bundle: Bundle) -> Agreement | None:
        if self.bundle is None:
            return None
        old, new = (Golden.from_bytes(one.golden) for one in (self.bundle, bundle))
        if old.vectors.shape != new.vectors.shape or not np.array_equal(old.inputs, new.inputs):
            return None
        return Agreement(_cosine(old.vectors, new.vectors), len(new.inputs), "golden inputs")

    def _on_shared_images(self, bundle: Bundle) -> Agreement | None:
        new = {
            digest: vector
            for enrolment in bundle.seed_enrolments()
            for digest, vector in zip(enrolment.digests, enrolment.vectors, strict=True)
        }
        shared = sorted(digest for digest in self.seeds.keys() & new.keys() if len(new[digest]) == self.dim)
        if not shared:
            return None
        rows = (np.stack([side[digest] for digest in shared]) for side in (self.seeds, new))
        return Agreement(_cosine(*rows), len(shared), "images that both learned from")


def read_earlier(source: Path | None, bundle: Bundle, own: Path, dim: int) -> Earlier:
    """Read what is carried over; nothing is written there.

    Args:
        source: the other bundle or its gallery; None takes the only one in the state folder that is found.
        bundle: the new one.
        own: its gallery.
        dim: D of its embedder.

    Raises:
        BundleError: the other bundle is not whole.
        GalleryError: there is no such gallery, it can't be read, or is this one.
    """
    path, other = _found(source, bundle, own)
    if not lies(path):
        if lies(challenge_folder(path)) and challenge_folder(path) != challenge_folder(own):
            return Earlier(path, other, "", 0, (), None, None, {}, ())
        raise GalleryError(f"nothing was taught under {source}: there is no gallery at {path}")
    _refuse_own(path, own)
    with gallery_errors(path), connect_looking(path) as connection:
        meta, ledger = read_meta(connection, path), load_ledger(connection, path)
        refuse_damaged(ledger, path, "carried over")
        taught = tuple(taught_by(event, ledger, connection) for event in ledger.taught())
    seeds, notes, alignment = _seeds(ledger), _forgotten(ledger, bundle), _alignment(ledger, meta)
    views = _views(path, meta, taught, bundle, dim)
    decided = decided_there(ledger, meta, other, views)
    return Earlier(path, other, meta.space_id, meta.dim, taught, decided, alignment, seeds, notes)


def _views(path: Path, meta: Meta, taught: Sequence[Taught], bundle: Bundle, dim: int) -> int | None:
    """V there, as far as it can be told without the bundle; None where it can't.

    A network of the same identity has the same D. Of another one that is told only where a kept picture agrees.
    """
    views, rest = divmod(meta.dim, dim)
    if rest:
        return None
    if meta.space_id == bundle.space_id or identity_in(path) == bundle.manifest.identity[:16] != "":
        return views
    kept = next((picture for act in taught for picture in act.pictures if is_lossless(picture)), None)
    try:
        return views if kept is not None and read_picture(kept).preprocess.views == views else None
    except ImageError:
        return None


def _found(source: Path | None, bundle: Bundle, own: Path) -> tuple[Path, Bundle | None]:
    if source is None:
        found = list(unused(bundle, own))
        if len(found) == 1:
            return found[0], None
        alike = ", ".join(map(str, named_alike(bundle)))
        here = f"several: {', '.join(map(str, found))}" if found else "none of this model or one that it succeeds"
        here += f", and of others of its name {alike}" if alike and not found else ""
        raise GalleryError(f"which gallery to carry over from? Here is {here}; name it, or its bundle, with --from")
    _refuse_own(source, own)  # before it is opened as a file: closing that would give up this process's lock on it
    if source.suffix == ".edgefs" or is_bundle(source):
        other = Bundle.open(source)
        return gallery_of(other), other
    return source, None


def _refuse_own(path: Path, own: Path) -> None:
    if lies(own) and lies(path) and path.samefile(own):
        raise GalleryError(f"{path} is this bundle's own gallery; --from names another, or the bundle it belongs to")


def _alignment(ledger: Ledger, meta: Meta) -> Aligned | None:
    standing = ledger.alignments(meta.device)
    if not standing:
        return None
    number, alignment = standing[-1]
    event = ledger.events[meta.device, number]
    measure = json.loads(event.payload or "{}").get("measure", {})
    return Aligned(alignment, tuple(json.loads(event.digests)), measure, event.actor, event.reason)


def _seeds(ledger: Ledger) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for event in ledger.events.values():
        if event.device.startswith(SEED_PREFIX) and event.kind == "enroll":
            found.update(zip(json.loads(event.digests), event.enrolment().vectors, strict=True))
    return found


def _forgotten(ledger: Ledger, bundle: Bundle) -> tuple[str, ...]:
    """Classes that were forgotten there and that the new bundle teaches."""
    seeds = {device for device in ledger.tips if device.startswith(SEED_PREFIX)}
    seeded = {event.label for event in ledger.events.values() if event.device in seeds}
    standing = {event.label for seed in seeds for event in ledger.live(seed)}
    gone = sorted((seeded - standing) & set(bundle.manifest.labels))
    return tuple(
        f"{label!r} was forgotten there, and this bundle teaches it: forget it again if need be" for label in gone
    )


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The smallest of the rows."""
    left, right = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float((np.einsum("nd,nd->n", left, right) / np.maximum(lengths, 1e-12)).min())

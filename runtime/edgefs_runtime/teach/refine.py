"""Class means refined by unlabelled embeddings: semi-supervised enrolment.

A buffer of recent, unlabelled rows is taken for what it may be: nearly all of one class, or of a class that nobody
taught, or one image many times. So no prior is assumed, no row must belong anywhere, and of a row that is assigned only
its share in a mean is used:

1. Near-copies of a row, nearer than a share of what an image's own views scatter, count once; those of a
   labelled image not at all.
2. Rows and labelled images are whitened by the scatter within the classes, and laid on the unit sphere.
3. A labelled image and a row are linked where each is among the k nearest rows of the other (a rare class beside a
   frequent one keeps its own neighbours), where the row is clearly nearer to this class than to any other, and where
   the image lies as close to its rows as they lie to each other (else it only borders on what nobody taught).
4. From the linked rows a class grows through mutual neighbours that are nearer to its centre than to any other.
5. A class is given up again where most of its own labelled images are not linked, where they lie farther from the
   middle of what it gained than nearly all of that does, or where, left out, they are not told right with what it
   gained, or less often than before. All are given up where what they gained does not lie apart: where the next
   class's images are hardly farther from a class's rows than these from each other.
6. Of what a class keeps the mean is added to it, and counts like three labelled images, since it lies nearer to the
   true mean than one does. The scatter of the rows is not used: that of one class or of a stranger misleads about the
   others.

No random numbers; the order of the buffer matters only for which of two copies stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.snapshot import REFINED, Enrolment, Snapshot
from edgefs_runtime.teach.enrolment import Seen

_NEIGHBOURS = 10  # k
_COPY = 0.1  # of the views' scatter: squared distance of two rows that show the same
_MARGIN = 1.3  # how much farther the next class must be
_LOOSE = 1.1  # how much farther than its rows from each other a labelled image may lie
_TYPICAL = 5  # neighbours that tell how close rows lie
_ROUNDS = 3  # of growing
_APART = 1.2  # how much farther than rows of a class from each other the next class's images must lie
_LINKED = 0.5  # more than this share of a class's images must be linked
_RARE = 0.1  # share of the rows that may lie farther out than a labelled image
_COUNTS = 3  # labelled images that a mean counts for
_TOLD = 0.8  # at least this share of them must be told right when left out
_SHRINKAGE = 0.5
_MOST_IMAGES = 5  # labelled ones of a class; with more there is nothing to gain

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def pseudo_label(snapshot: Snapshot, buffer: NDArray[np.float32]) -> Labels:
    """Which class each row of a buffer is used for.

    Args:
        snapshot: what was taught.
        buffer: float32 `[m,D]`, unlabelled rows; of each image its first view.

    Returns:
        Classes `[m]`, −1 for rows that are not used.
    """
    labels = np.full(len(buffer), -1, np.int64)
    kept = _without_copies(snapshot, buffer)
    if len(kept) > _TYPICAL and len(snapshot.labels) > 1:
        own, rows = _sphere(snapshot, buffer[kept])
        links, near = _links(snapshot, own, rows)
        found = _grown(snapshot, own, rows, links, near)
        linked = np.bincount(snapshot.classes, weights=links.any(axis=1)) / np.bincount(snapshot.classes)
        sound = (linked > _LINKED) & _inside(snapshot, own, rows, found)
        found[(found >= 0) & ~sound[found]] = -1
        if not _apart(snapshot, own, rows, found):
            found[:] = -1
        labels[kept] = found
        few = np.bincount(snapshot.classes) <= _MOST_IMAGES
        labels[(labels >= 0) & ~few[labels]] = -1
        labels = _confirmed(snapshot, buffer, labels)
    return labels


def refinements(
    snapshot: Snapshot, seen: Sequence[Seen], done: Collection[str], *, actor: str = "", reason: str = ""
) -> list[tuple[Enrolment, int]]:
    """What unlabelled images add to classes, each with the number of images it is the mean of.

    Args:
        snapshot: what was taught.
        seen: the images, at least one.
        done: classes that were refined already, and stay as they are.
        actor: who does it, for the audit log.
        reason: why, for the audit log.
    """
    rows = np.stack([one.vector for one in seen])
    labels = pseudo_label(snapshot, snapshot.seen(rows))
    found = []
    for number, mean in means_of(rows, labels, snapshot.views).items():
        used = np.flatnonzero(labels == number).tolist()
        names = "\n".join(sorted(seen[row].digest for row in used))
        said = f"mean of {len(used)} unlabelled images" + (f": {reason}" if reason else "")
        enrolment = Enrolment(
            label=snapshot.labels[number],
            disposition=snapshot.dispositions[number],
            vectors=mean,
            digests=(hashlib.sha256(names.encode()).hexdigest(),) * len(mean),
            groups=(REFINED,) * len(mean),
            actor=actor,
            reason=said,
        )
        if enrolment.label not in done:
            found.append((enrolment, len(used)))
    return found


def sentences_of(gained: Mapping[str, int]) -> list[str]:
    """What was refined by how many images, for people."""
    if not gained:
        return ["Nothing refined: no unlabelled image belongs surely enough to a class of few images."]
    return [f"Refined {label} by {counted(used, 'unlabelled image')}." for label, used in gained.items()]


def means_of(buffer: NDArray[np.float32], labels: Labels, views: int) -> dict[int, NDArray[np.float32]]:
    """What is added to each class that gained rows: their mean, `[3,V·D]`, the same in every view."""
    return {
        label: np.tile(buffer[labels == label].mean(axis=0, dtype=np.float64), (_COUNTS, views)).astype(np.float32)
        for label in np.unique(labels[labels >= 0]).tolist()
    }


def _without_copies(snapshot: Snapshot, buffer: NDArray[np.float32]) -> Labels:
    """Positions of the rows that are no copy of a labelled image or of an earlier row."""
    views = snapshot.rows.astype(np.float64)
    scatter = float(((views - views.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean())
    rows = np.concatenate([views[:, 0], buffer.astype(np.float64)])
    lengths = np.einsum("md,md->m", rows, rows)
    copies = lengths[:, None] + lengths - 2 * (rows @ rows.T) <= _COPY * scatter + 1e-9 * lengths.max(initial=0.0)
    stands = np.ones(len(rows), bool)
    for i in range(len(rows)):
        if stands[i]:
            stands[i + 1 :] &= ~copies[i, i + 1 :]
    return np.flatnonzero(stands[len(views) :])


def _sphere(snapshot: Snapshot, buffer: NDArray[np.float32]) -> tuple[Matrix, Matrix]:
    """Labelled images `[N,D]` and rows `[m,D]`, whitened by the scatter within the classes, of unit length."""
    views = snapshot.rows.astype(np.float64)
    dim = views.shape[2]
    means = np.stack([views[snapshot.classes == c].reshape(-1, dim).mean(axis=0) for c in range(len(snapshot.labels))])
    residuals = (views - means[snapshot.classes][:, None]).reshape(-1, dim)
    scatter = residuals.T @ residuals / len(residuals)
    level = max(float(np.trace(scatter)) / dim, 1e-12)
    covariance = (1 - _SHRINKAGE) * scatter + _SHRINKAGE * level * np.eye(dim)
    lower = np.linalg.cholesky(covariance)
    white = np.linalg.solve(lower, np.concatenate([views[:, 0], buffer.astype(np.float64)]).T).T
    white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12)
    return white[: len(views)], white[len(views) :]


def _links(snapshot: Snapshot, own: Matrix, rows: Matrix) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Links `[N,m]` of labelled images with rows, and `[m,m]` between rows that are mutual neighbours."""
    between = np.maximum(1 - rows @ rows.T, 0.0)
    np.fill_diagonal(between, np.inf)
    to_own = np.maximum(1 - own @ rows.T, 0.0)
    k = min(_NEIGHBOURS, len(rows) - 1)
    ordered = np.sort(between, axis=1)[:, :k]
    closeness = np.cumsum(ordered, axis=1) / np.arange(1, k + 1)  # mean distance of a row to its nearest 1, 2, …
    radius = ordered[:, -1]
    links = (to_own <= radius) & (to_own <= np.sort(to_own, axis=1)[:, k - 1 : k])
    to_class = np.stack([to_own[snapshot.classes == c].min(axis=0) for c in range(len(snapshot.labels))])
    links &= _to_next(to_class)[snapshot.classes] >= _MARGIN * to_own
    for image, linked in enumerate(links):
        nearest = np.flatnonzero(linked)
        nearest = nearest[np.argsort(to_own[image, nearest], kind="stable")][:_TYPICAL]
        if len(nearest):
            linked &= to_own[image, nearest].mean() <= _LOOSE * closeness[nearest, len(nearest) - 1].mean()
    return links, (between <= radius) & (between <= radius[:, None])


def _grown(snapshot: Snapshot, own: Matrix, rows: Matrix, links: NDArray[np.bool_], near: NDArray[np.bool_]) -> Labels:
    """Classes `[m]` of the rows, −1 for none: linked ones, and what grows from them."""
    index = np.arange(len(snapshot.labels))
    first = _undisputed(np.stack([links[snapshot.classes == c].sum(axis=0) for c in index]))
    found = first
    for _ in range(_ROUNDS):
        centres = np.stack([np.concatenate([own[snapshot.classes == c], rows[found == c]]).mean(axis=0) for c in index])
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        distances = np.maximum(1 - centres @ rows.T, 0.0)
        proposed = _undisputed(np.stack([near[:, found == c].sum(axis=1) for c in index]))
        clear = _to_next(distances) >= _MARGIN * distances
        inside = clear[np.maximum(proposed, 0), np.arange(len(rows))]
        grown = np.where((proposed >= 0) & inside, proposed, first)
        if np.array_equal(grown, found):
            break
        found = grown
    return np.array(found)


def _inside(snapshot: Snapshot, own: Matrix, rows: Matrix, found: Labels) -> NDArray[np.bool_]:
    """Classes `[K]` whose images lie among what the class gained: what they only border on has another middle."""
    inside = np.zeros(len(snapshot.labels), bool)
    for label in np.unique(found[found >= 0]).tolist():
        members = rows[found == label]
        middle, n = members.mean(axis=0), len(members)
        others = (middle * n - members) / max(n - 1, 1)  # of each row, the middle without it
        usual = np.quantile(_cosines(members, others), _RARE)
        inside[label] = np.median(_cosines(own[snapshot.classes == label], middle[None])) >= usual
    return inside


def _cosines(rows: Matrix, middles: Matrix) -> Matrix:
    lengths = np.maximum(np.linalg.norm(middles, axis=1), 1e-12)
    return np.asarray((rows * middles).sum(axis=1) / lengths)


def _apart(snapshot: Snapshot, own: Matrix, rows: Matrix, found: Labels) -> bool:
    """Whether the next class's images lie clearly farther from a class's rows than these do from each other."""
    within = away = 0.0
    counts = np.bincount(snapshot.classes)
    for label in np.unique(found[found >= 0]).tolist():
        members = rows[found == label]
        centre, n = members.mean(axis=0), len(members)
        if n > 1:
            within += (1 - float(centre @ centre)) * n / (n - 1)
            away += np.delete(np.bincount(snapshot.classes, weights=1 - own @ centre) / counts, label).min()
    return away >= _APART * within


def _undisputed(votes: NDArray[np.int64]) -> Labels:
    """The one class `[m]` that has votes `[K,m]` at all; −1 where there is none or there are several."""
    return np.where((votes > 0).sum(axis=0) == 1, votes.argmax(axis=0), -1)


def _to_next(distances: Matrix) -> Matrix:
    """Distance of each row to the nearest class but the one in question, `[K,m]`."""
    two = np.sort(distances, axis=0)[:2]
    return np.asarray(np.where(np.arange(len(distances))[:, None] == distances.argmin(axis=0), two[1], two[0]))


def _confirmed(snapshot: Snapshot, buffer: NDArray[np.float32], labels: Labels) -> Labels:
    """Drop what was found of classes whose own images, left out, speak against it."""
    if not (labels >= 0).any():
        return labels
    counts = np.bincount(snapshot.classes)
    before = _told_right(snapshot, snapshot)
    after = _told_right(snapshot, _with_means(snapshot, buffer, labels))
    sound = (after >= before) & (after >= _TOLD * counts)
    return np.where((labels >= 0) & sound[labels], labels, -1)


def _with_means(snapshot: Snapshot, buffer: NDArray[np.float32], labels: Labels) -> Snapshot:
    means = means_of(buffer, labels, snapshot.views)
    gained = np.repeat(np.array(list(means), np.int64), _COUNTS)
    return snapshot.with_rows(
        np.concatenate([snapshot.vectors, *means.values()]),
        np.concatenate([snapshot.classes, gained]),
        np.concatenate([snapshot.parts, snapshot.parts.max() + 1 + gained]),
    )


def _told_right(snapshot: Snapshot, other: Snapshot) -> Labels:
    """Images `[K]` of each class that are told right when their part is left out, by one that holds means beside."""
    scores = fit_head({"kind": "lda"}, other).left_out(np.arange(len(snapshot.classes))).scores
    right = scores.argmax(axis=1) == snapshot.classes
    return np.bincount(snapshot.classes[right], minlength=len(snapshot.labels))

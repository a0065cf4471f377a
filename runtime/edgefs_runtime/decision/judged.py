"""Which rows of a gallery thresholds and temperature are read off: all of them, or a stratified sample of a large one.

Up to MOST images every one is judged as if its part were not there. Of more than that about MOST are, as many of each
class as of any other where it has them: whole parts, evenly spaced in the order of the gallery. It depends on what the
gallery holds and on nothing else. Means of unlabelled images are no images, and a part of more than MOST_OF_PART of
them would take the class with it: neither is judged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 2000  # images
MOST_OF_PART = 64  # images

Places = NDArray[np.int64]


def is_many(images: int, width: int, views: int) -> bool:
    """Whether a gallery is fitted from its sums and judged by a sample: above MOST images, unless D is larger.

    Args:
        images: that count.
        width: V·D, numbers of an image.
        views: V.
    """
    return images > max(MOST, width // views**2)


def judged(classes: Places, parts: Places, n_classes: int, means: tuple[int, ...] = ()) -> Places:
    """Places `[S]` of the images that are judged, ascending.

    Args:
        classes: `[N]`, of the images.
        parts: `[N]`; images with the same number show the same part.
        n_classes: C.
        means: numbers of the parts that are means of unlabelled images.
    """
    if len(classes) <= MOST:
        return np.arange(len(classes))
    sizes = np.bincount(parts)
    fit = (sizes[parts] <= MOST_OF_PART) & ~np.isin(parts, np.array(means, np.int64))
    order = np.lexsort((np.arange(len(classes)), classes))
    order = order[fit[order]]
    bounds = np.searchsorted(classes[order], np.arange(n_classes + 1))
    of_class = _evenly(np.arange(n_classes), MOST)
    share = _share(np.diff(bounds), MOST)
    chosen = np.concatenate(
        [_parts_of(parts[order[bounds[label] : bounds[label + 1]]], sizes, share) for label in of_class]
    )
    return np.flatnonzero(np.isin(parts, chosen) & fit)


def _share(counts: Places, most: int) -> int:
    """The most images of a class, so that those of all classes `[C]` are at most so many; at least one."""
    share, left, rest = 0, most, np.sort(counts)
    for number, count in enumerate(rest.tolist()):
        classes = len(rest) - number
        if (count - share) * classes > left:
            return max(1, share + left // classes)
        left -= (count - share) * classes
        share = count
    return max(1, share)


def _parts_of(parts: Places, sizes: Places, share: int) -> Places:
    """Some of a class's parts, evenly spaced, with about `share` images."""
    different = np.array(list(dict.fromkeys(parts.tolist())), np.int64)
    if not len(different):
        return different
    images = int(sizes[different].sum())
    wanted = max(1, len(different) * share // max(images, 1)) if images > share else len(different)
    return _evenly(different, wanted)


def _evenly(places: Places, most: int) -> Places:
    if len(places) <= most:
        return places
    return places[(np.arange(most) * len(places)) // most]

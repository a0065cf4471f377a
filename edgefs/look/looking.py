"""Looking turns a data folder and a `Preprocess` into a contact sheet."""

from __future__ import annotations

import dataclasses
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs.data import Dataset, Sample, load_dataset, scale_warning
from edgefs.data.dispositions import dispositions_of
from edgefs.data.samples import LeftOut, relative_name
from edgefs.data.splits.parts import draw_key
from edgefs.data.windows import window_note
from edgefs.look.sheet import Box, ClassShown, LeftOutShown, PictureShown, Sheet, Shown
from edgefs.progress import Steps, silent
from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.thumbnails import thumbnail
from edgefs_runtime.images.usable import unusable

_IMAGES = 4  # shown of each class
_MANY_CLASSES = 50
_FRAME_SIDE = 420  # pixels of the longer side of a frame on the sheet
_LEFT_OUT_SIDE = 200
_MOST_LEFT_OUT = 24  # images that are not used and shown all the same
_SMALL_INPUT = 96  # pixels; up to here every one of them can be seen, so none may be changed
_LAYOUTS = {
    "flat": "one folder for each class; edgefs divides the images into those to learn from and to test on",
    "split": "divided by its folders train, val and test, with one folder for each class in them",
    "mvtec": "MVTec style: train holds good parts alone, test good parts and defects",
    "csv": "a table that names each image and its label",
}


def look_at(
    data: Path,
    preprocess: Preprocess,
    *,
    choose_window: bool = False,
    images: int | None = None,
    ok: Sequence[str] = (),
    seed: int = 0,
    steps: Steps = silent,
) -> Sheet:
    """Read a data folder as `adapt` does, and show some images of each class through a preprocessing.

    Args:
        data: folder or CSV file, as for `adapt`.
        preprocess: from frame to network input.
        choose_window: choose the window of `preprocess` from the images, as `adapt` does.
        images: shown of each class; None shows 4, or 1 of more than 50 classes.
        ok: classes of good parts, beside those whose names say so.
        seed: chooses the images.
        steps: told how the work goes on.

    Raises:
        DataError: as `load_dataset`, or `ok` names a class that is not there.
    """
    dataset = load_dataset(
        data,
        minimum_classes=1,
        ok=ok,
        leave_out_blank=True,
        preprocess=preprocess,
        choose_window=choose_window,
        progress=steps("read images"),
    )
    preprocess = dataclasses.replace(preprocess, window=dataset.window or preprocess.window)
    chosen = window_note(dataset.samples, dataset.window) if choose_window and dataset.window else ""
    dispositions = dispositions_of(dataset.classes, tuple(ok))
    images = images or (_IMAGES if len(dataset.classes) <= _MANY_CLASSES else 1)
    progress, classes = steps("draw"), []
    for number, label in enumerate(dataset.classes):
        progress(number, len(dataset.classes))
        classes.append(_class(dataset, label, dispositions[label], preprocess, images, seed))
    scale = scale_warning(dataset.samples, preprocess)
    return Sheet(
        title=data.resolve().name,
        layout=_LAYOUTS[dataset.layout],
        notes=(*dataset.notes, *filter(None, [chosen, scale])),
        settings=tuple(_settings(preprocess, any(sample.bits > 8 for sample in dataset.samples))),
        input_size=preprocess.size,
        roi=preprocess.roi,
        classes=tuple(classes),
        left_out=tuple(_left_out(item, dataset.root) for item in _some(dataset.left_out)),
        reasons=tuple(_reasons(dataset.left_out)),
        other_files=dataset.other_files,
    )


def _class(
    dataset: Dataset, label: str, disposition: Disposition, preprocess: Preprocess, images: int, seed: int
) -> ClassShown:
    own = [sample for sample in dataset.samples if sample.label == label]
    sides = Counter(sample.split for sample in own)
    return ClassShown(
        label=label,
        disposition=disposition,
        images=len(own),
        sides={side: sides[side] for side in ("train", "val", "test") if sides[side]},
        frames=_frames(own),
        shown=tuple(_shown(sample, dataset.root, preprocess) for sample in _spread(own, images, seed)),
    )


def _spread(samples: Sequence[Sample], number: int, seed: int) -> list[Sample]:
    """One drawn from each of so many stretches of the list: neighbours often show one part, or one hour."""
    bounds = np.linspace(0, len(samples), min(number, len(samples)) + 1).astype(int).tolist()
    stretches = [samples[start:end] for start, end in pairwise(bounds)]
    return [min(stretch, key=lambda sample: draw_key(seed, "look", sample.digest)) for stretch in stretches]


def _shown(sample: Sample, root: Path, preprocess: Preprocess) -> Shown:
    frame = PictureShown(thumbnail(preprocess.open(sample.path), longer=_FRAME_SIDE))
    try:
        pixels = preprocess(sample.path)
        seen, reason = _picture(pixels), unusable(pixels)
    except ImageError as error:
        seen, reason = None, error.reason
    return Shown(
        name=relative_name(sample.path, root),
        size=sample.size,
        frame=frame,
        input=seen,
        kept=_kept(preprocess, sample.size) if seen else None,
        reason=reason,
    )


def _picture(pixels: NDArray[np.uint8]) -> PictureShown:
    buffer, kind = io.BytesIO(), "png" if max(pixels.shape) <= _SMALL_INPUT else "jpeg"
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 92} if kind == "jpeg" else {}))
    return PictureShown(buffer.getvalue(), kind)


def _kept(preprocess: Preprocess, frame: tuple[int, int]) -> Box | None:
    """What `--resize crop` leaves of the region of interest, in the frame."""
    if preprocess.resize != "crop":
        return None
    left, top, width, height = preprocess.roi or (0, 0, frame[1], frame[0])
    turned = preprocess.rotation in (90, 270)
    down, across = preprocess.size[::-1] if turned else preprocess.size
    scale = min(width / across, height / down)
    kept_width, kept_height = round(across * scale), round(down * scale)
    return (left + (width - kept_width) // 2, top + (height - kept_height) // 2, kept_width, kept_height)


def _frames(samples: Sequence[Sample]) -> str:
    heights, widths = zip(*(sample.size for sample in samples), strict=True)
    bits = " and ".join(str(depth) for depth in sorted({sample.bits for sample in samples}))
    if len({sample.size for sample in samples}) == 1:
        return f"{widths[0]} x {heights[0]}, {bits} bits"
    return f"{_span(widths)} wide, {_span(heights)} high, {bits} bits"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _settings(preprocess: Preprocess, deep: bool) -> list[tuple[str, str]]:
    """What happens to a frame, in this order; the window only where frames are so deep that there is one."""
    height, width = preprocess.size
    black, white = preprocess.window
    turned = f"{preprocess.rotation} degrees counter-clockwise" if preprocess.rotation else "none"
    rules = {
        "stretch": "stretched to the input, whatever its shape",
        "pad": "scaled to fit, the rest black",
        "crop": "scaled to cover, the middle is kept",
    }
    window = f"raw values {black} to {white} of frames with more than 8 bits become black to white"
    return [
        ("Region of interest", _region(preprocess.roi)),
        *([("Window", window)] if deep else []),
        ("Rotation", turned),
        ("Channels", "grey" if preprocess.channels == "mono" else "colour"),
        ("Resize", rules[preprocess.resize]),
        ("Network input", f"{width} x {height} pixels"),
    ]


def _region(roi: Box | None) -> str:
    return "the whole frame" if roi is None else f"{roi[2]} x {roi[3]} pixels at ({roi[0]}, {roi[1]})"


def _by_reason(left_out: Sequence[LeftOut]) -> dict[str, list[LeftOut]]:
    """Group images by the reason; reasons that differ in numbers only, such as the image's size, are one."""
    found: dict[str, list[LeftOut]] = {}
    for item in left_out:
        found.setdefault(re.sub(r"\d+", "0", item.reason), []).append(item)
    return found


def _reasons(left_out: Sequence[LeftOut]) -> list[tuple[str, int]]:
    """Each kind of reason, in the words of its first image, and of how many it is one; the most frequent first."""
    kinds = [(items[0].reason, len(items)) for items in _by_reason(left_out).values()]
    return sorted(kinds, key=lambda kind: -kind[1])


def _some(left_out: Sequence[LeftOut]) -> list[LeftOut]:
    """First image of every kind of reason, then more in their order."""
    firsts = [items[0] for items in _by_reason(left_out).values()]
    return [*firsts, *(item for item in left_out if item not in firsts)][:_MOST_LEFT_OUT]


def _left_out(item: LeftOut, root: Path) -> LeftOutShown:
    try:  # a pipe would never end
        picture = PictureShown(thumbnail(item.path, longer=_LEFT_OUT_SIDE)) if item.path.is_file() else None
    except (ImageError, OSError):
        picture = None
    return LeftOutShown(relative_name(item.path, root), item.reason, picture)

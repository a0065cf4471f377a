"""What another preprocessing sees of a kept picture: the same pixels, about the same, or what the picture lacks.

A picture is kept as one preprocessing saw a frame. Where another one sees the same of it, pixel by pixel, nothing is
done. Where it looks at another size, or at a part of what was looked at before, that is cut from the picture and
resized: about what the frame itself would give, and said so. What the picture does not hold can't be made up: a region
beyond the one that was kept, raw values beyond the window's 256 levels, colour that was dropped, another page.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.images.kept import Frame, KeptPicture
from edgefs_runtime.images.preprocess import Placement, Preprocess

Lack = Literal["region", "window", "colour", "page"]
Box = tuple[float, float, float, float]  # left, top, right, bottom

_ROUNDING = 1e-6


class Transferred(NamedTuple):
    """A kept picture as another preprocessing sees it.

    Attributes:
        pixels: uint8 RGB `[H,W,3]`.
        about: how it was kept and how it is looked at now, where both differ; empty where the pixels are what the frame
            itself would give.
    """

    pixels: NDArray[np.uint8]
    about: str


def transferred(kept: KeptPicture, preprocess: Preprocess) -> Transferred | Lack:
    """What a preprocessing sees of a kept picture, or what the picture lacks for it."""
    made, frame = kept.preprocess, kept.frame
    if _look(made, frame) == _look(preprocess, frame):
        return Transferred(kept.pixels, "")
    if (made.page or 1) != (preprocess.page or 1):
        return "page"
    if frame.window(made) != frame.window(preprocess):
        return "window"
    if made.channels == "mono" and preprocess.channels == "rgb" and frame.channels == 3:
        return "colour"
    held, wanted = _Laid.of(made, frame), _Laid.of(preprocess, frame)
    box = held.on_canvas(wanted.seen)
    if box is None:
        return "region"
    return Transferred(_cut(kept, preprocess, box, wanted), _difference(made, preprocess, frame, box, wanted))


def _look(preprocess: Preprocess, frame: Frame) -> tuple[object, ...]:
    """All that decides which pixels come of a frame."""
    return (
        preprocess.size,
        frame.region(preprocess),
        preprocess.rotation,
        preprocess.channels if frame.channels == 3 else "",
        frame.window(preprocess),
        preprocess.resize,
        preprocess.interpolation,
        preprocess.page or 1,
    )


class _Laid(NamedTuple):
    """How a frame lies on the network's input, as if nothing had been turned.

    Attributes:
        region: the part of the frame that is cut out, in its pixels.
        whole: where that lies on the input; with `crop` some of it lies outside.
        canvas: (width, height) of the input.
        seen: the part of the frame that lies on the input.
    """

    region: Box
    whole: Box
    canvas: tuple[int, int]
    seen: Box

    @classmethod
    def of(cls, preprocess: Preprocess, frame: Frame) -> _Laid:
        left, top, width, height = frame.region(preprocess)
        region = (left, top, left + width, top + height)
        canvas = preprocess.size[1], preprocess.size[0]
        place = preprocess.placement(preprocess.input_size(frame.size))
        whole = _box(place)
        for _ in range(preprocess.rotation // 90):
            whole, canvas = _turned_back(whole, canvas), (canvas[1], canvas[0])
        return cls(region, whole, canvas, _mapped(_common(whole, canvas), whole, region))

    @property
    def visible(self) -> tuple[int, int, int, int]:
        """The part of the input that shows the frame."""
        left, top, right, bottom = (round(edge) for edge in _common(self.whole, self.canvas))
        return left, top, right, bottom

    def on_canvas(self, part: Box) -> Box | None:
        """Where a part of the frame lies on the input; None where it does not lie there whole, to a pixel of it."""
        box = _mapped(part, self.region, self.whole)
        visible = _common(self.whole, self.canvas)
        beyond = max(visible[0] - box[0], visible[1] - box[1], box[2] - visible[2], box[3] - visible[3])
        if beyond > 1 + _ROUNDING:
            return None
        left, top = max(box[0], visible[0]), max(box[1], visible[1])
        return left, top, min(box[2], visible[2]), min(box[3], visible[3])


def _cut(kept: KeptPicture, preprocess: Preprocess, box: Box, wanted: _Laid) -> NDArray[np.uint8]:
    """A part of a kept picture, brought to a preprocessing's input."""
    upright = np.rot90(kept.pixels, -(kept.preprocess.rotation // 90))
    image = Image.fromarray(np.ascontiguousarray(upright))
    if preprocess.channels == "mono":
        image = image.convert("L").convert("RGB")
    left, top, right, bottom = wanted.visible
    part = image.resize((right - left, bottom - top), preprocess.resampling, box=box)
    canvas = Image.new("RGB", wanted.canvas)  # black
    canvas.paste(part, (left, top))
    return np.ascontiguousarray(np.rot90(np.asarray(canvas), preprocess.rotation // 90))


def _difference(made: Preprocess, now: Preprocess, frame: Frame, box: Box, wanted: _Laid) -> str:
    """How a picture was kept and how it is looked at, as `kept at 224 x 224, asked at 320 x 320`."""
    left, top, right, bottom = wanted.visible
    sizes = (round(box[2] - box[0]), round(box[3] - box[1])), (right - left, bottom - top)
    pairs = [tuple(f"at {width} x {height}" for width, height in sizes)] if sizes[0] != sizes[1] else []
    named = (("resize", made.resize, now.resize), ("interpolation", made.interpolation, now.interpolation))
    pairs += [(f"by {name} {old}", f"by {name} {new}") for name, old, new in named if old != new]
    if frame.channels == 3 and made.channels != now.channels:
        pairs.append(("in colour", "in grey"))
    if made.rotation != now.rotation:
        pairs.append((f"turned by {made.rotation}", f"turned by {now.rotation}"))
    kept, asked = (" ".join(pair[side] for pair in pairs) for side in (0, 1))
    return f"kept {kept or 'elsewhere'}, asked {asked or 'here'}"


def _box(place: Placement) -> Box:
    return place.left, place.top, place.left + place.width, place.top + place.height


def _turned_back(box: Box, canvas: tuple[int, int]) -> Box:
    """A box after a quarter turn clockwise of the (width, height) canvas that it lies on."""
    left, top, right, bottom = box
    return canvas[1] - bottom, left, canvas[1] - top, right


def _common(box: Box, canvas: tuple[int, int]) -> Box:
    return max(box[0], 0), max(box[1], 0), min(box[2], canvas[0]), min(box[3], canvas[1])


def _mapped(box: Box, before: Box, after: Box) -> Box:
    """A box, moved and stretched as `before` is to become `after`."""
    across, down = ((after[n + 2] - after[n]) / (before[n + 2] - before[n]) for n in (0, 1))
    left, right = (after[0] + (edge - before[0]) * across for edge in (box[0], box[2]))
    top, bottom = (after[1] + (edge - before[1]) * down for edge in (box[1], box[3]))
    return left, top, right, bottom

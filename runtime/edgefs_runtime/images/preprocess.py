"""Preprocessing turns a decoded image into the uint8 tensor that the network is fed with.

A `Preprocess` travels in the bundle, so that workstation and camera can't crop differently. Cast, transpose and
normalisation are not here: they live inside the ONNX graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.base.errors import BundleError, ImageError
from edgefs_runtime.images import Damaged, ImageSource, Picture, open_image
from edgefs_runtime.images.picture import USUAL, looked_up

Resize = Literal["stretch", "pad", "crop"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# The eight symmetries of a square, of [H,W,3]: `h` mirrors left to right, `v` upside down, `t` swaps the axes; the last
# is done first. Those with `t` need a square.
SYMMETRIES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "": lambda pixels: pixels,
    "h": lambda pixels: pixels[:, ::-1],
    "v": lambda pixels: pixels[::-1],
    "hv": lambda pixels: pixels[::-1, ::-1],
    "t": lambda pixels: pixels.swapaxes(0, 1),
    "ht": lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    "vt": lambda pixels: pixels.swapaxes(0, 1)[::-1],
    "hvt": lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
}
MOST_SIDE, MOST_PIXELS = 4096, 1 << 22  # of the network's input
AS_THE_FILE_SAYS = (0, 65535)  # the window that maps what the container calls white to 255
_LATER: dict[str, Any] = {"page": None, "damaged": "refuse"}  # fields that are written only when they say something


class Placement(NamedTuple):
    """Where the cut and turned frame lies on the network's input, pixels; with `crop` it reaches beyond the edges."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Preprocess:
    """How a frame becomes the network's input, in this order.

    Attributes:
        size: (height, width) of the network's input, pixels.
        roi: region of interest (left, top, width, height) in pixels of the upright frame; None takes all of it.
        rotation: counter-clockwise turn after the crop: 0, 90, 180 or 270 degrees.
        channels: `rgb`, or `mono` to drop colour before the network sees three equal channels.
        window: (black, white) raw values of frames with more than 8 bits, grey or colour, mapped linearly to 0..255 and
            clipped. (0, 65535) takes the white that the container states: a PGM's maxval, 4095 of packed 12 bits.
        resize: `stretch` to `size`, `pad` with black to keep the aspect ratio, or `crop` the middle.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`, as Pillow computes them (antialiased).
        symmetries: in which an image that teaches is seen as well, keys of `SYMMETRIES`; only such under which a part
            stays in its class.
        page: which page or frame of a file is looked at, from 1; None where a file must hold just one picture.
        damaged: `refuse`, or `keep` what can be decoded of a JPEG whose scan is damaged.
    """

    size: tuple[int, int]
    roi: tuple[int, int, int, int] | None = None
    rotation: int = 0
    channels: Literal["rgb", "mono"] = "rgb"
    window: tuple[int, int] = AS_THE_FILE_SAYS
    resize: Resize = "stretch"
    interpolation: str = "bilinear"
    symmetries: tuple[str, ...] = ()
    page: int | None = None
    damaged: Damaged = "refuse"

    def __post_init__(self) -> None:
        checks = {
            "size": _are_whole(self.size, 2)
            and min(self.size) >= 1
            and max(self.size) <= MOST_SIDE
            and self.size[0] * self.size[1] <= MOST_PIXELS,
            "roi": self.roi is None or (_are_whole(self.roi, 4) and min(self.roi) >= 0 and min(self.roi[2:]) >= 1),
            "rotation": _are_whole((self.rotation,), 1) and self.rotation in (0, 90, 180, 270),
            "channels": self.channels in ("rgb", "mono"),
            "window": _are_whole(self.window, 2) and 0 <= self.window[0] < self.window[1] <= 65535,
            "resize": self.resize in ("stretch", "pad", "crop"),
            "interpolation": self.interpolation in _FILTERS,
            "page": self.page is None or (isinstance(self.page, int) and self.page >= 1),
            "damaged": self.damaged in ("refuse", "keep"),
            "symmetries": set(self.symmetries) <= set(SYMMETRIES) - {""}
            and len(set(self.symmetries)) == len(self.symmetries)
            and (len(set(self.size)) == 1 or not any("t" in name for name in self.symmetries)),
        }
        for field, valid in checks.items():
            if not valid:
                raise BundleError(
                    f"preprocess.{field} = {getattr(self, field)!r:.200} is not a setting this runtime knows"
                )

    def __call__(self, source: ImageSource | Picture) -> NDArray[np.uint8]:
        """Bring one image to uint8 RGB `[H,W,3]` of `size`.

        Raises:
            ImageError: the source can't be decoded, or the region of interest lies outside it.
        """
        # What is no longer needed is let go before the next copy is made: a frame may fill half of an edge box.
        pixels = self._to_eight_bits(self._cropped(self.open(source)))
        if self.rotation:
            pixels = np.rot90(pixels, self.rotation // 90)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        del pixels
        if self.channels == "mono":
            image = image.convert("L")
        # Grey stays one channel until after the resize: the same values at a third of the work.
        resized = np.asarray(self._resize(image))
        return resized if resized.ndim == 3 else np.repeat(resized[:, :, None], 3, axis=2)

    def open(self, source: ImageSource | Picture) -> Picture:
        """What is seen of a source before it is cut: the page that is looked at, with all its bits.

        Raises:
            ImageError: the source can't be decoded.
        """
        counts = self.window != AS_THE_FILE_SAYS
        return open_image(source, page=self.page, damaged=self.damaged, counts=counts)

    def batch(self, sources: list[ImageSource]) -> NDArray[np.uint8]:
        """Bring several images to one uint8 RGB batch `[N,H,W,3]`."""
        return np.stack([self(source) for source in sources])

    @property
    def views(self) -> int:
        """V, the images that one image which teaches is seen in."""
        return 1 + len(self.symmetries)

    def seen(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The views `[V,H,W,3]` of one preprocessed image `[H,W,3]` that teaches, itself first."""
        return np.stack([SYMMETRIES[name](pixels) for name in ("", *self.symmetries)])

    def input_size(self, frame: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what is left of a (height, width) frame before it is resized, pixels."""
        height, width = (self.roi[3], self.roi[2]) if self.roi else frame
        return (width, height) if self.rotation in (90, 270) else (height, width)

    def placement(self, size: tuple[int, int]) -> Placement:
        """Where a cut and turned frame of (height, width) pixels lies on the input.

        Raises:
            ImageError: it is so long and thin that what is cut away would be larger than any picture.
        """
        height, width = self.size
        if self.resize == "stretch":
            return Placement(0, 0, width, height)
        # ImageOps.pad and fit round otherwise: no bundle of before would pass its self-test (ADR 17).
        pick = min if self.resize == "pad" else max
        scale = pick(width / size[1], height / size[0])
        across, down = max(1, round(size[1] * scale)), max(1, round(size[0] * scale))
        if across * down > USUAL.pixels:
            raise ImageError(f"{size[1]} x {size[0]} is too long and thin to be cut to {width} x {height}")
        return Placement((width - across) // 2, (height - down) // 2, across, down)

    @property
    def resampling(self) -> Image.Resampling:
        """Pillow's filter of this name."""
        return _FILTERS[self.interpolation]

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values; those that came later only where they are not what was always done.

        So the JSON of all others, and with it the name of their embedding space, stays what it was.
        """
        fields = dataclasses.asdict(self)
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in fields.items()
            if key not in _LATER or value != _LATER[key]
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Preprocess:
        """Read settings written by `to_json`; unknown fields are refused, since they would change what is seen.

        Raises:
            BundleError: a field is unknown, missing or out of range.
        """
        try:
            settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
            return cls(**settings)
        except TypeError as error:
            raise BundleError(f"preprocess settings of another runtime: {error}") from error

    def _cropped(self, picture: Picture) -> Picture:
        if self.roi is None:
            return picture
        left, top, width, height = self.roi
        if left + width > picture.width or top + height > picture.height:
            raise ImageError(
                f"region of interest {width} x {height} at ({left}, {top}) lies outside the image of "
                f"{picture.width} x {picture.height}"
            )
        return Picture(picture.pixels[top : top + height, left : left + width], picture.white)

    def _to_eight_bits(self, picture: Picture) -> NDArray[np.uint8]:
        if picture.pixels.dtype == np.uint8:
            return picture.pixels
        black, white = (0, picture.white) if self.window == AS_THE_FILE_SAYS else self.window
        return looked_up(_grey_levels(black, white), picture.pixels)

    def _resize(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        place = self.placement((image.height, image.width))
        scaled = image if image.size == place[2:] else image.resize(place[2:], self.resampling)
        if self.resize == "stretch":
            return scaled
        canvas = Image.new(scaled.mode, (width, height))  # black
        canvas.paste(scaled, place[:2])
        return canvas


def _are_whole(values: Sequence[object], count: int) -> bool:
    return len(values) == count and all(isinstance(value, int) and not isinstance(value, bool) for value in values)


@lru_cache(maxsize=4)
def _grey_levels(black: int, white: int) -> NDArray[np.uint8]:
    """uint8 `[65536]`: the grey level of every raw count."""
    values = np.arange(65536).astype(np.float32)
    scaled = np.clip((values - black) * (255.0 / (white - black)), 0, 255)
    return np.asarray(np.rint(scaled), np.uint8)

"""From a decoded image to the uint8 tensor the network is fed with.

A `Preprocess` travels in the bundle, so that workstation and camera can't crop differently. Cast, transpose and
normalisation are not here: they live inside the ONNX graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.errors import BundleError, ImageError
from edgefs_runtime.images import ImageSource, open_image

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
_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Preprocess:
    """How a frame becomes the network's input, in this order.

    Attributes:
        size: (height, width) of the network's input, pixels.
        roi: region of interest (left, top, width, height) in pixels of the upright frame; None takes all of it.
        rotation: counter-clockwise turn after the crop: 0, 90, 180 or 270 degrees.
        channels: `rgb`, or `mono` to drop colour before the network sees three equal channels.
        window: (black, white) raw values of frames with more than 8 bits, mapped linearly to 0..255 and clipped.
        resize: `stretch` to `size`, `pad` with black to keep the aspect ratio, or `crop` the middle.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`, as Pillow computes them (antialiased).
        symmetries: in which an image that teaches is seen as well, keys of `SYMMETRIES`; only such under which a part
            stays in its class.
    """

    size: tuple[int, int]
    roi: tuple[int, int, int, int] | None = None
    rotation: int = 0
    channels: Literal["rgb", "mono"] = "rgb"
    window: tuple[int, int] = (0, 65535)
    resize: Resize = "stretch"
    interpolation: str = "bilinear"
    symmetries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks = {
            "size": len(self.size) == 2 and min(self.size) >= 1,
            "roi": self.roi is None or (len(self.roi) == 4 and min(self.roi) >= 0 and min(self.roi[2:]) >= 1),
            "rotation": self.rotation in (0, 90, 180, 270),
            "channels": self.channels in ("rgb", "mono"),
            "window": len(self.window) == 2 and 0 <= self.window[0] < self.window[1] <= 65535,
            "resize": self.resize in ("stretch", "pad", "crop"),
            "interpolation": self.interpolation in _FILTERS,
            "symmetries": set(self.symmetries) <= set(SYMMETRIES) - {""}
            and len(set(self.symmetries)) == len(self.symmetries)
            and (len(set(self.size)) == 1 or not any("t" in name for name in self.symmetries)),
        }
        for field, valid in checks.items():
            if not valid:
                raise BundleError(f"preprocess.{field} = {getattr(self, field)!r} is not a setting this runtime knows")

    def __call__(self, source: ImageSource) -> NDArray[np.uint8]:
        """Bring one image to uint8 RGB `[H,W,3]` of `size`.

        Raises:
            ImageError: the source can't be decoded, or the region of interest lies outside it.
        """
        image = self.region(source)
        if self.rotation:
            image = image.transpose(_TURNS[self.rotation])
        if self.channels == "mono":
            image = image.convert("L")
        # Grey stays one channel until after the resize: the same values at a third of the work.
        pixels = np.asarray(self._resize(image))
        return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)

    def region(self, source: ImageSource) -> Image.Image:
        """The region of interest in 8 bits, before it is turned and resized: what a kept picture shows.

        Raises:
            ImageError: the source can't be decoded, or the region of interest lies outside it.
        """
        return self._to_eight_bits(self._crop(open_image(source)))

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

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
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

    def _crop(self, image: Image.Image) -> Image.Image:
        if self.roi is None:
            return image
        left, top, width, height = self.roi
        if left + width > image.width or top + height > image.height:
            raise ImageError(
                f"region of interest {width} x {height} at ({left}, {top}) lies outside the image of "
                f"{image.width} x {image.height}"
            )
        return image.crop((left, top, left + width, top + height))

    def _to_eight_bits(self, image: Image.Image) -> Image.Image:
        if image.mode != "I;16":
            return image
        black, white = self.window
        values = np.asarray(image).astype(np.float32)
        scaled = np.clip((values - black) * (255.0 / (white - black)), 0, 255)
        return Image.fromarray(np.rint(scaled).astype(np.uint8))

    def _resize(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        resample = _FILTERS[self.interpolation]
        if self.resize == "stretch":
            return image if image.size == (width, height) else image.resize((width, height), resample)
        pick = min if self.resize == "pad" else max
        scale = pick(width / image.width, height / image.height)
        scaled = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resample)
        left, top = (width - scaled.width) // 2, (height - scaled.height) // 2
        canvas = Image.new(scaled.mode, (width, height))  # black
        canvas.paste(scaled, (left, top))
        return canvas

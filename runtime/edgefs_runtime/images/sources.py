"""What a caller gives as images, taken apart into single frames: one that is given alone is one, never a batch.

    given                                                        is
    a path, the bytes of a file, an open file, a Pillow image    one frame
    an array [H,W], [H,W,1], [H,W,3] or [H,W,4]                  one frame
    an array [N,H,W,C], or [N,H,W] with W other than 1, 3, 4     N frames
    anything else that can be iterated over                      its items, one frame each

What is none of these is one frame that can't be read: whoever reads it gets an `ImageError` that says what it is, as
for `None`, which `cv2.imread` returns in the place of an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images import ImageSource, read_file

Source: TypeAlias = "ImageSource | bytearray | memoryview | IO[bytes]"
Images: TypeAlias = "Source | Iterable[Source]"
Name = TypeVar("Name")

_CHANNELS = (1, 3, 4)  # of the last axis of one frame
_MISSING = object()
_ACCEPTED = "a path, the bytes of a file, an open file, a Pillow image or an array"


class Frame(NamedTuple):
    """One image as the caller gave it.

    Attributes:
        given: what was given.
        number: its place among those given, from 0; None where it was given alone.
    """

    given: Any
    number: int | None = None

    @property
    def path(self) -> Path | None:
        """Path of the file, where the frame was given by one."""
        return Path(self.given) if isinstance(self.given, (str, os.PathLike)) else None

    @property
    def name(self) -> str:
        """What an error calls it: `image 1 (b.jpg)`, `image 1`, or of one given alone its path, if it has one."""
        if self.number is None:
            return "" if self.path is None else str(self.path)
        return f"image {self.number}" + ("" if self.path is None else f" ({self.path})")

    def source(self) -> ImageSource:
        """What `open_image` takes. An open file is read from its beginning.

        Raises:
            ImageError: it is nothing that can hold an image, or the file can't be read.
        """
        given = self.given
        if self.path is not None:
            return self.path
        if isinstance(given, (bytes, Image.Image, np.ndarray)):
            return given
        if isinstance(given, (bytearray, memoryview)):
            return bytes(given)
        if hasattr(given, "read"):
            return _content(given)
        if _is_like_an_array(given):
            return np.asarray(given)
        what = "None, which is what cv2.imread gives for a missing file" if given is None else type(given).__name__
        raise ImageError(f"no image ({what}); expected {_ACCEPTED}")

    def named(self, error: ImageError) -> ImageError:
        """The error, saying which image it is about."""
        return error if error.image else ImageError(error.reason, self.name)


def frames_of(images: Images) -> Iterator[Frame]:
    """Single frames, one after the other; nothing is read yet, and of a generator nothing is taken in advance."""
    if not is_one(images):
        for number, image in enumerate(images):  # type: ignore[arg-type]  # what can't be iterated over is one
            yield Frame(image, number)
    else:
        yield Frame(images)


def is_one(images: object) -> bool:
    """Whether this is one frame, by the table above, and not several."""
    if isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)) or hasattr(images, "read"):
        return True
    if _is_like_an_array(images):
        array = np.asarray(images)
        stack = array.ndim == 4 or (array.ndim == 3 and array.shape[2] not in _CHANNELS)
        return not stack and (array.ndim == 0 or array.dtype.kind not in "OUS")  # a column of paths is several
    return not isinstance(images, Iterable)


def named_frames(images: Images, names: Iterable[Name] | None, what: str) -> Iterator[tuple[Frame, Name | None]]:
    """Single frames, each with the name that the caller gives it, if it gives any.

    Args:
        images: one frame or several, as `frames_of` takes them.
        names: one for each image; a text is the name of one.
        what: what the names are, for the message.

    Raises:
        ValueError: there are more or fewer names than images; where both can be counted, before the first frame.
    """
    frames = frames_of(images)
    if names is None:
        yield from ((frame, None) for frame in frames)
        return
    names = cast("Iterable[Name]", [names]) if isinstance(names, str) else names
    given = 1 if is_one(images) else len(images) if isinstance(images, Sized) else None
    if given is not None and isinstance(names, Sized) and given != len(names):
        raise ValueError(f"{counted(given, 'image')} and {len(names)} {what}; expected one for each")
    left = iter(names)
    for count, frame in enumerate(frames):
        name: Any = next(left, _MISSING)
        if name is _MISSING:
            raise ValueError(f"{count} {what} for more images; expected one for each")
        yield frame, name
    if next(left, _MISSING) is not _MISSING:
        raise ValueError(f"more {what} than images; expected one for each")


def _content(file: IO[bytes]) -> bytes:
    try:
        if file.seekable():
            file.seek(0)  # what was just written to a BytesIO stands at its end
        data: object = file.read()
    except (OSError, ValueError, AttributeError) as error:
        raise ImageError(f"the file can't be read ({error})") from error
    if not isinstance(data, bytes):
        what = type(data).__name__
        raise ImageError(
            f"reading it gives {what}, not bytes; expected a file open in binary mode, as open(path, 'rb')"
        )
    return data


def _is_like_an_array(given: object) -> bool:
    """Whether numpy takes it as it is: an array, a tensor, a column of a table."""
    return hasattr(given, "__array_interface__") or hasattr(given, "__array__")


def read_all(frame: Frame) -> bytes:
    """The bytes of the file that a frame was given as.

    Raises:
        ImageError: it was not given as a file, or that can't be read.
    """
    source = frame.source()
    if isinstance(source, Path):
        return read_file(source)
    if not isinstance(source, bytes):
        raise ImageError("only files are kept; give the path of one, its bytes, or the file opened")
    return source

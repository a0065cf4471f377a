"""Image files: naming them by their content, and reading them into pixels, safely.

- `open_image` settles what is seen, whatever the container (`decoding`); what it returns is a `Picture`.
- `content_digest` names a file by its bytes.
- `formats` says which kinds of files are images, `listing` which of a folder's files.
- `decoding.DECODERS` names the reader of each kind of file. A container whose decoder hides what must be known has one
  of its own (`jpeg`, `png`, `tiff`, `netpbm`); the others are Pillow's (`pillow`). `alpha`, `depth` and `orientation`
  hold the rules that are the same for all.
"""

from edgefs_runtime.images.decoding import Damaged, ImageSource, open_image
from edgefs_runtime.images.files import content_digest, read_file
from edgefs_runtime.images.picture import Picture, Pixels

__all__ = [
    "Damaged",
    "ImageSource",
    "Picture",
    "Pixels",
    "content_digest",
    "open_image",
    "read_file",
]

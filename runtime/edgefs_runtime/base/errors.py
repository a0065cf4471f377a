"""What can go wrong and be cured by the user.

    EdgefsError
    ├── ImageError      an image that can't be read or is not usable
    ├── BundleError     a file that is not a whole, matching bundle
    ├── ProviderError   a GPU or library that is asked to compute, and is missing or computes something else
    ├── GalleryError    a gallery that can't be opened, written or matched
    ├── DataError       a folder of images that can't be learned from
    ├── WeightsError    pretrained weights that can't be had or don't fit
    ├── TrainingError   a training that can't start, or that diverges
    ├── RunError        a RUN folder that is not whole, or that something else lies in
    ├── ExportError     a network that can't be exported, or whose export does not compute the same
    └── MissingExtraError  a command whose optional packages are not installed

Every message is one line and says what was expected, what was found and what to do. The command line prints it and
exits with status 1. Anything else that is raised is a fault of ours and keeps its traceback.
"""

from edgefs_runtime.base.wording import plain


class EdgefsError(Exception):
    """Base of every error that a user can cause and cure; printed or logged, its message stays one line."""

    def __str__(self) -> str:
        return plain(super().__str__())


class ImageError(EdgefsError):
    """An image can't be decoded, is too large, or lies outside what the preprocessing accepts.

    Attributes:
        reason: what is wrong with it, without its name.
        image: which of those given it is, as `image 1 (b.jpg)`; empty where only one is spoken of.
    """

    def __init__(self, reason: str = "", image: str = "") -> None:
        super().__init__(*((reason, image) if image else (reason,)))
        self.reason = reason
        self.image = image

    def __str__(self) -> str:
        return plain(f"{self.image}: {self.reason}" if self.image else self.reason)


class BundleError(EdgefsError):
    """A bundle is no bundle, is damaged, of another format, or fails its self-test."""


class ProviderError(EdgefsError):
    """What was asked to compute is missing on this machine, does not work, or computes something else."""


class GalleryError(EdgefsError):
    """A gallery is damaged, locked, of a newer schema, or of another embedding space."""


class DataError(EdgefsError):
    """A data folder has no usable layout, too few classes, or too few images."""


class WeightsError(EdgefsError):
    """There is no backbone of that name, or its weights can't be downloaded, read, or fitted into it."""


class TrainingError(EdgefsError):
    """A training lacks what it needs, or its loss is no number any more."""


class RunError(EdgefsError):
    """A RUN folder is missing, incomplete or of another version, or its place is taken by something else."""


class ExportError(EdgefsError):
    """A network can't be written as ONNX, or onnxruntime computes something else than torch did."""


class MissingExtraError(EdgefsError):
    """A command needs an optional part of the installation; the message holds the `pip install` that cures it."""

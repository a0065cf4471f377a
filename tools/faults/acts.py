"""The acts that are tortured: what a line does to its gallery in a day, in four sessions, each acknowledged."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bundles import in_one_view
from PIL import Image

from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.challenge import Challenge
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.gallery import Gallery, Seed
from edgefs_runtime.gallery.belonging import seed_of

BUNDLE = Path(__file__).parents[2] / "tests" / "golden" / "tiny.edgefs"
GALLERY = "line.gallery"
Acknowledge = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """A bundle in use, opened once, with the two galleries that are merged: `strangers`, at rest elsewhere."""

    bundle: Bundle
    embedder: OnnxEmbedder
    seed: Seed
    strangers: tuple[Path, ...]

    @classmethod
    def open(cls, elsewhere: Path) -> Line:
        """Make what the acts need in a folder that is left alone."""
        return cls._with(Bundle.open(BUNDLE), elsewhere)

    @classmethod
    def of_one_view(cls, elsewhere: Path) -> Line:
        """The same with a bundle whose rows are an eighth as long, for galleries of many."""
        return cls._with(Bundle.open(in_one_view(BUNDLE, elsewhere / "one-view.edgefs")), elsewhere)

    @classmethod
    def _with(cls, bundle: Bundle, elsewhere: Path) -> Line:
        line = cls(bundle, OnnxEmbedder(bundle.model, threads=1), seed_of(bundle), ())
        paths = []
        for number, label in enumerate(("extra", "more")):
            paths.append(elsewhere / f"{label}.gallery")
            with Gallery.open(paths[-1], line.seed) as gallery:
                gallery.enroll(enrolment(label, 3, line.seed.dim))
                gallery.enroll(enrolment("dots", 2, line.seed.dim, number=number))
        return cls(line.bundle, line.embedder, line.seed, tuple(paths))

    def challenge(self, gallery: Path) -> Challenge:
        """The parts that guard a gallery."""
        return Challenge(challenge_folder(gallery), self.bundle, self.embedder)

    def judge(self, gallery: Gallery) -> Judge:
        """Decides by what a gallery holds."""
        return Judge(gallery.snapshot(), self.bundle.manifest.decision, self.bundle.digest)


@functools.cache
def whole_line() -> Line:
    """The golden bundle in use, alone."""
    bundle = Bundle.open(BUNDLE)
    return Line(bundle, OnnxEmbedder(bundle.model, threads=1), seed_of(bundle), ())


def enrolment(label: str, count: int, dim: int, *, number: int = 0, thumbnail: int = 0) -> Enrolment:
    """`count` unit embeddings [count, dim] that label and number choose; thumbnails of so many bytes."""
    digests = tuple(hashlib.sha256(f"{label} {number} {image}".encode()).hexdigest() for image in range(count))
    chance = np.random.default_rng(int(digests[0][:12], 16))
    vectors = chance.standard_normal((count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pictures = tuple(chance.bytes(thumbnail) for _ in range(count))
    return Enrolment(label, "ok" if label == "good" else "defect", vectors, digests, thumbnails=pictures)


def photograph(number: int) -> bytes:
    """A PNG file of noise, another for each number."""
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def day(line: Line, folder: Path, acknowledge: Acknowledge, size: int = 1) -> None:
    """Enroll, undo, forget, merge and keep challenge parts in `folder`; `size` multiplies the images of one act."""
    path, dim = folder / GALLERY, line.seed.dim

    def done(gallery: Gallery) -> None:
        acknowledge(json.dumps(state_of(line, gallery)))

    with Gallery.open(path, line.seed) as gallery:
        for number in range(2):
            gallery.enroll(enrolment("crack", 3, dim, number=number, thumbnail=900))
            done(gallery)
        gallery.undo()
        done(gallery)
    with Gallery.open(path, line.seed) as gallery:
        gallery.enroll(enrolment("flake", 5 * size, dim, thumbnail=2000))
        done(gallery)
        gallery.forget("crack")
        done(gallery)
        gallery.merge(line.strangers[0])
        done(gallery)
    with Gallery.open(path, line.seed) as gallery:
        line.challenge(path).add([photograph(1), photograph(2)], "NG", line.judge(gallery))
        done(gallery)
        gallery.undo()
        done(gallery)
        gallery.merge(line.strangers[1])
        done(gallery)
    with Gallery.open(path, line.seed) as gallery:
        gallery.enroll(enrolment("flake", 4 * size, dim, number=2))
        done(gallery)
        line.challenge(path).add([photograph(3)], "NG", line.judge(gallery))
        done(gallery)


def state_of(line: Line, gallery: Gallery) -> dict[str, object]:
    """What must still be there when this was acknowledged: rows of the log, images that count, challenge parts."""
    return {
        "log": [entry.hash for entry in gallery.log()],
        "counts": dict(gallery.snapshot().counts),
        "parts": [part.sha256 for part in line.challenge(gallery.path).parts()],
    }

"""The folder of challenge parts: what it costs, and what a kill or damage leaves of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import remade
from kept_parts import keep, results

from edgefs_runtime import Bundle, Classifier, GalleryError
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.challenge import ChallengePart
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import Backend
from edgefs_runtime.images import content_digest

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


class Counting:
    """The bundle's own embedder, counting what it is asked."""

    def __init__(self, bundle: Path) -> None:
        self._embedder = OnnxEmbedder(Bundle.open(bundle).model)
        self.dim = self._embedder.dim
        self.images = 0

    def embed(self, images: np.ndarray) -> np.ndarray:
        self.images += len(images)
        return self._embedder.embed(images)


def test_a_warm_challenge_costs_no_inference(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    keep(bundle, gallery, pictures("dots", 3), "NG")
    embedder = Counting(bundle)
    with Classifier(Bundle.open(bundle), Backend(embedder, "cpu", "counting", True), gallery) as classifier:
        embedder.images = 0
        warm = classifier.challenge.judged(classifier.judge)
        assert embedder.images == 0
        (vectors,) = challenge_folder(gallery).glob("vectors-*.npz")
        vectors.unlink()
        assert classifier.challenge.judged(classifier.judge) == warm
        assert embedder.images == 3
        assert classifier.challenge.judged(classifier.judge) == warm
        assert embedder.images == 3


def _flipped(data: bytes) -> bytes:
    at = data.index(b"vectors.npy") + 160
    return data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :]


def _without_a_bracket(data: bytes) -> bytes:
    at = data.index(b")", data.index(b"'shape': ("))
    return data[:at] + b" " * 4 + data[at + 4 :]  # numpy's tokenizer finds no end of such a header


@pytest.mark.parametrize(
    "damage", [_flipped, _without_a_bracket, lambda data: data[:-50], lambda data: b"", lambda data: b"x" * 500]
)
def test_damaged_vectors_are_computed_again(
    bundle: Path, gallery: Path, pictures: Pictures, damage: Callable[[bytes], bytes]
) -> None:
    keep(bundle, gallery, pictures("dots", 3), "NG")
    (vectors,) = challenge_folder(gallery).glob("vectors-*.npz")
    whole = vectors.read_bytes()
    vectors.write_bytes(damage(whole))
    assert results(bundle, gallery) == {f"dots-{number}.png": True for number in (100, 101, 102)}
    assert vectors.read_bytes() == whole


def test_a_kill_before_the_index_leaves_a_file_that_nothing_names(
    bundle: Path, gallery: Path, pictures: Pictures
) -> None:
    first, second = pictures("dots", 2)
    folder = challenge_folder(gallery)
    folder.mkdir()
    orphan = folder / f"{content_digest(first)}.png"
    orphan.write_bytes(first.read_bytes()[:100])  # as a foreign copy program may leave it; ours appear whole
    with Classifier.open(bundle, gallery=gallery) as classifier:
        assert classifier.challenge.parts() == ()
        assert classifier.challenge.run(classifier.judge) == []
        assert classifier.enroll("checks", pictures("checks", 3)).images == 3
    keep(bundle, gallery, [second], "NG")
    assert results(bundle, gallery) == {second.name: True}
    keep(bundle, gallery, [first], "NG")
    assert orphan.read_bytes() == first.read_bytes()
    assert results(bundle, gallery) == {first.name: True, second.name: True}


def test_a_kept_image_that_is_lost_or_damaged_fails_and_adding_it_heals(
    bundle: Path, gallery: Path, pictures: Pictures
) -> None:
    first, second = pictures("dots", 2)
    keep(bundle, gallery, [first, second], "NG")
    folder = challenge_folder(gallery)
    (folder / f"{content_digest(first)}.png").unlink()
    (folder / f"{content_digest(second)}.png").write_bytes(first.read_bytes())
    assert results(bundle, gallery) == {first.name: True, second.name: True}  # their embeddings are kept
    next(folder.glob("vectors-*.npz")).unlink()
    with Classifier.open(bundle, gallery=gallery) as classifier:
        lost, damaged = classifier.challenge.run(classifier.judge)
    assert lost.got == "NO_DECISION (its kept image can't be read: No such file or directory)"
    assert damaged.got == "NO_DECISION (its kept image is damaged; add it again)"
    keep(bundle, gallery, [first, second], "NG")
    assert results(bundle, gallery) == {first.name: True, second.name: True}


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-20],
    "no JSON": lambda data: b"\x00\xff" * 50,
    "a list": lambda data: b"[]",
    "no parts": lambda data: b'{"format": 1, "bundle": ""}',
    "parts of another kind": lambda data: b'{"format": 1, "bundle": "", "parts": [1]}',
    "a path for a digest": lambda data: data.replace(b'"sha256": "', b'"sha256": "../'),
    "a verdict that is none": lambda data: data.replace(b'"NG"', b'"PERHAPS"'),
    "a text that is none": lambda data: data.replace(b'"name": "', b'"name": "\\ud800'),
    "a flag that is none": lambda data: data.replace(b"true", b'"yes"'),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_index_is_one_clear_error_and_nothing_is_taught(
    bundle: Path, gallery: Path, pictures: Pictures, fault: str
) -> None:
    keep(bundle, gallery, pictures("dots", 1), "NG")
    index = challenge_folder(gallery) / "parts.json"
    index.write_bytes(DAMAGED[fault](index.read_bytes()))
    with pytest.raises(GalleryError, match=r"parts\.json: the index of the challenge parts is damaged"):
        Classifier.open(bundle, gallery=gallery)
    with Classifier.open(bundle, gallery=gallery, challenge=False) as classifier:
        with pytest.raises(GalleryError, match="damaged"):
            classifier.enroll("checks", pictures("checks", 3))
        assert not gallery.exists()
        assert classifier.enroll("checks", pictures("checks", 3), force=True).images == 3


def test_an_index_of_a_newer_format_is_refused(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    keep(bundle, gallery, pictures("dots", 1), "NG")
    index = challenge_folder(gallery) / "parts.json"
    index.write_bytes(index.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(GalleryError, match="format 2, this runtime reads 1; update edgefs"):
        Classifier.open(bundle, gallery=gallery)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_folder_that_can_only_be_read_still_guards(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path, tmp_path: Path
) -> None:
    keep(bundle, gallery, [unknown_part], "NG")
    challenge_folder(gallery).chmod(0o500)
    try:
        other = remade(bundle, tmp_path / "other.edgefs", version="2")
        with Classifier.open(other, gallery=gallery) as classifier:
            assert not classifier.challenge.is_accepted()
            with pytest.raises(GalleryError, match="can't be written"):
                classifier.challenge.add(pictures("dots", 1), "NG", classifier.judge)
            with pytest.raises(GalleryError, match="nothing was enrolled"):
                classifier.enroll("variant B", pictures("checks", 5), disposition="ok")
    finally:
        challenge_folder(gallery).chmod(0o700)


def test_without_parts_nothing_is_made(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.enroll("checks", pictures("checks", 3))
        assert classifier.challenge.parts() == ()
    assert not challenge_folder(gallery).exists()
    with Classifier.open(bundle, seed_only=True) as classifier, pytest.raises(GalleryError, match="seed alone"):
        _ = classifier.challenge


def test_a_name_that_is_no_text_is_kept_as_far_as_it_goes(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    (dots,) = pictures("dots", 1)
    odd = dots.rename(dots.with_name(os.fsdecode(b"\xff-\xe5\x88\x92.png")))
    keep(bundle, gallery, [odd], "NG", label="划痕")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        (part,) = classifier.challenge.parts()
    assert isinstance(part, ChallengePart)
    assert (part.name, part.label) == ("?-划.png", "划痕")

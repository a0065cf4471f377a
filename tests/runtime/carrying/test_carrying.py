"""Carrying over what was taught to another bundle of the product: one act, a report, and nothing by accident."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import ONE, TWO, in_one_view, other_network, remade
from kept_parts import keep

from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import BundleError, GalleryError
from edgefs_runtime.base.state import galleries_of
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.gallery import check_gallery
from edgefs_runtime.gallery.belonging import gallery_of

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


@pytest.fixture
def other_space(bundle: Path) -> dict[str, object]:
    return {**Bundle.open(bundle).manifest.raw["preprocess"], "interpolation": "bicubic"}


@pytest.fixture
def precise(bundle: Path, tmp_path: Path, other_space: dict[str, object]) -> Path:
    """The same model in another embedding space, which agrees on the golden inputs, as another precision does."""
    return remade(bundle, tmp_path / "precise.edgefs", identity=ONE, preprocess=other_space)


@pytest.fixture
def successor(bundle: Path, tmp_path: Path, other_space: dict[str, object]) -> Path:
    """Another model."""
    return remade(bundle, tmp_path / "next.edgefs", identity=TWO, succeeds=ONE, preprocess=other_space)


def teach(bundle: Path, shots: list[Path], label: str = "checks", **how: bool) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll(label, shots, actor="Jo", **how)


def counts(bundle: Path) -> dict[str, int]:
    with Classifier.open(bundle) as classifier:
        return classifier.judge.snapshot.counts


SEED = {"dots": 8, "good": 8, "stripes": 8}


def test_another_precision_takes_embeddings_where_both_agree(first: Path, precise: Path, pictures: Pictures) -> None:
    teach(first, pictures("checks", 5))
    before = gallery_of(Bundle.open(first)).read_bytes()
    assert counts(precise) == SEED
    with Classifier.open(precise) as classifier:
        carried = classifier.carry(first, actor="Ana", reason="int8 now")
        assert carried.ways == {"checks": {"as it is": 5}}
        assert str(carried.agreement) == (
            "the two bundles agree by a cosine of at least 1.0000 on 24 images that both learned from"
        )
        assert {d.label for d in classifier.predict(pictures("checks", 3, first=300))} == {"checks"}
        (entry,) = classifier.gallery.log()
        assert (entry.kind, entry.actor, entry.reason) == ("carry", "Ana", "int8 now")
        assert (entry.images, entry.classes, entry.label) == (5, 1, "checks")
        assert classifier.gallery.check() == []
        assert classifier.undo().startswith("took back what was carried over from textures-1a1a")
        assert classifier.judge.snapshot.counts == SEED
    assert gallery_of(Bundle.open(first)).read_bytes() == before


def test_kept_pictures_are_embedded_anew(first: Path, successor: Path, pictures: Pictures) -> None:
    shots = pictures("checks", 5)
    teach(first, shots, keep_images=True)
    with Classifier.open(successor) as classifier:
        assert classifier.carry(first).ways == {"checks": {"picture": 5}}
        snapshot = classifier.judge.snapshot
        rows, anew = snapshot.rows[snapshot.classes == snapshot.labels.index("checks"), 0], classifier.embed(shots)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(anew, axis=1)
        assert ((rows * anew).sum(axis=1) / lengths).min() > 0.9  # JPEG stands between
        assert len(classifier.gallery.thumbnails("checks")) == 5  # and they can be carried on


def test_a_precision_that_does_not_agree_takes_pictures_alone(
    first: Path, bundle: Path, tmp_path: Path, pictures: Pictures
) -> None:
    pytest.importorskip("onnx")
    coarse = remade(other_network(bundle, tmp_path / "network.edgefs"), tmp_path / "coarse.edgefs", identity=ONE)
    teach(first, pictures("checks", 2))
    with Classifier.open(coarse) as classifier:
        with pytest.raises(GalleryError, match="have no kept picture"):
            classifier.carry(first)
        told = classifier.carry(first, check=True).agreement
        assert told is not None
        assert told.cosine < 0.9
        with Classifier.open(first) as old:
            old.undo()
            old.enroll("checks", pictures("checks", 2), keep_images=True)
        assert classifier.carry(first).ways == {"checks": {"picture": 2}}


def test_a_coarse_precision_takes_embeddings_too(first: Path, bundle: Path, tmp_path: Path, pictures: Pictures) -> None:
    """As int8 is, of which an export that loses no accuracy comes to 0.985 an image."""
    pytest.importorskip("onnx")
    network = other_network(bundle, tmp_path / "network.edgefs", [1] * 57 + [-1] + [1] * 38)
    coarse = remade(network, tmp_path / "coarse.edgefs", identity=ONE)
    teach(first, pictures("checks", 5))
    for source in (None, first):
        with Classifier.open(coarse) as classifier:
            carried = classifier.carry(source)
            assert carried.agreement is not None
            assert 0.95 < carried.agreement.cosine < 0.99
            assert carried.ways == {"checks": {"as it is": 5}}
            assert {decision.label for decision in classifier.predict(pictures("checks", 3, first=300))} == {"checks"}
            classifier.undo()


def test_forgotten_and_brought_back_what_was_carried_keeps_its_pictures(
    first: Path, successor: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 2), keep_images=True)
    with Classifier.open(successor) as classifier:
        classifier.carry(first)
        classifier.forget("checks")
        classifier.undo()
        assert len(classifier.thumbnails("checks")) == 2
        assert classifier.gallery.check() == []


@pytest.mark.parametrize("keep_images", [True, False])
def test_seen_in_other_symmetries_pictures_alone_come_over(
    first: Path, tmp_path: Path, pictures: Pictures, keep_images: bool
) -> None:
    plain = in_one_view(first, tmp_path / "plain.edgefs")
    teach(first, pictures("checks", 3), keep_images=keep_images)
    with Classifier.open(plain) as classifier:
        if keep_images:
            assert classifier.carry(first).ways["checks"] == {"picture": 3}
        else:
            with pytest.raises(GalleryError, match="3 images of 'checks' have no kept picture"):
                classifier.carry(first)
    assert counts(plain) == {**SEED, **({"checks": 3} if keep_images else {})}


def test_without_pictures_another_model_refuses_and_says_what_is_missing(
    first: Path, successor: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 2))
    teach(first, pictures("checks", 3, first=200), "squares", keep_images=True, force=True)
    with Classifier.open(successor) as classifier:
        with pytest.raises(
            GalleryError, match="2 images of 'checks' have no kept picture: enroll them again, with --keep-images"
        ):
            classifier.carry(first)
        assert classifier.gallery_path is not None
        assert not classifier.gallery_path.exists()
        told = classifier.carry(first, check=True)
        assert not classifier.gallery_path.exists()
        carried = classifier.carry(first, force=True)
    assert carried.ways == told.ways == {"checks": {"missing": 2}, "squares": {"picture": 3}}
    assert carried.notes[0].startswith("2 images of 'checks' have no kept picture")
    assert counts(successor) == {**SEED, "squares": 3}


def test_carrying_twice_brings_nothing_and_images_that_the_new_bundle_knows_are_not_doubled(
    first: Path, precise: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 3))
    with Classifier.open(precise) as classifier:
        classifier.enroll("checks", pictures("checks", 1))
        assert classifier.carry(first).ways == {"checks": {"known": 1, "as it is": 2}}
        with pytest.raises(GalleryError, match="nothing to carry over that is not here already"):
            classifier.carry(first)
        assert classifier.judge.snapshot.counts["checks"] == 3


def test_only_what_was_taught_is_carried(first: Path, precise: Path, pictures: Pictures) -> None:
    teach(first, pictures("checks", 2))
    with Classifier.open(first) as classifier:
        classifier.forget("dots")
    with Classifier.open(precise) as classifier:
        carried = classifier.carry(first)
        assert carried.notes == ("'dots' was forgotten there, and this bundle teaches it: forget it again if need be",)
    assert counts(precise) == {**SEED, "checks": 2}


def test_an_old_gallery_of_the_name_is_carried_into_the_bundle_with_an_identity(
    bundle: Path, first: Path, pictures: Pictures
) -> None:
    teach(bundle, pictures("checks", 5))
    carry = f"edgefs gallery carry {first}"
    with Classifier.open(first) as classifier:
        assert classifier.warnings == (
            "first.edgefs does not use 1 class taught in textures.gallery (checks): "
            f"`{carry}` brings that over, `{carry} --fresh` begins without it",
        )
        carried = classifier.carry()
        assert carried.ways == {"checks": {"as it is": 5}}
        assert carried.agreement is not None
        assert carried.agreement.is_exact
    with Classifier.open(first) as classifier, Classifier.open(bundle) as old:
        assert classifier.warnings == ()
        asked = pictures("checks", 3, first=300)
        decisions = zip(classifier.predict(asked), old.predict(asked), strict=True)
        assert all(mine.score == theirs.score for mine, theirs in decisions)


def test_what_lies_unused_is_said_once_and_can_be_left(
    first: Path, precise: Path, successor: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 2))
    for other in (precise, successor):
        with Classifier.open(other) as classifier:
            (sentence,) = classifier.warnings
            assert "1 class taught in textures-1a1a1a1a1a1a1a1a-" in sentence
            classifier.begin_afresh()
            with pytest.raises(GalleryError, match="there is a gallery already"):
                classifier.begin_afresh()
        with Classifier.open(other) as classifier:
            assert classifier.warnings == ()
    assert counts(first)["checks"] == 2


def test_a_gallery_without_anything_taught_is_not_spoken_of(first: Path, precise: Path, pictures: Pictures) -> None:
    teach(first, pictures("checks", 2))
    with Classifier.open(first) as classifier:
        classifier.undo()
    assert galleries_of(ONE)
    with Classifier.open(precise) as classifier:
        assert classifier.warnings == ()


def test_challenge_parts_come_along_and_stop_what_would_spoil_them(
    first: Path, successor: Path, pictures: Pictures
) -> None:
    (part,) = pictures("checks", 1, first=300)
    teach(first, pictures("checks", 5), keep_images=True)
    with Classifier.open(first) as classifier:
        classifier.challenge.add([part], "NG", classifier.judge, label="checks")
    with Classifier.open(successor) as classifier:
        carried = classifier.carry(first)
        assert carried.parts == 1
        (kept,) = classifier.challenge.judged(classifier.judge)
        assert kept.passes
        assert carried.challenge == (
            f"checks-300.png ({kept.part.id}) must get NG (checks) and gets NG (checks), NG (unknown) without it",
        )
        with pytest.raises(GalleryError, match="nothing was undone"):
            classifier.undo()
        assert classifier.challenge.is_accepted()


def test_what_changes_nothing_does_not_silence_what_lies_unused(
    first: Path, precise: Path, pictures: Pictures, tmp_path: Path
) -> None:
    teach(first, pictures("checks", 2))
    with Classifier.open(precise, gallery=tmp_path / "empty") as classifier:
        classifier.begin_afresh()
    with Classifier.open(precise) as classifier:
        assert classifier.refine(pictures("dots", 2)) == {}
        assert classifier.merge(str(tmp_path / "empty")).rows == 0
    with Classifier.open(precise) as classifier:
        assert len(classifier.warnings) == 1


def test_a_part_that_fails_for_want_of_what_was_taught_elsewhere_says_how_it_comes_over(
    first: Path, precise: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 5))
    keep(first, gallery_of(Bundle.open(first)), pictures("checks", 1, first=300), "NG", label="checks")
    with pytest.raises(BundleError, match=rf"--accept.*1 class taught in .*`edgefs gallery carry {precise}`"):
        Classifier.open(precise)
    with Classifier.open(precise, challenge=False) as classifier:
        classifier.carry()
    with Classifier.open(precise) as classifier:
        assert classifier.challenge.is_accepted()


def test_a_part_that_passed_and_would_fail_stops_the_act(first: Path, successor: Path, pictures: Pictures) -> None:
    teach(first, pictures("checks", 5), keep_images=True)
    with Classifier.open(successor) as classifier:
        assert classifier.gallery_path is not None
        keep(successor, classifier.gallery_path, pictures("checks", 1, first=300), "NG")
    with Classifier.open(first) as classifier:
        classifier.undo()
        classifier.enroll("variant", pictures("checks", 5), disposition="ok", keep_images=True, force=True)
    with Classifier.open(successor) as classifier:
        with pytest.raises(GalleryError, match=r"would get OK \(variant\); nothing was carried over"):
            classifier.carry(first)
        assert not classifier.gallery_path.exists()
        assert classifier.carry(first, force=True).images == 5


def test_pictures_of_another_region_are_not_taken(
    bundle: Path, tmp_path: Path, other_space: dict[str, object], pictures: Pictures
) -> None:
    views = [
        remade(bundle, tmp_path / f"{number}.edgefs", identity=f"{number}" * 64, preprocess={**other_space, "roi": roi})
        for number, roi in enumerate(([0, 0, 40, 40], [0, 0, 40, 40], [8, 8, 40, 40]))
    ]
    teach(views[0], pictures("checks", 2), keep_images=True)
    old = remade(
        bundle,
        tmp_path / "old.edgefs",
        identity="a" * 64,
        preprocess={**other_space, "roi": [0, 0, 40, 40], "interpolation": "lanczos"},
    )
    with Classifier.open(old) as classifier:
        assert classifier.carry(views[0]).ways == {"checks": {"picture": 2}}
    lanczos = {**other_space, "roi": [8, 8, 40, 40]}
    moved = remade(bundle, tmp_path / "moved.edgefs", identity="b" * 64, preprocess=lanczos)
    with Classifier.open(moved) as classifier, pytest.raises(GalleryError, match="show another region"):
        classifier.carry(views[0])


def test_a_carried_gallery_merges_with_another_that_carried_the_same(
    first: Path, precise: Path, pictures: Pictures, tmp_path: Path
) -> None:
    teach(first, pictures("checks", 3))
    for name in "ab":
        with Classifier.open(precise, gallery=tmp_path / name) as classifier:
            classifier.carry(first)
    with Classifier.open(precise, gallery=tmp_path / "a") as classifier:
        classifier.merge(tmp_path / "b")
        assert classifier.judge.snapshot.counts == {**SEED, "checks": 3}
        assert classifier.gallery.check() == []


ERRORS: dict[str, tuple[Callable[[Path, Path], Path | None], str]] = {
    "nothing is found": (lambda bundle, tmp: None, "which gallery to carry over from"),
    "no such gallery": (lambda bundle, tmp: tmp / "gone.gallery", "there is no gallery at"),
    "a bundle that was taught nothing": (lambda bundle, tmp: bundle, "there is no gallery at"),
    "no gallery": (lambda bundle, tmp: _text(tmp / "notes.txt"), "is not an edgefs gallery"),
}


def _text(path: Path) -> Path:
    path.write_text("no gallery\n" * 100)
    return path


@pytest.mark.parametrize("fault", ERRORS)
def test_what_cannot_be_carried_over_is_one_line(bundle: Path, first: Path, tmp_path: Path, fault: str) -> None:
    source, words = ERRORS[fault]
    with Classifier.open(first) as classifier:
        with pytest.raises(GalleryError, match=words) as caught:
            classifier.carry(source(bundle, tmp_path))
        assert "\n" not in str(caught.value)
        assert classifier.gallery_path is not None
        assert not classifier.gallery_path.exists()


def test_parts_that_guarded_a_gallery_which_was_never_taught_come_along(
    bundle: Path, first: Path, successor: Path, pictures: Pictures
) -> None:
    for number, (old, new) in enumerate(((bundle, first), (first, successor))):
        with Classifier.open(old) as classifier:
            classifier.challenge.add(pictures("checks", 1, first=300 + number), "NG", classifier.judge)
        with Classifier.open(new) as classifier:
            (sentence,) = classifier.warnings
            assert "does not use the challenge parts in textures" in sentence
            carried = classifier.carry()
            assert (carried.parts, carried.images) == (1 + number, 0)
            assert len(classifier.challenge.parts()) == 1 + number
            assert classifier.gallery_path is not None
            assert not classifier.gallery_path.exists()
        with Classifier.open(new) as classifier:
            assert classifier.warnings == ()


def test_without_a_word_of_succession_galleries_of_the_same_name_are_named(
    first: Path, bundle: Path, tmp_path: Path, pictures: Pictures
) -> None:
    teach(first, pictures("checks", 2))
    stranger = remade(bundle, tmp_path / "stranger.edgefs", identity=TWO)
    with Classifier.open(stranger) as classifier:
        assert classifier.warnings == ()
        with pytest.raises(GalleryError, match=r"of others of its name .*textures-1a1a1a1a1a1a1a1a-"):
            classifier.carry()
        assert classifier.carry(galleries_of(ONE)[0]).images == 2  # of one space, as they are


def test_its_own_gallery_is_no_source(first: Path, pictures: Pictures) -> None:
    teach(first, pictures("checks", 2))
    with Classifier.open(first) as classifier, pytest.raises(GalleryError, match="own gallery"):
        classifier.carry(first)
    assert check_gallery(gallery_of(Bundle.open(first))) == []

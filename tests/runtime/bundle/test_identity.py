"""What a device keeps is named by the model's identity: two models of one name never meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade

from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import BundleError, GalleryError
from edgefs_runtime.base.state import challenge_folder, galleries_of, gallery_path
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.gallery.belonging import gallery_of

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
ONE, TWO = "1a" * 32, "2b" * 32
LONGEST_SUFFIX = ".gallery.snapshot.0123456789ab.new"  # with a dot in front: of what stands beside a gallery

NAMES = ["parts", "缺" * 100, "𝄞" * 100, "CON", "nul.txt", "a.b.c", "line 4 + 5", "é" * 100, "x" * 100]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("identity", ["", ONE])
def test_every_legal_name_gives_file_names_that_a_file_system_takes(name: str, identity: str) -> None:
    path = gallery_path(name, identity, TWO)
    path.parent.mkdir(parents=True, exist_ok=True)
    for sibling in (path, challenge_folder(path), path.with_name(f".{path.stem}{LONGEST_SUFFIX}")):
        sibling.touch()
        assert len(sibling.name.encode()) <= 255
    if identity:
        assert path.name.partition(".")[0].upper() not in ("CON", "NUL")  # what Windows reserves


def test_names_that_differ_in_case_or_behind_what_is_shown_share_nothing() -> None:
    names = ["parts", "Parts", "缺" * 90, "缺" * 91]
    paths = [gallery_path(name, f"{number}" * 64, TWO) for number, name in enumerate(names)]
    assert len({path.name.lower() for path in paths}) == 4


def test_a_bundle_from_before_identities_keeps_its_place() -> None:
    assert gallery_path("textures").name == "textures.gallery"
    assert gallery_path("缺" * 70).name == "缺" * 70 + ".gallery"


def test_two_models_of_one_name_teach_and_undo_each_their_own(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    one, two = (remade(bundle, tmp_path / f"{i}.edgefs", identity=i) for i in (ONE, TWO))
    asked = pictures("checks", 2, first=300)
    with Classifier.open(one) as first:
        first.enroll("checks", pictures("checks", 5))
    with Classifier.open(two) as second:
        assert second.warnings == ()
        assert "checks" not in second.judge.snapshot.labels
        assert {decision.label for decision in second.predict(asked)} == {None}
        with pytest.raises(GalleryError, match="nothing to undo"):
            second.undo()
    with Classifier.open(one) as first:
        assert "checks" in first.judge.snapshot.labels


def test_what_another_model_was_taught_is_merged_by_force_only(
    bundle: Path, pictures: Pictures, tmp_path: Path
) -> None:
    one, two = (remade(bundle, tmp_path / f"{i}.edgefs", identity=i) for i in (ONE, TWO))
    with Classifier.open(one) as first:
        first.enroll("checks", pictures("checks", 5))
        theirs = first.gallery.path
    with Classifier.open(two) as second:
        with pytest.raises(GalleryError, match="belongs to another model"):
            second.merge(theirs)
        assert "checks" not in second.judge.snapshot.labels
        second.merge(theirs, force=True)
        assert "checks" in second.judge.snapshot.labels


def test_a_renamed_model_finds_its_gallery(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    old = remade(bundle, tmp_path / "old.edgefs", identity=ONE, name="old")
    with Classifier.open(old) as classifier:
        classifier.enroll("checks", pictures("checks", 3))
    renamed = remade(bundle, tmp_path / "new.edgefs", identity=ONE, name="new")
    with Classifier.open(renamed) as classifier:
        assert "checks" in classifier.judge.snapshot.labels
        assert classifier.gallery_path == galleries_of(ONE)[0]


def test_challenge_parts_hold_at_every_precision(bundle: Path, tmp_path: Path) -> None:
    one = Bundle.open(remade(bundle, tmp_path / "a.edgefs", identity=ONE))
    other = Bundle.open(remade(bundle, tmp_path / "b.edgefs", identity=ONE, preprocess=_other_space(one)))
    assert gallery_of(one) != gallery_of(other)
    assert challenge_folder(gallery_of(one)) == challenge_folder(gallery_of(other))


@pytest.mark.parametrize("identity", ["x" * 64, "1a", 7, ["a"]])
def test_an_identity_that_is_none_is_refused(bundle: Path, tmp_path: Path, identity: object) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.open(remade(bundle, tmp_path / "b.edgefs", identity=identity))


def _other_space(bundle: Bundle) -> dict[str, object]:
    return {**bundle.manifest.raw["preprocess"], "interpolation": "bicubic"}

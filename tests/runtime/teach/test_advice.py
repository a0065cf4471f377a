"""What an operator is told before a class is taught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefs_runtime import Classifier, GalleryError
from edgefs_runtime.base.state import gallery_path

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def test_a_new_class_is_described_and_nothing_is_written(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        advice = classifier.check("checks", pictures("checks", 6))
    assert (advice.label, advice.is_new, advice.shots, advice.parts) == ("checks", True, 6, 6)
    assert advice.conflict == ""
    assert advice.nearest in {"stripes", "dots", "good"}
    assert (advice.right, advice.judged) == (6, 6)
    assert advice.expected[0] == pytest.approx(0.54, abs=0.01)
    assert [number for number, _ in advice.curve] == [1, 2, 4]
    assert advice.outlier is None
    assert not gallery_path("textures").exists()
    json.dumps(advice.to_json(), allow_nan=False)


def test_the_nearest_class_and_its_number_are_those_of_predict(bundle: Path, pictures: Pictures) -> None:
    """`enroll --check` said "resembles dots most (1 %)" of what `predict` calls "nearest dots 100 %"."""
    shot = pictures("checks", 1)
    with Classifier.open(bundle) as classifier:
        decision = classifier.predict(shot)[0]
        advice = classifier.check("checks", shot)
        assert (advice.nearest, advice.probability) == (decision.nearest, pytest.approx(decision.probability))
        known = classifier.check("dots", pictures("dots", 3))
        assert known.nearest != "dots"


def test_an_existing_class_under_another_name_needs_force(bundle: Path, pictures: Pictures) -> None:
    shots = pictures("dots", 5)
    with Classifier.open(bundle) as classifier:
        assert "like 'dots'" in classifier.check("spots", shots).conflict
        with pytest.raises(GalleryError, match=r"look like 'dots'; nothing was enrolled"):
            classifier.enroll("spots", shots)
        assert not gallery_path("textures").exists()
        assert classifier.enroll("spots", shots, force=True).is_new


def test_more_images_of_a_known_class_are_no_conflict(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        advice = classifier.check("dots", pictures("dots", 5))
        assert (advice.is_new, advice.conflict) == (False, "")
        assert classifier.enroll("dots", pictures("dots", 5)).total == 13


def test_images_of_one_class_under_the_name_of_another_are_a_conflict(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier, pytest.raises(GalleryError, match="like 'stripes'"):
        classifier.enroll("dots", pictures("stripes", 5))


def test_the_same_picture_again_is_one_part(bundle: Path, pictures: Pictures) -> None:
    first, second, third = pictures("checks", 3)
    with Classifier.open(bundle) as classifier:
        advice = classifier.check("checks", [first, second, third, first])
    assert advice.duplicates == ((0, 3),)
    assert (advice.shots, advice.parts) == (4, 3)


def test_shots_of_one_group_are_one_part(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        assert classifier.check("checks", pictures("checks", 4), groups=["a", "a", "b", "b"]).parts == 2


def test_the_shot_that_does_not_fit_is_named(bundle: Path, pictures: Pictures) -> None:
    shots = [*pictures("checks", 5), *pictures("dots", 1)]
    with Classifier.open(bundle) as classifier:
        advice = classifier.check("checks", shots)
    assert advice.outlier == 5
    assert (advice.right, advice.judged) == (5, 6)


def test_a_single_shot_is_described_as_far_as_it_goes(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        advice = classifier.check("checks", pictures("checks", 1))
    assert (advice.right, advice.judged, advice.curve) == (0, 0, ())
    assert advice.expected == (0.0, 1.0)


def test_a_single_class_in_the_gallery_can_be_compared_with(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.forget("dots")
        classifier.forget("stripes")
        advice = classifier.check("checks", pictures("checks", 5))
    assert advice.nearest == "good"
    assert advice.conflict == ""


def test_thumbnails_of_the_nearest_class_are_there_to_be_shown(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 3), keep_images=True)
        assert len(classifier.thumbnails("checks")) == 3
    with Classifier.open(bundle) as reader:
        advice = reader.check("squares", pictures("checks", 3, first=200))
        assert advice.nearest == "checks"
        kept = reader.thumbnails("checks")
    assert [picture[:4] for picture in kept] == [b"\x89PNG"] * 3
    with Classifier.open(bundle, seed_only=True) as seed:
        assert seed.thumbnails("dots") == []

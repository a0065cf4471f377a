"""Carrying over tells which decisions change: of each image, as if its part had not been taught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import ONE, TWO, in_one_view, remade
from click.testing import CliRunner

from edgefs_runtime import Classifier
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.gallery.belonging import gallery_of

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


@pytest.fixture
def successor(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """`successor(unknown="RECHECK")`: another model, of the same network, that decides by these settings."""

    def make(**decision: Any) -> Path:
        raw = Bundle.open(bundle).manifest.raw
        fields = {
            "preprocess": {**raw["preprocess"], "interpolation": "bicubic"},
            "decision": {**raw["decision"], **decision},
        }
        return remade(bundle, tmp_path / "next.edgefs", identity=TWO, succeeds=ONE, **fields)

    return make


def test_where_nothing_changes_that_is_said(first: Path, successor: Callable[..., Path], pictures: Pictures) -> None:
    with Classifier.open(first) as classifier:
        classifier.enroll("checks", pictures("checks", 5), keep_images=True)
    with Classifier.open(successor()) as classifier:
        told, done = classifier.carry(first, check=True), classifier.carry(first)
    assert told.decisions == done.decisions
    assert done.decisions is not None
    assert (done.decisions.judged, done.decisions.alone, done.decisions.changed) == (5, 0, ())
    assert done.lines()[-1] == ("decisions about 5 images: none changed (each as if its part had not been taught)")


def test_what_is_refused_more_often_is_named_image_by_image(
    first: Path, successor: Callable[..., Path], pictures: Pictures
) -> None:
    """Two images show what nobody else does: left out they are unknown, and the new bundle says RECHECK of that."""
    with Classifier.open(first) as classifier:
        classifier.enroll("good", pictures("checks", 2), groups=["p7", "p7"], keep_images=True, force=True)
        before = {decision.verdict for decision in classifier.predict(pictures("checks", 2, first=300))}
    with Classifier.open(successor(unknown="RECHECK")) as classifier:
        found = classifier.carry(first, check=True).decisions
    assert found is not None
    assert before == {"OK"}  # with them, such parts are good
    assert (found.judged, found.verdicts, found.is_by_old_settings) == (2, 2, True)
    told = [(one.image.name, one.image.part, str(one.before), str(one.after)) for one in found.changed]
    assert told == [(name, "p7", "NG (unknown)", "RECHECK (unknown)") for name in ("1.1", "1.2")]
    assert found.lines()[1].startswith("changed: good 1.1 (part p7, ")


def test_a_part_that_is_the_only_one_of_its_class_is_judged_with_it_and_that_is_said(
    first: Path, successor: Callable[..., Path], pictures: Pictures
) -> None:
    with Classifier.open(first) as classifier:
        classifier.enroll("checks", pictures("checks", 3), groups=["p", "p", "p"], keep_images=True)
    with Classifier.open(successor()) as classifier:
        found = classifier.carry(first).decisions
    assert found is not None
    assert (found.judged, found.alone, found.changed) == (3, 3, ())
    assert "3 with it: no other part of the class was" in found.lines()[0]


def test_a_part_that_was_taught_in_two_acts_leaves_whole(
    first: Path, successor: Callable[..., Path], pictures: Pictures
) -> None:
    """Else its other half would know it again."""
    with Classifier.open(first) as classifier:
        for image in pictures("checks", 2):
            classifier.enroll("good", [image], groups=["p7"], keep_images=True, force=True)
    with Classifier.open(successor(unknown="RECHECK")) as classifier:
        for check in (True, False):
            found = classifier.carry(first, check=check).decisions
            assert found is not None
            assert [str(one.before) for one in found.changed] == ["NG (unknown)"] * 2


def test_without_the_old_bundle_its_gallery_is_judged_by_the_settings_of_the_new_one(
    first: Path, successor: Callable[..., Path], pictures: Pictures
) -> None:
    with Classifier.open(first) as classifier:
        classifier.enroll("good", pictures("checks", 1), keep_images=True, force=True)
    with Classifier.open(successor(unknown="RECHECK")) as classifier:
        found = classifier.carry(check=True).decisions
        assert found is not None
        assert (found.judged, found.changed, found.is_by_old_settings) == (1, (), False)
        assert "--from OLD.edgefs has the old ones" in found.lines()[0]


def test_where_even_the_views_are_unknown_nothing_is_made_up(
    first: Path, successor: Callable[..., Path], pictures: Pictures, tmp_path: Path
) -> None:
    with Classifier.open(first) as classifier:
        classifier.enroll("checks", pictures("checks", 2), keep_images=True)
    with Classifier.open(first) as classifier:
        copy = tmp_path / "copy.gallery"  # a name that tells nothing
        copy.write_bytes(gallery_of(Bundle.open(first)).read_bytes())
    plain = in_one_view(successor(), tmp_path / "plain.edgefs")
    with Classifier.open(plain) as classifier:
        found = classifier.carry(copy, check=True)
        assert found.decisions is not None  # its pictures tell the views
        classifier.enroll("checks", pictures("checks", 2), force=True)
        known = classifier.carry(first, check=True)
        assert (known.images, known.decisions) == (0, None)


def test_the_command_prints_them_and_its_json_holds_them(
    first: Path, successor: Callable[..., Path], pictures: Pictures
) -> None:
    from edgefs.cli import main

    with Classifier.open(first) as classifier:
        classifier.enroll("good", pictures("checks", 1), keep_images=True, force=True)
    carry = ["gallery", "carry", str(successor(unknown="RECHECK")), "--from", str(first)]
    ran = CliRunner().invoke(main, [*carry, "--check"])
    assert "decisions about 1 image: 1 changed verdict, 0 only the class" in ran.output
    assert ": NG (unknown) before, RECHECK (unknown) now" in ran.output
    ran = CliRunner().invoke(main, [*carry, "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)["decisions"]
    assert {key: told[key] for key in ("judged", "judged_with_own_part", "verdicts_changed", "settings_before")} == {
        "judged": 1,
        "judged_with_own_part": 0,
        "verdicts_changed": 1,
        "settings_before": "old bundle",
    }
    (change,) = told["changed"]
    assert (change["label"], change["image"], change["before"], change["after"]) == (
        "good",
        "1.1",
        {"verdict": "NG", "label": None},
        {"verdict": "RECHECK", "label": None},
    )

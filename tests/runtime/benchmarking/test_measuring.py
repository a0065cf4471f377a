"""Measuring a bundle for real: counts, what belongs together, and what is never touched. No time is asserted."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import remade
from places import GOLDEN
from textures import draw

from edgefs_runtime import Bundle, BundleError, Classifier, GalleryError, ImageError
from edgefs_runtime.benchmarking.frames import BenchFrame, Frames, render_frames
from edgefs_runtime.benchmarking.latency import STAGES
from edgefs_runtime.benchmarking.limits import Limits
from edgefs_runtime.benchmarking.measuring import Benchmark, BenchPlan, bench
from edgefs_runtime.benchmarking.peak import peak_memory
from edgefs_runtime.benchmarking.subject import open_subjects
from edgefs_runtime.gallery import check_gallery

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
FRAMES = render_frames((64, 48))


@pytest.fixture
def taught(bundle: Path, pictures: Pictures, own_folders: Path) -> Path:
    """The gallery of this device, in the state folder, with a class more than the seed has."""
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 5))
    path = own_folders / "state" / "textures.gallery"
    assert path.exists()
    return path


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A bundle against itself, over a copy of a gallery with a class more than the seed has."""
    folder = tmp_path_factory.mktemp("measured")
    bundle, gallery = Path(shutil.copy(GOLDEN, folder / "textures.edgefs")), folder / "state" / "line.gallery"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFS_STATE", str(folder / "state"))
        with Classifier.open(bundle, gallery=gallery) as classifier:
            classifier.enroll("checks", [draw("checks", number) for number in range(5)])
        before = contents(folder)
        benchmark = bench([bundle, bundle], FRAMES, BenchPlan(frames=30, threads=(1, 2), gallery=gallery, deadline=5.0))
        assert contents(folder) == before
    assert check_gallery(gallery) == []
    return benchmark


def test_what_is_measured_belongs_together(measured: Benchmark) -> None:
    first, second = measured.bundles
    for bundle in (first, second):
        assert set(bundle.stages) == set(STAGES)
        counts = {stage: spread.samples for stage, spread in bundle.stages.items()}
        assert {counts[stage] for stage in ("preprocess", "embed", "head", "end_to_end")} == {30}
        assert 8 <= counts["end_to_end_encoded"] == counts["preprocess_encoded"] < 30
        assert bundle.images == 24 + 5  # of the copied gallery
        assert bundle.enrolling.enrolments >= 1
        assert bundle.enrolling.enrolment.samples == bundle.enrolling.enrolments
        assert bundle.enrolling.end_to_end.samples == 30
        assert 0 < bundle.enrolling.by_old_snapshot <= 30
        assert [(one.threads, one.batch) for one in bundle.throughput] == [(1, 1), (1, 8), (2, 1), (2, 8)]
        assert [one.frames for one in bundle.throughput] == [30, 32, 30, 32]
        assert all(one.frames_per_second <= one.embeddings_per_second for one in bundle.throughput)
        assert all(misses.samples == 30 for misses in bundle.misses.values())
    assert first.against_first == {}
    assert set(second.against_first) == set(STAGES)
    assert json.loads(json.dumps(measured.to_json()))["bundles"][1]["against_first"]["embed"]["turns"] >= 1


def test_misses_agree_with_the_percentiles(measured: Benchmark) -> None:
    for bundle in measured.bundles:
        for misses, spread in (
            (bundle.misses["alone"], bundle.stages["end_to_end"]),
            (bundle.misses["enrolling"], bundle.enrolling.end_to_end),
        ):
            assert spread.slowest is not None
            assert (misses.frames == 0) == (spread.slowest <= 5.0)
            assert (misses.frames > misses.samples / 2) == ((spread.percentiles[50.0] or 0) > 5.0)
            assert misses.share <= misses.high <= 1


def test_a_process_of_its_own_tells_the_memory(measured: Benchmark) -> None:
    for bundle in measured.bundles:
        assert bundle.memory.deciding is not None
        assert bundle.memory.enrolling is not None
        assert 10 < bundle.memory.deciding <= bundle.memory.enrolling < 2000  # MiB


def test_a_peak_does_not_count_what_the_parent_held() -> None:
    """As `ru_maxrss` does on Linux."""
    ballast = np.ones(2**28, np.uint8)  # 256 MiB
    code = "from edgefs_runtime.benchmarking.peak import peak_memory; print(peak_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert ballast.nbytes / 2**20 > float(said) > 10
    here = peak_memory()
    assert here is not None
    assert here > 256


def test_without_a_gallery_the_seed_decides(bundle: Path, taught: Path, own_folders: Path) -> None:
    before = contents(own_folders / "state")
    with open_subjects([bundle], None, 1) as (subject,):
        assert len(subject.classifier.judge.snapshot.classes) == 24
        subject.classifier.enroll("other", [frame.pixels for frame in FRAMES.frames])
        scratch = subject.gallery
        assert scratch.exists()
    assert not scratch.parent.exists()
    assert contents(own_folders / "state") == before


def test_a_gallery_with_commits_in_its_log_is_copied_whole_while_its_owner_lives(
    bundle: Path, taught: Path, pictures: Pictures, own_folders: Path
) -> None:
    with Classifier.open(bundle) as owner:
        owner.enroll("late", pictures("checks", 2, first=300), force=True)
        before = contents(own_folders / "state")
        with open_subjects([bundle], taught, 1) as (subject,):
            assert subject.classifier.judge.snapshot.counts["late"] == 2
        assert contents(own_folders / "state") == before
        owner.enroll("later", pictures("checks", 2, first=400), force=True)  # it still owns it


def test_decisions_are_those_of_predict(bundle: Path, pictures: Pictures) -> None:
    asked = pictures("dots", 2) + pictures("good", 2)
    with open_subjects([bundle], None, 1) as (subject,), Classifier.open(bundle, seed_only=True) as classifier:
        for path in asked:
            decision, times = subject.decide(path)
            (expected,) = classifier.predict([path])
            assert dataclasses.replace(decision, time="") == dataclasses.replace(expected, time="")
            assert times.preprocess + times.embed + times.head == pytest.approx(times.total)
            assert min(times) > 0


def test_a_time_is_a_budget_too(bundle: Path) -> None:
    (only,) = bench([bundle], FRAMES, BenchPlan(seconds=0.2)).bundles
    assert only.stages["end_to_end"].samples >= 1
    assert only.enrolling.enrolments >= 1
    assert only.enrolling.end_to_end.samples >= 1
    assert only.misses == {}


def test_limits_are_kept_or_named(measured: Benchmark) -> None:
    assert Limits().failures(measured) == []
    assert Limits(misses=1.0).failures(measured) == []
    first, _ = Limits(p99=1e9).failures(measured)  # 30 samples carry no 99th percentile
    assert "299 are needed" in first
    spread = dataclasses.replace(measured.bundles[0].stages["end_to_end"], percentiles={99.0: 7.0})
    slow = dataclasses.replace(measured.bundles[0], stages={"end_to_end": spread})
    one = dataclasses.replace(measured, bundles=(slow,))
    assert Limits(p99=7.0).failures(one) == []
    (sentence,) = Limits(p99=6.9).failures(one)
    assert sentence == f"{slow.path}: its 99th percentile is 7.00 ms, at most 6.9 is allowed"


def test_a_bundle_of_other_classes_and_another_name_is_compared_all_the_same(bundle: Path) -> None:
    other = remade(bundle, bundle.with_name("other.edgefs"), name="other")
    first, second = bench([bundle, other], FRAMES, BenchPlan(frames=2)).bundles
    assert (first.name, second.name) == ("textures", "other")
    assert first.digest != second.digest


def test_a_label_that_is_taken_is_not_taught_over(bundle: Path, tmp_path: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=tmp_path / "g") as classifier:
        classifier.enroll("edgefs bench", pictures("checks", 2))
    (only,) = bench([bundle], FRAMES, BenchPlan(frames=2, gallery=tmp_path / "g")).bundles
    assert only.enrolling.enrolments >= 1


def test_frames_that_cannot_be_judged_are_refused(bundle: Path) -> None:
    black = Frames("files", (BenchFrame("black.png", np.zeros((48, 64, 3), np.uint8), b""),))
    with pytest.raises(ImageError, match=r"textures\.edgefs: black\.png: constant frame.*give other frames"):
        bench([bundle], black, BenchPlan(frames=2))
    raw = Bundle.open(bundle).manifest.raw
    wide = remade(bundle, bundle.with_name("roi.edgefs"), preprocess={**raw["preprocess"], "roi": [0, 0, 500, 400]})
    with pytest.raises(ImageError, match="region of interest"):
        bench([wide], FRAMES, BenchPlan(frames=2))


def test_a_gallery_that_does_not_fit_or_is_not_there_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="there is no gallery"):
        bench([bundle], FRAMES, BenchPlan(frames=2, gallery=tmp_path / "gone"))
    with pytest.raises(BundleError, match="no such file"):
        bench([bundle, tmp_path / "gone.edgefs"], FRAMES, BenchPlan(frames=2))
    with pytest.raises(BundleError, match="no bundle"):
        bench([], FRAMES, BenchPlan(frames=2))


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"seconds": 0.0}, {"threads": ()}, {"threads": (-1,)}])
def test_a_plan_that_measures_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"nothing to measure|threads"):
        BenchPlan(**wrong)  # type: ignore[arg-type]


def test_nothing_is_left_in_the_temporary_folder(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    bench([bundle], FRAMES, BenchPlan(frames=2))
    assert list((tmp_path / "scratch").iterdir()) == []

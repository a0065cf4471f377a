"""`export --precision`: what passes the gate is written and runs on the device; what does not is not."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from textures import save, write_set

from edgefs.cli import main
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.pipelines.export.precision import DeploySettings, GateError
from edgefs.settings.adapt import AdaptSettings
from edgefs_export.quantising import check_tensorrt
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.processor import this_processor
from edgefs_runtime.images.listing import find_images

ISA = "avx2" if this_processor().has_vnni is False else "vnni"  # what does not cut sums off here
WIDE = 20.0  # points: three small convolutions lose more in int8 than a real network does


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """DATA and a RUN with enough images that the gate has something to say."""
    pytest.importorskip("torch", reason="the workstation part is not installed")
    from tiny import tiny_backbone

    from edgefs.backbones import BACKBONES

    BACKBONES["tiny"] = tiny_backbone
    folder = tmp_path_factory.mktemp("precision")
    data = write_set(folder / "data", 40)
    adapt(data, folder / "run", AdaptSettings(backbone="tiny", shots=5, name="parts", symmetries=()))
    return data, folder / "run"


def deployed(places: tuple[Path, Path], out: Path, **settings: object) -> Bundle:
    export(places[1], out, deployment=DeploySettings(**{"max_drop": WIDE, **settings}))  # type: ignore[arg-type]
    return Bundle.open(out)


def test_an_int8_bundle_decides_and_learns_on_the_device(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = deployed(places, tmp_path / "b.edgefs", precision="int8", isa=ISA)
    assert {"precision": "int8", "target": "cpu", "isa": ISA}.items() <= bundle.manifest.raw["embedder"].items()
    measured = bundle.manifest.raw["metrics"]["precision"]
    assert measured["gate"]["passes"]
    assert measured["gate"]["right"]["decisions"] >= 500
    assert measured["sqnr"] > 5
    images = [save(tmp_path / "new", "checks", number) for number in range(12)]
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "g") as classifier:
        known = find_images(places[0] / "dots")
        right = [decision.nearest == "dots" for decision in classifier.predict(known)]
        assert np.mean(right) > 0.8
        classifier.enroll("checks", images[:5], force=True)
        answers = classifier.predict(images[5:])
    assert sum(answer.nearest == "checks" for answer in answers) >= 6


def test_the_same_inputs_give_the_same_bytes(places: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(
            places[1],
            tmp_path / name,
            use_cache=name == "a",
            deployment=DeploySettings(precision="int8", max_drop=WIDE, estimator="minmax"),
        )
    assert Bundle.open(tmp_path / "a").manifest.raw["embedder"]["isa"] == "vnni"
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_each_processor_gets_a_file_of_its_own(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = deployed(places, tmp_path / "b", precision="int8", target="tensorrt", estimator="minmax", max_drop=60)
    entry = bundle.manifest.raw["embedder"]
    assert (entry["target"], entry.get("isa")) == ("tensorrt", None)
    assert not check_tensorrt(bundle.model)
    on_x86 = deployed(places, tmp_path / "c", precision="int8", isa="avx2", estimator="minmax", max_drop=60)
    assert on_x86.manifest.raw["embedder"]["isa"] == "avx2"
    assert check_tensorrt(on_x86.model)


def test_half_precision_loses_nothing_that_shows(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = deployed(places, tmp_path / "b", precision="fp16", max_drop=1.0)
    measured = bundle.manifest.raw["metrics"]["precision"]
    assert bundle.manifest.raw["embedder"]["precision"] == "fp16"
    assert measured["cosine"] > 0.9999
    with Classifier.open(tmp_path / "b", seed_only=True) as classifier:
        assert classifier.predict(find_images(places[0] / "good"))[0].nearest is not None


def test_auto_takes_what_is_faster_and_passes_and_says_what_it_tried(places: tuple[Path, Path], tmp_path: Path) -> None:
    exported = export(
        places[1], tmp_path / "b", deployment=DeploySettings(precision="auto", max_drop=WIDE, estimator="minmax")
    )
    tried = exported.deployed.trials
    assert {trial.precision for trial in tried} == {"int8", "fp16"}
    fast = [trial for trial in tried if trial.gate.passes and trial.speed > 1.02]
    chosen = Bundle.open(tmp_path / "b").manifest.raw["embedder"]["precision"]
    assert chosen == (max(fast, key=lambda trial: trial.speed).precision if fast else "fp32")
    assert exported.deployed.notes


def test_what_loses_too_much_is_not_written_and_the_table_says_why(places: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "b.edgefs"
    with pytest.raises(GateError, match=r"int8 loses too much: .*points are allowed") as caught:
        deployed(places, out, precision="int8", max_drop=0.001, estimator="minmax")
    assert len(caught.value.trials) > 1  # wider and wider parts in float32 were tried
    assert caught.value.trials[0].in_float == ()
    widths = [len(trial.in_float) for trial in caught.value.trials]
    assert widths == sorted(set(widths))
    assert not out.exists()
    told = CliRunner().invoke(
        main,
        ["export", str(places[1]), "-o", str(out), "--precision", "int8", "--max-drop", "0.001", "--ranges", "minmax"],
    )
    assert told.exit_code == 1
    assert "may lose" in told.stderr
    assert "segment" in told.stderr
    assert told.stderr.strip().splitlines()[-1].startswith("Error: int8 loses too much")
    assert not out.exists()


@pytest.mark.skipif(this_processor().has_vnni is not False, reason="of a processor without VNNI")
def test_a_processor_that_cuts_sums_off_says_so(places: tuple[Path, Path], tmp_path: Path) -> None:
    settings = DeploySettings(precision="int8", max_drop=WIDE, estimator="minmax")
    notes = export(places[1], tmp_path / "b", deployment=settings).deployed.notes
    assert any("no VNNI" in note and "--isa avx2" in note for note in notes)
    notes = export(places[1], tmp_path / "c", deployment=dataclasses.replace(settings, isa="avx2")).deployed.notes
    assert not any("no VNNI" in note for note in notes)


def test_a_head_that_was_trained_on_the_workstation_is_asked_too(places: tuple[Path, Path], tmp_path: Path) -> None:
    settings = AdaptSettings(backbone="tiny", head="svm", shots=5, name="parts", symmetries=())
    adapt(places[0], tmp_path / "run", settings)
    bundle = deployed((places[0], tmp_path / "run"), tmp_path / "b", precision="int8", estimator="minmax")
    shipped = bundle.manifest.raw["metrics"]["precision"]["gate"]["shipped"]
    assert shipped["decisions"] == shipped["images"] == 105
    assert shipped["reference"] > 0.8
    # A hundred images can't show that nothing is lost, though hardly any answer is another one.
    with pytest.raises(GateError, match=r"the trained head may fall by .*1 points are allowed"):
        deployed((places[0], tmp_path / "run"), tmp_path / "c", precision="fp16", max_drop=1.0)


def test_too_few_images_prove_nothing(places: tuple[Path, Path], tmp_path: Path) -> None:
    few = write_set(tmp_path / "few", 12)
    adapt(few, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts", symmetries=()))
    with pytest.raises(GateError, match="keep more labelled images for testing"):
        export(
            tmp_path / "run",
            tmp_path / "b",
            deployment=DeploySettings(precision="int8", max_drop=50, estimator="minmax"),
        )
    assert not (tmp_path / "b").exists()


def test_ranges_may_come_from_a_folder_of_other_images(places: tuple[Path, Path], tmp_path: Path) -> None:
    others = write_set(tmp_path / "others", 10, ("checks", "dots"), first=100)
    (others / "broken.png").write_bytes(b"no image")
    for select in ("balanced", "k-center"):
        bundle = deployed(
            places,
            tmp_path / select,
            precision="int8",
            calibration=others,
            images=12,
            select=select,
            estimator="minmax",
            max_drop=60,
        )
        assert bundle.manifest.raw["embedder"]["precision"] == "int8"


def _missing(folder: Path) -> None:
    shutil.rmtree(folder)


def _few(folder: Path) -> None:
    for number in range(7):
        save(folder, "dots", number)


def _alike(folder: Path) -> None:
    for number in range(20):
        Image.fromarray(np.full((48, 48, 3), (90, 120, 60), np.uint8)).save(folder / f"{number}.png")


def _one_image_copied(folder: Path) -> None:
    first = save(folder, "dots", 0)
    for number in range(20):
        shutil.copy(first, folder / f"{number}.png")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_missing, "no such folder"),
        (_few, "7 different, usable images of 7; int8 needs at least 8"),
        (_alike, "different, usable images of 20"),
        (_one_image_copied, "1 different, usable images of 21"),
    ],
)
def test_calibration_images_that_will_not_do(
    places: tuple[Path, Path], tmp_path: Path, fault: object, words: str
) -> None:
    folder = tmp_path / "calibration"
    folder.mkdir()
    fault(folder)  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as caught:
        deployed(places, tmp_path / "b", precision="int8", calibration=folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()

"""The main job on real steel surfaces with real ImageNet weights, as far as minutes allow."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from edgefs.embedding.torch_embedder import TorchEmbedder
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate
from edgefs.pipelines.export import export
from edgefs.pipelines.networks import load_network
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.images.listing import find_images

PER_CLASS = 30
# Pixels. The backbone's own 224 make the rendered pictures cost three times as much, and steel is 200 x 200.
SIZES = [128, pytest.param(224, marks=pytest.mark.slow)]


def table_of(shared: Path, table: Path, counts: dict[str, int], others: int) -> Path:
    """A CSV file of real images of each of six classes: as many as `counts` says, else `others`."""
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for folder in sorted((shared / "data" / "neu_steel").iterdir()):
            images = find_images(folder)[: counts.get(folder.name, others)]
            rows.writerows([path, folder.name] for path in images)
    return table


@pytest.fixture(autouse=True)
def imagenet(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(shared / "torch_home"))


@pytest.fixture
def steel(shared: Path, tmp_path: Path) -> Path:
    """Of 30 images of each class."""
    return table_of(shared, tmp_path / "steel.csv", {}, PER_CLASS)


@pytest.mark.parametrize("size", SIZES)
def test_five_shots_of_steel_through_the_bundle(steel: Path, tmp_path: Path, size: int) -> None:
    run, _ = adapt(steel, tmp_path / "run", AdaptSettings(shots=5, size=(size, size)))
    assert run.record.backbone.name == "mobilenet_v2"
    exported = export(tmp_path / "run", tmp_path / "steel.edgefs")
    assert exported.parity.worst <= 1e-4
    assert exported.parity.flips == 0
    outcome = evaluate(tmp_path / "steel.edgefs", steel)
    assert outcome.evaluation.images == 6 * (PER_CLASS - 5)
    assert outcome.evaluation.nearest.accuracy.value > 0.9
    assert outcome.evaluation.confusion.to_json() == Run.open(tmp_path / "run").metrics["test"]["confusion"]


@pytest.mark.slow  # the export of the five shots above compares them too, all at once
def test_embeddings_of_real_images_agree_one_by_one(steel: Path, tmp_path: Path) -> None:
    run, _ = adapt(steel, tmp_path / "run", AdaptSettings(shots=2))
    export(tmp_path / "run", tmp_path / "steel.edgefs")
    paths = [Path(row["path"]) for row in csv.DictReader(steel.open())][:60]
    with Classifier.open(tmp_path / "steel.edgefs", seed_only=True) as classifier:
        found = classifier.embed(paths)
        pixels = classifier.bundle.manifest.preprocess.batch(list(paths))
    expected = TorchEmbedder(load_network(run), torch.device("cpu")).embed(pixels)
    relative = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert relative.max() <= 1e-4


@pytest.mark.parametrize("size", SIZES)
def test_a_class_held_out_is_learned_on_the_device(shared: Path, tmp_path: Path, size: int) -> None:
    steel = table_of(shared, tmp_path / "steel.csv", {"patches": PER_CLASS}, 6)
    adapt(steel, tmp_path / "run", AdaptSettings(shots=5, size=(size, size), without=("patches",)))
    export(tmp_path / "run", tmp_path / "steel.edgefs")
    rows = [(Path(row["path"]), row["label"]) for row in csv.DictReader(steel.open())]
    own = [path for path, label in rows if label == "patches"]
    with Classifier.open(tmp_path / "steel.edgefs") as classifier:
        before = classifier.predict(own[5:])
        classifier.enroll("patches", own[:5])
        after = classifier.predict(own[5:])
    assert {decision.nearest for decision in before}.isdisjoint({"patches"})
    assert np.mean([decision.nearest == "patches" for decision in after]) > 0.85

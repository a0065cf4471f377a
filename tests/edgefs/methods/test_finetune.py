"""`adapt --method finetune`: what learns and what stays, against the same script by hand, and through to the device."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from places import SUPPORT
from resuming import trained_at_once_and_in_two_goes
from safetensors.torch import load_file
from textures import draw, save, write_set
from torch import nn

from edgefs.backbones import load_backbone
from edgefs.data import load_dataset, split_dataset
from edgefs.methods.finetune import FinetuneSettings
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import TrainingError
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.images.preprocess import Preprocess

QUICK = AdaptSettings(method="finetune", backbone="tiny", shots=6, epochs=3, dim=32, own=(FinetuneSettings(folds=2),))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "textures", 10)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(run / "embedder.safetensors"))


def test_the_last_stages_change_and_the_first_do_not(data: Path, tmp_path: Path) -> None:
    adapt(data, tmp_path / "run", replace(QUICK, own=(FinetuneSettings(folds=2, unfreeze=1),)))
    found, source = weights(tmp_path / "run"), load_backbone("tiny").network.state_dict()
    changed = {name for name in source if not torch.equal(found[f"stages.{name}"], source[name])}
    assert changed == {"2.0.weight", "2.0.bias"}


def test_a_strong_penalty_keeps_the_network_at_its_source(data: Path, tmp_path: Path) -> None:
    source = load_backbone("tiny").network.state_dict()

    def strayed(l2sp: float) -> float:
        options = FinetuneSettings(folds=0, unfreeze=1, l2sp=l2sp)
        adapt(data, tmp_path / "run", replace(QUICK, lr=3e-2, own=(options,)), overwrite=True)
        found = weights(tmp_path / "run")
        return sum(float(((found[f"stages.{name}"] - value) ** 2).sum()) for name, value in source.items())

    assert strayed(100.0) < strayed(0.0) / 4


def test_it_exports_decides_and_takes_a_new_class(data: Path, tmp_path: Path) -> None:
    run, measured = adapt(data, tmp_path / "run", QUICK)
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value > 0.8
    assert not measured.curve  # the network has seen all shots: fewer would look too good
    export(tmp_path / "run", tmp_path / "b.edgefs")
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "g") as classifier:
        assert classifier.bundle.manifest.decision.correction is not None
        classifier.enroll("checks", [draw("checks", number) for number in range(5)], force=True)
        answers = classifier.predict([draw("checks", number) for number in range(10, 16)])
    assert sum(answer.nearest == "checks" for answer in answers) >= 5
    assert run.record.method == "finetune"


def test_without_a_test_set_the_figures_are_cross_fitted(tmp_path: Path) -> None:
    data = write_set(tmp_path / "small", 5)
    _, measured = adapt(data, tmp_path / "run", replace(QUICK, shots=None))
    assert measured.cross_validation is not None
    assert len(measured.cross_validation.samples) == 15


def test_the_report_compares_with_the_frozen_network(data: Path, tmp_path: Path) -> None:
    run, _ = adapt(data, tmp_path / "run", QUICK)
    assert any("frozen network places" in note for note in run.record.notes)
    assert "frozen network" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_with_everything_frozen_the_penalty_is_said_to_add_nothing(data: Path, tmp_path: Path) -> None:
    options = FinetuneSettings(folds=2, unfreeze=0, l2sp=1.0)
    run, _ = adapt(data, tmp_path / "run", replace(QUICK, head="linear", own=(options,)))
    assert any("L2-SP adds nothing" in note for note in run.record.notes)


def test_the_worked_example_gives_the_same_numbers_as_a_script_by_hand(data: Path, tmp_path: Path) -> None:
    """ResNet-50, all frozen but a new linear layer, Adam at 1e-3, N epochs: only `fc` changes."""
    epochs, batch, seed = 3, 4, 5
    settings = AdaptSettings(
        method="finetune", backbone="resnet50", weights="random", size=(64, 64), shots=6, seed=seed, head="linear",
        epochs=epochs, lr=1e-3, batch=batch, optimizer="adam", schedule="constant", symmetries=(),
        own=(FinetuneSettings(unfreeze=0, folds=0),),
    )  # fmt: skip
    adapt(data, tmp_path / "run", settings)
    export(tmp_path / "run", tmp_path / "b.edgefs")

    backbone = load_backbone("resnet50", "random")
    model = backbone.network.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    torch.manual_seed(seed)
    model.fc = nn.Linear(2048, 3)
    train = split_dataset(load_dataset(data), shots=6, seed=seed).train
    labels = sorted({sample.label for sample in train})
    preprocess = Preprocess(size=(64, 64))
    pixels = torch.from_numpy(np.stack([preprocess(sample.path) for sample in train])).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))
    images = (pixels / 255 - mean) / std
    classes = torch.tensor([labels.index(sample.label) for sample in train])
    optimizer = torch.optim.Adam(model.fc.parameters(), lr=1e-3)
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        for chosen in torch.split(order, batch):
            loss = nn.functional.cross_entropy(model(images[chosen]), classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    head = onnx.load_from_string(Bundle.open(tmp_path / "b.edgefs")._members["head.onnx"])
    shipped = {tensor.name: numpy_helper.to_array(tensor) for tensor in head.graph.initializer}
    np.testing.assert_allclose(shipped["weight"], model.fc.weight.detach().numpy(), atol=2e-5)
    np.testing.assert_allclose(shipped["bias"], model.fc.bias.detach().numpy(), atol=2e-5)
    found, source = weights(tmp_path / "run"), backbone.network.state_dict()
    assert all(torch.equal(found[f"stages.{name}"], value) for name, value in source.items() if "fc" not in name)


def test_a_linear_head_decides_until_something_is_taught(data: Path, tmp_path: Path) -> None:
    options = FinetuneSettings(folds=2, unfreeze=0)
    adapt(data, tmp_path / "run", replace(QUICK, head="linear", epochs=200, lr=0.3, own=(options,)))
    exported = export(tmp_path / "run", tmp_path / "b.edgefs")
    assert exported.evaluation is not None
    assert exported.evaluation.nearest.accuracy.value > 0.8
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "g") as classifier:
        assert classifier.judge.head == "linear"
        taught = classifier.enroll("checks", [draw("checks", number) for number in range(5)], force=True)
        assert taught.head_note
        assert classifier.judge.head == "blend"


def test_a_search_chooses_among_a_few_and_says_so(data: Path, tmp_path: Path) -> None:
    run, _ = adapt(data, tmp_path / "run", replace(QUICK, epochs=1, own=(FinetuneSettings(folds=2, search=True),)))
    assert any("chosen by the folds" in note for note in run.record.notes)


def test_a_rate_far_too_large_is_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="smaller --lr"):
        adapt(data, tmp_path / "run", replace(QUICK, lr=1e30, epochs=5))
    assert not (tmp_path / "run").exists()


def test_a_class_with_a_single_part_is_learned_without_folds_of_it(tmp_path: Path) -> None:
    data = write_set(tmp_path / "few", 4)
    save(data / "checks", "checks", 0)
    run, _ = adapt(data, tmp_path / "run", replace(QUICK, shots=None))
    assert set(run.record.labels) == {"good", "stripes", "dots", "checks"}


ADAPT = """
import sys
sys.path.insert(0, sys.argv[1])
from tiny import tiny_backbone
from edgefs.backbones import BACKBONES
from edgefs.cli import main
BACKBONES["tiny"] = tiny_backbone
main(sys.argv[2:])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_figures(data: Path, tmp_path: Path) -> None:
    flags = "--backbone tiny --shots 6 --method finetune --epochs 12 --folds 2 --dim 32 --name parts"
    whole, killed = trained_at_once_and_in_two_goes(tmp_path, "adapt", data, *flags.split(), epochs=7)
    for name in ("metrics.json", "embedder.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="Fabric starts the processes as POSIX does")
def test_two_processes_train_together_and_one_writes(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(ADAPT.replace("sys.argv[1]", repr(str(SUPPORT))).replace("sys.argv[2:]", "sys.argv[1:]"))
    flags = "--backbone tiny --shots 6 --method finetune --epochs 2 --folds 0 --dim 32 --device cpu --devices 2"
    command = [sys.executable, str(script), "adapt", str(data), "-o", str(tmp_path / "run"), *flags.split()]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("RUN: ") == 1
    assert (tmp_path / "run" / "run.json").is_file()

"""Backbones by name, and files of weights: whole ones, others', and bad ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from edgefs.backbones import default_backbone, find_stages, load_backbone
from edgefs.backbones.students import Student
from edgefs_runtime.base.errors import WeightsError


@pytest.fixture(autouse=True)
def no_cached_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty TORCH_HOME, and a proxy that refuses: no download can succeed."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def squeezenet(seed: int = 3, classes: int = 1000) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return get_model("squeezenet1_1", weights=None, num_classes=classes).state_dict()


def resnet(classes: int = 1000) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return get_model("resnet18", weights=None, num_classes=classes).state_dict()


WRAPPINGS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "bare": lambda state: state,
    "checkpoint": lambda state: {"epoch": 3, "state_dict": state},
    "data parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "lightning": lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_weights_files_of_other_trainers_are_read(tmp_path: Path, wrapping: str) -> None:
    state = resnet()
    torch.save(WRAPPINGS[wrapping](state), tmp_path / "w.pth")
    backbone = load_backbone("resnet18", str(tmp_path / "w.pth"))
    torch.testing.assert_close(backbone.network.state_dict()["conv1.weight"], state["conv1.weight"])
    assert backbone.origin == "weights file w.pth"


def test_safetensors_are_read(tmp_path: Path) -> None:
    state = {name: value.contiguous() for name, value in resnet().items()}
    save_file(state, tmp_path / "w.safetensors")
    backbone = load_backbone("resnet18", str(tmp_path / "w.safetensors"))
    torch.testing.assert_close(backbone.network.state_dict()["fc.weight"], state["fc.weight"])


def test_a_classifier_of_other_classes_does_no_harm(tmp_path: Path) -> None:
    torch.save(resnet(classes=7), tmp_path / "w.pth")
    assert load_backbone("resnet18", str(tmp_path / "w.pth")).digest != load_backbone("resnet18", "random").digest


class Boom:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("boom").touch, ())


def _other_architecture(path: Path) -> None:
    torch.save(squeezenet(), path)


def _other_width(path: Path) -> None:
    torch.save({**resnet(), "conv1.weight": torch.zeros(32, 3, 7, 7)}, path)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "not a file of plain tensors"),
    "text": (lambda path: path.write_text("weights"), "not a file of plain tensors"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Boom())), "not a file of plain tensors"),
    "object": (lambda path: torch.save({"model": Boom()}, path), "not a file of plain tensors"),
    "no tensors": (lambda path: torch.save({"epoch": 3}, path), "no named tensors"),
    "other architecture": (_other_architecture, "another architecture"),
    "other width": (_other_width, "conv1.weight has shape"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_weights_file_is_refused_in_one_line(tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = BAD[fault]
    make(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message) as caught:
        load_backbone("resnet18", str(tmp_path / "w.pth"))
    assert "\n" not in str(caught.value)
    assert not Path("boom").exists()


@pytest.mark.parametrize(("name", "hint"), [("mobilenet_v9", "mobilenet_v2"), ("resnet", "resnet"), ("???", "nano")])
def test_an_unknown_backbone_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(WeightsError, match=hint):
        load_backbone(name)


def test_without_a_network_and_a_cached_file_the_error_says_what_to_do() -> None:
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth there.*--weights FILE.*nano"):
        load_backbone("resnet18")


def test_the_default_is_nano_where_nothing_else_can_be_had() -> None:
    backbone, sentence = default_backbone()
    assert backbone.name == "nano"
    assert "neither cached nor can it be downloaded" in sentence


def test_the_default_is_mobilenet_where_it_is_cached(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(shared / "torch_home"))
    backbone, sentence = default_backbone()
    assert (backbone.name, backbone.origin) == ("mobilenet_v2", "torchvision IMAGENET1K_V1")
    assert "cached" in sentence


def test_nano_takes_weights_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(1)
    torch.save(Student("nano").state_dict(), tmp_path / "n.pth")
    assert load_backbone("nano", str(tmp_path / "n.pth")).digest != load_backbone("nano").digest


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v3_small", "efficientnet_b0", "densenet121", "vgg11", "googlenet"]
)
def test_stages_are_found_in_networks_of_many_families(name: str) -> None:
    stages = find_stages(load_backbone(name, "random").network, (128, 128))
    assert 4 <= len(stages) <= 6
    sides = [stage.side for stage in stages]
    assert sides == sorted(sides, reverse=True)

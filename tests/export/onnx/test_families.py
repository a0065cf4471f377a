"""Each of torchvision's convolutional families exports, and onnxruntime computes from it what torch computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models import get_model_builder

from edgefs.backbones import load_backbone
from edgefs.backbones.torchvision_models import names
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs_export.onnx.graph import to_onnx
from edgefs_runtime.base.errors import WeightsError
from edgefs_runtime.bundle.golden import relative_difference
from edgefs_runtime.embedders.onnx import OnnxEmbedder

SIZE = {"inception_v3": 96}  # pixels; the smallest that leaves it a map, where others take 64
QUICK = ("alexnet", "mobilenet_v2", "resnet18", "squeezenet1_1", "vgg11")
SLOW = (  # not by running but by torch's exporter, which takes as long for any size
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "vgg11_bn",
    "wide_resnet50_2",
)
TRANSFORMERS = ("maxvit_t", "swin_t", "vit_b_32")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_an_exported_family_computes_what_torch_computes(name: str) -> None:
    size = (SIZE.get(name, 64),) * 2
    backbone = load_backbone(name, "random")
    plan = EmbeddingPlan.all_stages(backbone, size)
    network = EmbeddingNetwork(backbone, plan)
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    found = OnnxEmbedder(to_onnx(network, size)).embed(images)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    assert len(plan.taps) >= 4
    assert found.shape == (3, plan.dim)
    assert relative_difference(found, expected).max() <= 1e-4
    assert len(np.unique(expected.round(4), axis=0)) == 3, "random weights must not make all images one"


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name} is a transformer"):
        EmbeddingPlan.all_stages(load_backbone(name, "random"))


def test_every_network_that_torchvision_lists_is_of_a_family_tested_here() -> None:
    assert {_family(name) for name in names()} == {_family(name) for name in (*QUICK, *SLOW, *TRANSFORMERS)}


def _family(name: str) -> str:
    """torchvision keeps each family in one module."""
    return get_model_builder(name).__module__

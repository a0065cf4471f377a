"""`nano`: its packaged weights, its stages and its export."""

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load
from torchvision.models.feature_extraction import create_feature_extractor

from edgefs.backbones import load_backbone
from edgefs.backbones.nano import NANO_WEIGHTS, load_nano, pack_nano
from edgefs.backbones.students import STUDENTS, Student, TappedStudent
from edgefs.render import PART_KINDS, render_part
from edgefs.settings.choices import STUDENT_SIZE

STAGES = ("features.2", "features.4", "features.7", "features.9")  # last block of each resolution


@pytest.fixture(scope="module")
def nano():
    return load_nano()


def test_the_packaged_weights_are_small_and_whole(nano):
    assert NANO_WEIGHTS.stat().st_size <= 4_000_000
    assert not nano.training
    assert all(value.isfinite().all() for value in nano.state_dict().values())
    assert all(parameter.dtype == torch.float32 for parameter in nano.parameters())


def test_stages_are_tapped_by_name(nano):
    taps = create_feature_extractor(nano, list(STAGES))(torch.zeros(2, 3, STUDENT_SIZE, STUDENT_SIZE))
    shapes = [tuple(taps[name].shape) for name in STAGES]
    assert shapes == [(2, 32, 32, 32), (2, 64, 16, 16), (2, 128, 8, 8), (2, 256, 4, 4)]


@pytest.mark.parametrize("taps", [STAGES, ("features.0.2", "features.2.2", "features.4"), ("features.1",)])
def test_a_tapped_student_is_what_torchvision_would_extract(nano, taps):
    ours, theirs = TappedStudent(nano, taps).eval(), create_feature_extractor(nano, list(taps)).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    images = torch.randn(2, 3, STUDENT_SIZE, STUDENT_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, expected = ours(images), theirs(images)
    assert all(torch.equal(found[tap], expected[tap]) for tap in taps)


def test_other_sizes_are_accepted(nano):
    assert nano(torch.zeros(1, 3, 224, 160)).shape == (1, 256)


@pytest.mark.parametrize("size", STUDENTS)
def test_only_operators_that_run_fast_and_quantise_well(size):
    student = Student(size).eval()
    kinds = {type(module) for module in student.modules() if not list(module.children())}
    assert kinds == {torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.ReLU}
    depthwise: list[int] = []  # sides of the maps that they read
    for module in student.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1:
            module.register_forward_hook(lambda _module, inputs, _output: depthwise.append(inputs[0].shape[-1]))
    student(torch.zeros(1, 3, STUDENT_SIZE, STUDENT_SIZE))
    assert depthwise
    assert max(depthwise) <= 16  # larger ones cost what their memory costs, in int8 as in float32


def test_the_packaged_weights_are_a_backbone_that_is_trained_and_the_others_are_not():
    assert [load_backbone(size).trained for size in STUDENTS] == [size == "nano" for size in STUDENTS]


def test_onnxruntime_computes_what_torch_computes(nano):
    images = torch.randn(2, 3, STUDENT_SIZE, STUDENT_SIZE, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(nano, (images,), None, opset_version=18, dynamic_shapes={"images": {0: "batch"}})
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(found, nano(images).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_packed_weights_come_back_within_half_precision():
    state = Student("nano").state_dict()
    for name, value in load(pack_nano(state)).items():
        torch.testing.assert_close(value.float(), state[name].float(), rtol=1e-3, atol=1e-4)


def test_parts_of_one_kind_lie_together(nano):
    """Ten parts of each kind are enough to tell most others: far above the quarter that guessing gives."""
    kinds = PART_KINDS[:4]
    vectors, classes = _embed(nano, kinds, 20)
    taught, asked = np.arange(len(classes)) % 20 < 10, np.arange(len(classes)) % 20 >= 10
    means = np.stack([vectors[taught & (classes == c)].mean(axis=0) for c in range(len(kinds))])
    rest = vectors[taught] - means[classes[taught]]
    inverse = np.linalg.inv(0.5 * rest.T @ rest / len(rest) + 0.5 * np.mean(rest**2) * np.eye(rest.shape[1]))
    right = ((vectors[asked] @ inverse @ means.T - 0.5 * np.sum(means @ inverse * means, 1)).argmax(1)) == classes[
        asked
    ]
    assert right.mean() > 0.6


def _embed(model, kinds, count):
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    extractor = create_feature_extractor(model, list(STAGES))
    vectors, classes = [], []
    for index, kind in enumerate(kinds):
        parts = [Image.fromarray(render_part(np.random.default_rng((1, index, i)), kind)) for i in range(count)]
        pixels = np.stack(
            [np.asarray(part.resize((STUDENT_SIZE, STUDENT_SIZE), Image.Resampling.BILINEAR)) for part in parts]
        )
        with torch.inference_mode():
            taps = extractor((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std).values()
            pooled = [torch.nn.functional.normalize(torch.cat([t.mean((2, 3)), t.amax((2, 3))], 1)) for t in taps]
        vectors.append(torch.cat(pooled, 1).double().numpy())
        classes += [index] * count
    return np.concatenate(vectors), np.array(classes)

"""`nano`: its packaged weights, its stages, its export and its training."""

import json
import logging

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import mobilenet_v2
from torchvision.models.feature_extraction import create_feature_extractor

from edgefs.backbones.nano import NANO_SIZE, NANO_STAGES, NANO_WEIGHTS, Nano, load_nano, save_nano
from edgefs.backbones.train_nano import Settings, train
from edgefs.render import PART_KINDS, render_part


@pytest.fixture(scope="module")
def nano():
    return load_nano()


def test_the_packaged_weights_are_small_and_whole(nano):
    assert NANO_WEIGHTS.stat().st_size <= 4_000_000
    assert not nano.training
    assert all(value.isfinite().all() for value in nano.state_dict().values())
    assert all(parameter.dtype == torch.float32 for parameter in nano.parameters())


def test_stages_are_tapped_by_name(nano):
    taps = create_feature_extractor(nano, list(NANO_STAGES))(torch.zeros(2, 3, NANO_SIZE, NANO_SIZE))
    shapes = [tuple(taps[name].shape) for name in NANO_STAGES]
    assert shapes == [(2, 32, 32, 32), (2, 64, 16, 16), (2, 96, 8, 8), (2, 192, 4, 4)]


def test_other_sizes_are_accepted(nano):
    assert nano(torch.zeros(1, 3, 224, 160)).shape == (1, 192)


def test_only_operators_that_run_fast_and_quantise_well():
    kinds = {type(module) for module in Nano().modules() if not list(module.children())}
    assert kinds == {torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.ReLU, torch.nn.Identity}
    assert all(module.groups == 1 for module in Nano().modules() if isinstance(module, torch.nn.Conv2d))


def test_onnxruntime_computes_what_torch_computes(nano):
    images = torch.randn(2, 3, NANO_SIZE, NANO_SIZE, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(nano, (images,), None, opset_version=18, dynamic_shapes={"images": {0: "batch"}})
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(found, nano(images).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_saved_weights_come_back_within_half_precision(tmp_path):
    torch.manual_seed(0)
    model = Nano()
    save_nano(model, tmp_path / "w.safetensors")
    for name, value in load_file(tmp_path / "w.safetensors").items():
        torch.testing.assert_close(value.float(), model.state_dict()[name].float(), rtol=1e-3, atol=1e-4)


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


@pytest.fixture(scope="module")
def teacher_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    torch.manual_seed(0)
    torch.save(mobilenet_v2(weights=None).state_dict(), path)
    return path


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _train(out, teacher_weights, **settings):
    out.mkdir(exist_ok=True)
    chosen = Settings(images=2, views=1, epochs=1, render_size=64, **{"batch": 2, **settings})
    return train(chosen, out, teacher_weights, workers=0, device=torch.device("cpu"))


class _StopAfterOneRound(logging.Handler):
    def emit(self, record):
        raise KeyboardInterrupt


@pytest.mark.usefixtures("one_thread")
def test_training_stopped_and_resumed_ends_as_if_it_had_not_been(tmp_path, teacher_weights, caplog):
    whole = load_file(_train(tmp_path / "whole", teacher_weights, rounds=2))
    caplog.set_level(logging.INFO, "edgefs.backbones.train_nano")
    logger, stop = logging.getLogger("edgefs.backbones.train_nano"), _StopAfterOneRound()
    logger.addHandler(stop)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "resumed", teacher_weights, rounds=2)
    logger.removeHandler(stop)
    resumed = load_file(_train(tmp_path / "resumed", teacher_weights, rounds=2))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value)
    curve = [json.loads(line) for line in (tmp_path / "resumed" / "curve.jsonl").read_text().splitlines()]
    assert [entry["steps"] for entry in curve] == [1, 2]


@pytest.mark.usefixtures("one_thread")
def test_training_refuses_a_checkpoint_of_other_settings(tmp_path, teacher_weights):
    _train(tmp_path, teacher_weights, rounds=1)
    with pytest.raises(ValueError, match="now asked"):
        _train(tmp_path, teacher_weights, rounds=1, batch=1)


def _embed(model, kinds, count):
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    extractor = create_feature_extractor(model, list(NANO_STAGES))
    vectors, classes = [], []
    for index, kind in enumerate(kinds):
        parts = [Image.fromarray(render_part(np.random.default_rng((1, index, i)), kind)) for i in range(count)]
        pixels = np.stack(
            [np.asarray(part.resize((NANO_SIZE, NANO_SIZE), Image.Resampling.BILINEAR)) for part in parts]
        )
        with torch.inference_mode():
            taps = extractor((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std).values()
            pooled = [torch.nn.functional.normalize(torch.cat([t.mean((2, 3)), t.amax((2, 3))], 1)) for t in taps]
        vectors.append(torch.cat(pooled, 1).double().numpy())
        classes += [index] * count
    return np.concatenate(vectors), np.array(classes)

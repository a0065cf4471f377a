"""What computes: which provider is taken, what is said where one does not work, and how closely it must agree."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from bundles import remade

from edgefs_runtime import Bundle, BundleError, Classifier, EdgefsError, ProviderError
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.embedders.backends import EMBEDDERS, by_onnxruntime, open_backend
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import Backend, Embedder, embed_each
from edgefs_runtime.embedders.self_test import check_once, has_passed, run_self_test
from edgefs_runtime.gallery.belonging import judge_by
from edgefs_runtime.verify import verify

pytestmark = pytest.mark.device

HERE = onnxruntime.get_available_providers()
without_cuda = pytest.mark.skipif("CUDAExecutionProvider" in HERE, reason="this onnxruntime has CUDA")


class Noisy:
    """Another backend of the same model, as a GPU is: it rounds otherwise, by a share of each embedding's length."""

    def __init__(self, embedder: Embedder, noise: float) -> None:
        self._embedder, self._noise = embedder, noise
        self.dim = embedder.dim

    def embed(self, images: np.ndarray) -> np.ndarray:
        rows = self._embedder.embed(images)
        noise = np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)
        return rows + self._noise * noise * np.linalg.norm(rows) / np.linalg.norm(noise)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`plugged(0.01)`: a backend that computes on this CPU with noise stands in the place of TensorRT."""

    def plug(noise: float) -> None:
        def opened(bundle: Bundle, provider: str, threads: int) -> Backend:
            return Backend(Noisy(OnnxEmbedder(bundle.model, threads), noise), provider, f"noise {noise}", False)

        monkeypatch.setitem(EMBEDDERS, "tensorrt", opened)

    return plug


def test_the_cpu_is_what_is_taken_without_being_asked(bundle: Path) -> None:
    with Classifier.open(bundle) as classifier:
        backend = classifier.backend
    assert (backend.provider, backend.note, backend.is_exact) == ("cpu", "", True)
    assert backend.software == f"onnxruntime {onnxruntime.__version__} (cpu)"


@without_cuda
def test_cuda_says_why_not(bundle: Path) -> None:
    with pytest.raises(ProviderError, match=r"has no CUDAExecutionProvider \(only .*CPUEx.*install onnxruntime-gpu"):
        Classifier.open(bundle, provider="cuda")


@without_cuda
def test_auto_comes_down_to_the_cpu_and_says_so(bundle: Path) -> None:
    with Classifier.open(bundle, provider="auto") as classifier:
        assert classifier.backend.provider == "cpu"
        note = classifier.backend.note
    assert note.startswith("Computing on the CPU: ")
    assert "CUDAExecutionProvider" in note
    assert "\n" not in note


def test_a_provider_that_nobody_knows_is_refused(bundle: Path) -> None:
    with pytest.raises(ProviderError, match="no provider 'npu'; there are auto, cpu, cuda, tensorrt"):
        Classifier.open(bundle, provider="npu")


@pytest.mark.skipif("AzureExecutionProvider" not in HERE, reason="needs a provider that runs nothing of a network")
def test_a_provider_that_is_loaded_but_runs_nothing_is_found_out(bundle: Path) -> None:
    """onnxruntime's Azure provider is listed and loaded everywhere, and leaves every operator to the CPU."""
    with pytest.raises(ProviderError, match="loads its AzureExecutionProvider but runs the whole model on the CPU"):
        OnnxEmbedder(Bundle.open(bundle).model, execution=[("AzureExecutionProvider", {})])


@without_cuda
def test_a_model_that_cannot_be_loaded_is_not_blamed_on_the_provider() -> None:
    with pytest.raises(BundleError, match="can't load"):
        OnnxEmbedder(b"not a model")


def test_another_backend_of_the_same_model_is_taken_when_the_golden_vectors_agree(
    bundle: Path, plugged: Callable[[float], None]
) -> None:
    plugged(0.01)  # a cosine of 0.99995
    with Classifier.open(bundle, provider="auto") as classifier:
        assert (classifier.backend.provider, classifier.backend.note) == ("tensorrt", "")
    verified = verify(bundle, "tensorrt")
    assert verified.worst == pytest.approx(0.01, rel=0.01)
    assert 0.999 < verified.cosine < 1
    assert verified.software == "noise 0.01"


def test_a_backend_that_computes_something_else_is_refused(bundle: Path, plugged: Callable[[float], None]) -> None:
    plugged(0.1)  # a cosine of 0.995
    with pytest.raises(ProviderError, match=r"cosine of 0\.99\d\d, at least 0\.999 is needed \(noise 0\.1\)"):
        Classifier.open(bundle, provider="tensorrt")
    assert not has_passed(Bundle.open(bundle).digest, "noise 0.1")


@without_cuda
def test_auto_passes_over_a_backend_that_computes_something_else(
    bundle: Path, plugged: Callable[[float], None]
) -> None:
    plugged(0.1)
    with Classifier.open(bundle, provider="auto") as classifier:
        assert classifier.backend.provider == "cpu"
        assert "self-test fails" in classifier.backend.note


def test_passing_on_one_backend_is_not_passing_on_another(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    backend = open_backend(opened, "cpu", test=check_once)
    assert has_passed(opened.digest, backend.software)
    assert not has_passed(opened.digest, "TensorRT 10.3.0")


@pytest.mark.parametrize(("noise", "exact", "passes"), [(0, True, True), (1e-3, True, False), (1e-3, False, True)])
def test_how_closely_embeddings_must_agree(bundle: Path, noise: float, exact: bool, passes: bool) -> None:
    opened = Bundle.open(bundle)
    judge, exactly = judge_by(opened, None, None), OnnxEmbedder(opened.model)
    inputs = Golden.from_bytes(opened.golden).inputs
    golden = Golden.record(inputs, embed_each(exactly, inputs), judge)  # by this processor's rounding
    vectors = embed_each(Noisy(exactly, noise), inputs)
    if passes:
        assert golden.check(vectors, judge, exact=exact).worst <= noise * 1.01 + 1e-6
    else:
        with pytest.raises(BundleError, match=r"differ by 1\.0e-03, at most 1e-04"):
            golden.check(vectors, judge, exact=exact)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_embeddings_that_are_no_numbers_never_pass(bundle: Path, value: float) -> None:
    class Broken(Noisy):
        def embed(self, images: np.ndarray) -> np.ndarray:
            return np.full((len(images), self.dim), value, np.float32)

    opened = Bundle.open(bundle)
    backend = Backend(Broken(OnnxEmbedder(opened.model), 0), "tensorrt", "broken", is_exact=False)
    with np.errstate(invalid="ignore"), pytest.raises(ProviderError, match="self-test fails"):
        run_self_test(opened, backend)


def test_half_precision_need_not_agree_to_the_last_bits_on_a_cpu(bundle: Path, tmp_path: Path) -> None:
    embedder = {**Bundle.open(bundle).manifest.raw["embedder"], "precision": "fp16"}
    half = Bundle.open(remade(bundle, tmp_path / "half.edgefs", embedder=embedder))
    assert not by_onnxruntime(half, "cpu", 0).is_exact
    assert by_onnxruntime(Bundle.open(bundle), "cpu", 0).is_exact


def test_verified_is_json(bundle: Path) -> None:
    verified = verify(bundle)
    assert json.loads(json.dumps(dataclasses.asdict(verified)))["provider"] == "cpu"
    assert verified.cosine == pytest.approx(1)


def test_every_error_of_a_provider_is_one_that_the_command_line_prints() -> None:
    assert issubclass(ProviderError, EdgefsError)

"""What computes a bundle's embeddings on this machine.

    backend = open_backend(bundle, "auto", test=check_once)
    backend.embedder.embed(images), backend.software

`EMBEDDERS` is the plug-in point: what opens a model, by the name of the library that runs it. A provider is a kind of
processor; some can be reached by several libraries, which are tried in order. Whatever is opened must pass the
bundle's self-test before it is used, so two libraries may serve one gallery.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from edgefs_runtime.base.errors import MissingExtraError, ProviderError
from edgefs_runtime.base.state import has_passed
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import CPU, Backend, Execution

Opener = Callable[[Bundle, str, int], Backend]  # bundle, provider, threads of one inference
Test = Callable[[Bundle, Backend], object]  # raises BundleError or ProviderError


def load_onnxruntime() -> None:
    """Load the library that nearly every provider needs, where it is installed."""
    with suppress(ImportError):  # whoever needs it says so
        import onnxruntime  # noqa: F401


def by_onnxruntime(bundle: Bundle, provider: str, threads: int) -> Backend:
    """The model run by onnxruntime, on the CPU or by its CUDA or TensorRT execution provider.

    Raises:
        BundleError: the model can't be loaded.
        ProviderError: the execution provider is missing, or does not run the model.
    """
    import onnxruntime

    software = f"onnxruntime {onnxruntime.__version__} ({provider})"
    known = has_passed(bundle.digest, software)
    embedder = OnnxEmbedder(bundle.model_file, threads, _execution(bundle, provider), known=known)
    # Where a value lies between two steps of int8, another version or processor may take the other step.
    is_exact = provider == "cpu" and _precision(bundle) == "fp32"
    return Backend(embedder, provider, software, is_exact)


def by_tensorrt(bundle: Bundle, provider: str, _threads: int) -> Backend:
    """The engine that `edgefs engine` built for this device, run by TensorRT without onnxruntime.

    Raises:
        MissingExtraError: TensorRT or cuda-python is not installed.
        ProviderError: there is no GPU, no engine was built, or it is not one for this model, GPU and TensorRT.
    """
    from edgefs_runtime.embedders.tensorrt.engines import open_engine

    embedder, software = open_engine(bundle)
    return Backend(embedder, provider, software, is_exact=False)


EMBEDDERS: dict[str, Opener] = {"onnxruntime": by_onnxruntime, "tensorrt": by_tensorrt}
# What is tried in turn for each provider. `auto` never waits for onnxruntime to build an engine, which takes minutes.
_TRIED: dict[str, tuple[tuple[str, str], ...]] = {
    "auto": (("tensorrt", "tensorrt"), ("onnxruntime", "cuda"), ("onnxruntime", "cpu")),
    "cpu": (("onnxruntime", "cpu"),),
    "cuda": (("onnxruntime", "cuda"),),
    "tensorrt": (("tensorrt", "tensorrt"), ("onnxruntime", "tensorrt")),
}
PROVIDERS = tuple(_TRIED)


def open_backend(bundle: Bundle, provider: str, *, test: Test, threads: int = 0) -> Backend:
    """Open a bundle's model on this machine.

    Args:
        bundle: with its model.
        provider: one of `PROVIDERS`; `auto` takes the fastest that works and says in `note` when that is the CPU.
        test: the bundle's self-test.
        threads: of one inference on the CPU; 0 takes one for each core.

    Raises:
        BundleError: the model can't be loaded, or the CPU computes something else than the exporter did.
        MissingExtraError: what the provider needs is not installed.
        ProviderError: it does not work here, or computes something else; or there is none of that name.
    """
    if provider not in _TRIED:
        raise ProviderError(f"no provider {provider!r}; there are {', '.join(PROVIDERS)}")
    failed: list[MissingExtraError | ProviderError] = []
    for library, on in _TRIED[provider]:
        try:
            backend = EMBEDDERS[library](bundle, on, threads)
            test(bundle, backend)
        except (MissingExtraError, ProviderError) as error:
            failed.append(error)
            continue
        reasons = "; ".join(map(str, failed))
        return replace(backend, note=f"Computing on the CPU: {reasons}") if failed and on == "cpu" else backend
    if len(failed) == 1:
        raise failed[0]
    raise ProviderError("; ".join(map(str, failed)))


def warnings_of(bundle: Bundle, provider: str) -> tuple[str, ...]:
    """One sentence each of what speaks against running the bundle on this machine's processor; nearly always none.

    Args:
        bundle: that is opened.
        provider: what computes: nothing is claimed about a GPU.
    """
    entry = bundle.manifest.raw.get("embedder")
    if provider != "cpu" or not isinstance(entry, dict) or not {"target", "isa"} & entry.keys():
        return ()  # it claims nothing, and a cold start need not look
    from edgefs_runtime.base.processor import mismatch, this_processor

    sentence = mismatch(entry, this_processor())
    return (f"{bundle.path.name}: {sentence}",) if sentence else ()


def _precision(bundle: Bundle) -> str:
    return str(bundle.manifest.raw["embedder"].get("precision", "fp32"))


def _execution(bundle: Bundle, provider: str) -> tuple[Execution, ...]:
    """Execution providers of onnxruntime for a provider, with the next best for operators that the first lacks."""
    if provider == "cpu":
        return (CPU,)
    cuda: Execution = ("CUDAExecutionProvider", {})
    if provider == "cuda":
        return (cuda,)
    from edgefs_runtime.embedders.probing import require_listed

    require_listed("TensorrtExecutionProvider")  # before a folder is made for it
    return (("TensorrtExecutionProvider", _tensorrt_options(bundle)), cuda)


def _tensorrt_options(bundle: Bundle) -> dict[str, str]:
    """What onnxruntime builds by itself is kept, apart for each model and version: its own names tell neither."""
    import onnxruntime

    from edgefs_runtime.bundle.members import MODEL
    from edgefs_runtime.embedders.tensorrt.sealed import private_folder

    model = bundle.manifest.members[MODEL].sha256
    folder = str(private_folder(f"onnxruntime-{onnxruntime.__version__}-{model[:16]}"))
    allowed = {"fp16": {"trt_fp16_enable": "True"}, "int8": {"trt_int8_enable": "True"}}.get(_precision(bundle), {})
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": folder,
        **allowed,
    }

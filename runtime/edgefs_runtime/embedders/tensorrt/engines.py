"""The engine of a bundle for this device: built, kept, found again, tested.

It lies in the state folder under the model's digest, TensorRT's version and the GPU. Each stands in the file as well,
and is looked at before anything is loaded: a new bundle, JetPack or GPU means a new engine, never a stale one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefs_runtime.base.durable import locked_folder
from edgefs_runtime.base.errors import ProviderError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.bundle.golden import GoldenAgreement
from edgefs_runtime.bundle.members import MODEL
from edgefs_runtime.embedders.protocol import Backend
from edgefs_runtime.embedders.tensorrt.device import EngineDevice, this_device
from edgefs_runtime.embedders.tensorrt.sealed import private_folder, read_sealed, write_sealed

if TYPE_CHECKING:
    from edgefs_runtime.embedders.tensorrt.executing import TensorRtEmbedder

_logger = logger_of(__name__)
Test = Callable[[Bundle, Backend], GoldenAgreement]  # raises BundleError or ProviderError
LARGEST_BATCH = 8  # images
WORKSPACE = 1024  # MiB


@dataclass(frozen=True)
class BuiltEngine:
    """An engine that passed the bundle's self-test.

    Attributes:
        path: where it lies.
        size: bytes of the file.
        is_new: it was built now; else one that was there serves.
        largest_batch: images that it takes at once.
        tensorrt: version that it belongs to.
        gpu: the one that the engine belongs to.
        capability: compute capability of the GPU.
        precision: of the model.
        worst: largest relative difference of a golden embedding.
        cosine: smallest cosine of a golden embedding with the exporter's.
    """

    path: Path
    size: int
    is_new: bool
    largest_batch: int
    tensorrt: str
    gpu: str
    capability: str
    precision: str
    worst: float
    cosine: float


def engine_path(model_sha256: str, device: EngineDevice) -> Path:
    """Where the engine of a model lies on this device."""
    return private_folder() / f"{model_sha256[:16]}-{device.name}.engine"


def engine_key(model_sha256: str, device: EngineDevice) -> dict[str, Any]:
    """What stands in the file, and must be so for the engine to be loaded."""
    return {"kind": "engine", "model": model_sha256, **vars(device)}


def find_engine(bundle: Bundle, device: EngineDevice) -> tuple[dict[str, Any], bytes]:
    """What an engine says of itself, and its plan, not loaded yet.

    Raises:
        ProviderError: none was built on this device, or what lies there is another's, damaged or for something else.
    """
    model = bundle.manifest.members[MODEL].sha256
    found = read_sealed(engine_path(model, device), engine_key(model, device))
    if found is None:
        raise ProviderError(
            f"no engine of this model for {device.gpu} and TensorRT {device.tensorrt} was built here: "
            f"run `edgefs engine {bundle.path}`"
        )
    return found


def open_engine(bundle: Bundle) -> tuple[TensorRtEmbedder, str]:
    """The engine of a bundle, loaded, and what its results depend on, in words.

    Raises:
        MissingExtraError: TensorRT or cuda-python is not installed.
        ProviderError: there is no GPU, no engine was built here, or it can't be loaded.
    """
    device = this_device()
    return _load(find_engine(bundle, device)[1], device)


def build_engine(
    path: Path, *, test: Test, largest_batch: int = LARGEST_BATCH, workspace: int = WORKSPACE
) -> BuiltEngine:
    """Build the engine of a bundle for this device, unless the one that is there is the same; it takes minutes.

    It is kept only if it passes the bundle's self-test.

    Args:
        path: the bundle.
        test: the bundle's self-test.
        largest_batch: images at once.
        workspace: MiB that TensorRT may use for an operator besides its tensors.

    Raises:
        BundleError: not a whole bundle.
        MissingExtraError: TensorRT or cuda-python is not installed.
        ProviderError: there is no GPU, TensorRT can't build the engine, or the engine computes something else.
    """
    bundle = Bundle.open(path)
    device = this_device()
    model = bundle.manifest.members[MODEL].sha256
    asked = {**engine_key(model, device), "largest_batch": largest_batch, "workspace": workspace}
    place = engine_path(model, device)
    try:
        with locked_folder(place.parent):
            agreement, is_new = _test_or_build(bundle, device, place, asked, test)
            size = place.stat().st_size
    except OSError as error:
        raise ProviderError(f"{place.parent}: can't be used for engines ({error.strerror or error})") from error
    return BuiltEngine(
        place,
        size,
        is_new,
        largest_batch,
        device.tensorrt,
        device.gpu,
        device.capability,
        str(bundle.manifest.raw["embedder"].get("precision", "fp32")),
        agreement.worst,
        agreement.cosine,
    )


def _test_or_build(
    bundle: Bundle, device: EngineDevice, place: Path, asked: Mapping[str, Any], test: Test
) -> tuple[GoldenAgreement, bool]:
    """How far an engine agrees with the exporter, and whether it had to be built."""
    kept = _kept(place, asked)
    if kept is not None:
        try:
            return test(bundle, _backend(kept, device)), False
        except ProviderError as error:
            _logger.warning("built anew: %s", error)
    plan = _build(bundle, device, asked["largest_batch"], asked["workspace"])
    agreement = test(bundle, _backend(plan, device))
    write_sealed(place, asked, plan)
    return agreement, True


def _backend(plan: bytes, device: EngineDevice) -> Backend:
    embedder, software = _load(plan, device)
    return Backend(embedder, "tensorrt", software, is_exact=False)


def _kept(place: Path, asked: Mapping[str, Any]) -> bytes | None:
    """The plan that is there, if it is the one that is asked for; what is damaged or another's is built anew."""
    try:
        found = read_sealed(place, asked)
    except ProviderError as error:
        _logger.info("built anew: %s", error)
        return None
    return None if found is None else found[1]


def _build(bundle: Bundle, device: EngineDevice, largest_batch: int, workspace: int) -> bytes:
    from edgefs_runtime.embedders.tensorrt.building import build_plan

    key = {"kind": "timing cache", **vars(device)}
    place = private_folder() / f"{device.name}.timing"
    built = build_plan(bundle.model, largest_batch, workspace << 20, _kept(place, key) or b"")
    write_sealed(place, key, built.timing_cache)
    return built.plan


def _load(plan: bytes, device: EngineDevice) -> tuple[TensorRtEmbedder, str]:
    from edgefs_runtime.embedders.tensorrt.executing import TensorRtEmbedder

    software = f"TensorRT {device.tensorrt} on {device.gpu}, engine {hashlib.sha256(plan).hexdigest()[:12]}"
    return TensorRtEmbedder(plan), software

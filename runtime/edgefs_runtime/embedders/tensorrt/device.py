"""What an engine belongs to: this GPU and this TensorRT."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from edgefs_runtime.bundle.identity import canonical_json
from edgefs_runtime.embedders.tensorrt.installed import require_tensorrt


@dataclass(frozen=True)
class EngineDevice:
    """What an engine belongs to besides its model.

    Attributes:
        tensorrt: version.
        gpu: name of the GPU.
        capability: its compute capability, such as `8.7`.
    """

    tensorrt: str
    gpu: str
    capability: str

    @property
    def name(self) -> str:
        """Name of the device in a file name; the digest tells apart what would else be written alike."""
        gpu = re.sub(r"[^a-z0-9]+", "-", self.gpu.lower()).strip("-")[:40]
        digest = hashlib.sha256(canonical_json(vars(self)).encode("ascii")).hexdigest()[:8]
        version = re.sub(r"[^0-9A-Za-z.]+", "-", self.tensorrt)[:20]
        return f"trt{version}-{gpu}-sm{self.capability.replace('.', '')}-{digest}"


def this_device() -> EngineDevice:
    """TensorRT and the GPU of this device.

    Raises:
        MissingExtraError: TensorRT or cuda-python is not installed.
        ProviderError: one of them can't be loaded, or there is no GPU.
    """
    version = require_tensorrt()
    from edgefs_runtime.embedders.tensorrt.cuda import this_gpu

    gpu = this_gpu()
    return EngineDevice(version, gpu.name, gpu.capability)

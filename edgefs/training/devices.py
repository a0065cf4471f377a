"""Where training runs: one CPU, one GPU, or several processes that share the batches (Lightning Fabric)."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

import torch

from edgefs.settings.choices import Precision
from edgefs_runtime.base.errors import TrainingError, WeightsError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(device: torch.device, devices: int = 1, precision: Precision = "auto") -> Fabric:
    """Start as many processes as there are devices to train on.

    With several, Fabric runs this very command once for each; all of them do all the work, each trains on its share of
    every batch, and `is_lead` says which one may write.

    Args:
        device: `cpu`, `cuda` or `cuda:1`.
        devices: processes, each with a device of its own.
        precision: as in `TrainingSettings`.

    Raises:
        WeightsError: there are not so many devices.
        TrainingError: bf16 is asked for where it would only be imitated.
    """
    from lightning_fabric import Fabric  # a second that only a training has to wait for

    on_gpu = device.type == "cuda"
    if on_gpu and devices > torch.cuda.device_count():
        raise WeightsError(f"--devices {devices}: this machine has {torch.cuda.device_count()} GPUs")
    if precision == "bf16" and not on_gpu and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise TrainingError(
            "--precision bf16: this processor has no such arithmetic and would be ten times slower; use fp32"
        )
    chosen = [device.index] if on_gpu and devices == 1 and device.index is not None else devices
    mixed = precision == "bf16" or (precision == "auto" and on_gpu and torch.cuda.is_bf16_supported())
    for name in ("lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(
            accelerator=device.type,
            devices=chosen,
            strategy="ddp" if devices > 1 else "auto",
            precision="bf16-mixed" if mixed else "32-true",
        )
        fabric.launch()
    return fabric


def is_lead() -> bool:
    """Whether this process may print and write; of several that train together one does."""
    return os.environ.get("LOCAL_RANK", "0") == "0"

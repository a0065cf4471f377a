"""`edgefs adapt`: a folder of images becomes a RUN, by one of the methods.

The order is that of a careful engineer: read and check the data, divide it, look at the backbone, adapt on what may be
learned from, measure on what may not, write it all down.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from safetensors.torch import save
from torch import nn

from edgefs.data.layouts.folders import TABLE_SUFFIXES
from edgefs.embedding.enrolments import enrolments_of
from edgefs.embedding.rendered import Rendering
from edgefs.methods import METHODS
from edgefs.methods.task import Adapted, Task
from edgefs.pipelines.checking import check_adapt
from edgefs.pipelines.measure import AdaptFigures, adapt_report, measure
from edgefs.pipelines.preparing import prepare_task
from edgefs.pipelines.recording import adapted_record
from edgefs.progress import Steps, silent
from edgefs.report import Report, report_html
from edgefs.runs.run import GALLERY, GALLERY_WEIGHTS, HEAD, METRICS, REPORT, WEIGHTS, Run
from edgefs.runs.succession import predecessor
from edgefs.runs.writing import name_from, write_run
from edgefs.settings.adapt import AdaptSettings
from edgefs.training import is_lead
from edgefs_runtime.base.strict_json import write_json
from edgefs_runtime.base.version import __version__
from edgefs_runtime.bundle.seed import pack_gallery


def adapt(
    data: Path,
    out: Path,
    settings: AdaptSettings,
    *,
    overwrite: bool = False,
    steps: Steps = silent,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Run, AdaptFigures]:
    """Adapt to the images of a folder and write a RUN.

    Args:
        data: folder or CSV file.
        out: place of the RUN.
        settings: what `adapt` is told; `AdaptSettings` explains each.
        overwrite: replace a RUN that stands at `out`.
        steps: told how the work goes on.
        tell: given one sentence for each thing that was decided.

    Raises:
        DataError: the images can't be learned from.
        WeightsError: the backbone can't be had, or not used here.
        RunError: the place is taken, or can't be written.
    """
    began = time.monotonic()
    check_adapt(data, out, settings, overwrite=overwrite)
    name = settings.name or _name_from(data)
    succeeds = predecessor(Path(settings.succeeds)) if settings.succeeds else ""
    with Rendering() as rendering:
        task, dataset = prepare_task(data, out, settings, rendering, steps, tell)
        adapted = METHODS[settings.method].adapt(task)
    for note in adapted.notes:
        tell(note)
    measured = measure(task, adapted, dataset)
    writing = steps("write the RUN")
    report = dataclasses.replace(
        adapt_report(name, settings, dataset, task, adapted, measured),
        timings=(("everything", time.monotonic() - began),),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    record = adapted_record(name, data, dataset, task, adapted, succeeds)
    if is_lead():  # of several processes that train together one writes
        record = write_run(out, record, _files(task, adapted, measured, report), overwrite=overwrite)
        task.checkpoints.clear()
        writing(1, 1)
    return Run(out, record), measured


def _name_from(data: Path) -> str:
    """The folder's name where it can be a model's, else `model`."""
    return name_from((data.resolve().parent if data.suffix.lower() in TABLE_SUFFIXES else data.resolve()).name, "model")


def _files(task: Task, adapted: Adapted, measured: AdaptFigures, report: Report) -> dict[str, bytes]:
    """The content of the RUN's other files, by their names."""
    networks = {WEIGHTS: adapted.network, GALLERY_WEIGHTS: adapted.gallery}
    return {
        **{name: _weights(network) for name, network in networks.items() if network is not None},
        GALLERY: pack_gallery(enrolments_of(task.split.train, adapted.embedded, task.dispositions)),
        METRICS: write_json(measured.to_json(), indent=1, ensure_ascii=False).encode(),
        REPORT: report_html(report).encode(),
        **({HEAD: adapted.head.onnx} if adapted.head else {}),
    }


def _weights(network: nn.Module) -> bytes:
    return save({key: value.contiguous() for key, value in network.cpu().state_dict().items()})

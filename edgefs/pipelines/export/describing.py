"""What a bundle says of itself: its manifest and its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgefs.data import Sample
from edgefs.pipelines.export.measuring import BundleFigures
from edgefs.pipelines.export.plan import ExportPlan
from edgefs.report import Report
from edgefs.runs.versions import versions
from edgefs_export.onnx.graph import OPSET
from edgefs_runtime.base.version import __version__
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.judge import budget_in_words

_MIN_RUNTIME = "0.1.0"


def manifest_fields(plan: ExportPlan, dim: int, measured: BundleFigures) -> dict[str, Any]:
    """The manifest, less what packing adds. Nothing in it tells when or where the bundle was made."""
    run, height, width = plan.run.record, *plan.preprocess.size
    backbone = run.backbone
    return {
        "name": plan.name,
        "identity": run.identity,
        **({"succeeds": run.succeeds} if run.succeeds else {}),
        "min_runtime": _MIN_RUNTIME,
        "preprocess": plan.preprocess.to_json(),
        "embedder": {
            "input": {"name": "images", "dtype": "uint8", "shape": ["batch", height, width, 3]},
            "output": {"name": "embeddings", "dtype": "float32", "shape": ["batch", dim]},
            "opset": OPSET,
            **measured.deployed.fields,
        },
        "head": plan.head.to_json() if plan.head else dict(plan.decision.head),
        "fallback_head": dict(plan.decision.head),
        "decision": plan.decision.to_json(),
        "labels": [
            {"label": label, "disposition": plan.dispositions[label], "images": count}
            for label, count in _counts(plan.train).items()
        ],
        "method": run.method,
        "backbone": {"name": backbone.name, "origin": backbone.origin, "digest": backbone.digest},
        "data": {
            "digest": run.data.digest,
            "shots": run.shots,
            "seed": run.seed,
            "chosen_on": plan.run.chosen_on,
            "blank_apart": plan.run.blank_apart,
            **({} if measured.refined is None else {"refined": dict(measured.refined.classes)}),
        },
        "metrics": {
            "test": measured.evaluation.to_json() if measured.evaluation else None,
            "parity": measured.parity.to_json(),
            "precision": measured.deployed.to_json(),
        },
        "versions": {**run.versions, **versions()},
    }


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    labels = sorted({sample.label for sample in samples})
    return {label: sum(sample.label == label for sample in samples) for label in labels}


def report_of(plan: ExportPlan, measured: BundleFigures) -> Report:
    """The bundle's report, in which nothing is shown of the images."""
    parity, evaluation, refined = measured.parity, measured.evaluation, measured.refined
    run = plan.run.record
    size = plan.preprocess.size
    return Report(
        title=plan.name,
        notes=(
            *run.notes,
            f"As float32 ONNX: on {counted(parity.images, 'image')} its embeddings differ from torch's by at "
            f"most {parity.worst:.1e}; the nearest class is another one on {parity.flips or 'none'} of them.",
            *measured.deployed.notes,
            *([] if refined is None else refined.sentences),
        ),
        settings=(
            ("method", run.method),
            ("backbone", f"{run.backbone.name} ({run.backbone.origin})"),
            ("input", f"{size[1]} x {size[0]} pixels, {plan.preprocess.resize}, {plan.preprocess.channels}"),
            ("head", plan.head.kind if plan.head else str(plan.decision.head["kind"])),
            ("budget for unknown", budget_in_words(plan.decision)),
            ("seed", str(run.seed)),
        ),
        evaluation=evaluation,
        evaluated_on=f"{len(plan.test)} test images, through the runtime" if evaluation else "",
        version=__version__,
        anonymous=True,
    )

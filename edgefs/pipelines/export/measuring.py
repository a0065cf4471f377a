"""The exported model beside torch, and on the RUN's test images: what is measured before a bundle is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from edgefs.embedding.cache import EmbeddingCache, cache_path
from edgefs.embedding.enrolments import Embedded, rows_of
from edgefs.embedding.torch_embedder import OneByOne, TorchEmbedder, embed_samples
from edgefs.evaluation import Evaluation
from edgefs.pipelines.export.plan import ExportPlan
from edgefs.pipelines.export.precision import Deployed
from edgefs.pipelines.export.refining import Refined
from edgefs.pipelines.networks import load_gallery_network
from edgefs.pipelines.sides import Dispositions, Side
from edgefs.progress import Progress, Steps
from edgefs.runs.run import WEIGHTS
from edgefs.runs.versions import versions
from edgefs_export.onnx.parity import Parity
from edgefs_runtime.bundle.identity import canonical_json, space_id
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import Embedder


@dataclass(frozen=True)
class BundleFigures:
    """What is known of a bundle.

    Attributes:
        parity: torch against onnxruntime, both in float32.
        evaluation: of the exported model on the RUN's test images; None where there are none.
        deployed: the precision, and what was measured to choose it.
        refined: what unlabelled images did; None where none were given.
    """

    parity: Parity
    evaluation: Evaluation | None
    deployed: Deployed
    refined: Refined | None


def embed_by_runtime(
    plan: ExportPlan, model: bytes, gallery_model: bytes | None, use_cache: bool, steps: Steps
) -> Embedded:
    """Embed as the device will: a batch of one each."""
    space = space_id(hashlib.sha256(model).hexdigest(), plan.preprocess)
    cache = cache_path("onnx", space, versions()["onnxruntime"]) if use_cache else None
    gallery = None if gallery_model is None else OneByOne(OnnxEmbedder(gallery_model))
    return _embed(plan, OneByOne(OnnxEmbedder(model)), gallery, cache, steps("embed with onnxruntime"))


def embed_by_torch(plan: ExportPlan, use_cache: bool, steps: Steps) -> Embedded:
    """What the exported model is compared with."""
    weights, preprocess = plan.run.record.files[WEIGHTS], canonical_json(plan.preprocess.to_json())
    cache = cache_path("torch", weights, preprocess, torch.__version__) if use_cache else None
    cpu, of_gallery = torch.device("cpu"), load_gallery_network(plan.run)
    gallery = None if of_gallery is None else TorchEmbedder(of_gallery, cpu)
    return _embed(plan, TorchEmbedder(plan.network, cpu), gallery, cache, steps("compare with torch"))


def _embed(
    plan: ExportPlan, embedder: Embedder, gallery: Embedder | None, cache_file: Path | None, progress: Progress
) -> Embedded:
    """Every image, and those that teach in all their views, by the gallery's own network where it has one."""
    cache = EmbeddingCache(cache_file)
    try:
        symmetries = ("", *plan.preprocess.symmetries)
        of_taught = (embedder, cache) if gallery is None else (gallery, EmbeddingCache(None))
        taught = embed_samples(plan.train, of_taught[0], plan.preprocess, of_taught[1], progress, symmetries)
        asked = embed_samples(plan.test, embedder, plan.preprocess, cache, progress)
    finally:
        cache.close()
    of_support = Embedded.of_views(taught, len(symmetries))
    return Embedded({**of_support.asked, **asked}, taught, len(symmetries))


def compare(plan: ExportPlan, judge: Judge, vectors: Embedded, expected: Embedded) -> Parity:
    """How far the exported model is from torch, in embeddings and in decisions."""
    samples, everything = plan.test or plan.train, (*plan.train, *plan.test)
    return Parity.of(
        rows_of(everything, expected),
        rows_of(everything, vectors),
        plan.judge(expected).decide(rows_of(samples, expected)),
        judge.decide(rows_of(samples, vectors)),
        judge.safe_margin,
    )


def evaluate_bundle(plan: ExportPlan, judge: Judge, vectors: Embedded) -> Evaluation | None:
    """The figures on the RUN's test images; None where there are none."""
    if not plan.test and not plan.blank:
        return None
    dispositions = Dispositions(plan.dispositions, plan.strangers)
    return Side.decided(judge, plan.test, plan.blank, vectors, dispositions).evaluation

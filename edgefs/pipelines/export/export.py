"""`edgefs export`: a RUN becomes one file, measured through the runtime before it is written.

The seed gallery is embedded afresh by the exported model, from the images that the RUN names: the device must compare
with vectors of its own kind. So must the figures in the bundle: they are the exported model's, not torch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgefs.embedding.enrolments import Embedded
from edgefs.pipelines.checking import check_export
from edgefs.pipelines.export.describing import manifest_fields, report_of
from edgefs.pipelines.export.measuring import BundleFigures, compare, embed_by_runtime, embed_by_torch, evaluate_bundle
from edgefs.pipelines.export.plan import ExportPlan, read_plan
from edgefs.pipelines.export.precision import DeploySettings, FloatModel, deploy
from edgefs.pipelines.export.refining import check_refinable, refine
from edgefs.pipelines.networks import load_gallery_network
from edgefs.progress import Steps, silent
from edgefs.report import report_html
from edgefs.runs.run import Run
from edgefs_export.onnx.graph import to_onnx
from edgefs_export.packing.golden_inputs import golden_inputs
from edgefs_export.packing.pack import pack, write_bundle
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.bundle.members import GOLDEN, HEAD, MODEL, REPORT, SEED
from edgefs_runtime.bundle.seed import pack_gallery
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import embed_each
from edgefs_runtime.images.kept import keep_image

KeepImages = Literal["none", "support"]
_AS_IT_IS = DeploySettings()


@dataclass(frozen=True)
class Exported(BundleFigures):
    """What `export` wrote, and what was measured.

    Attributes:
        path: the bundle.
        size: bytes.
    """

    path: Path
    size: int


def export(
    folder: Path,
    out: Path,
    *,
    data: Path | None = None,
    name: str | None = None,
    version: str = "1",
    keep_images: KeepImages = "none",
    unlabelled: Sequence[Path] | None = None,
    deployment: DeploySettings = _AS_IT_IS,
    use_cache: bool = True,
    steps: Steps = silent,
) -> Exported:
    """Export a RUN as a bundle.

    Args:
        folder: the RUN.
        out: the bundle's place.
        data: where the images lie now, if not where `adapt` found them.
        name: of the model; None takes the RUN's.
        version: of the model.
        keep_images: `support` puts pictures of the images learned from into the bundle.
        unlabelled: images that refine classes of few images, as `Classifier.refine` does it on a device.
        deployment: precision, processor, and what may be lost.
        use_cache: remember embeddings between exports of the same network.
        steps: told how the work goes on.

    Raises:
        RunError: not a whole RUN.
        DataError: an image is gone or changed.
        GateError: the precision asked for loses more than is allowed.
        ExportError: the network can't be exported, computes something else, or the place can't be written; or the
            head is a trained one, which unlabelled images can't refine.
    """
    check_export(folder, out, name=name, data=data, calibration=deployment.calibration)
    plan = read_plan(Run.open(folder), data, name)
    if unlabelled is not None:
        check_refinable(plan)
    exact = _to_onnx(plan, steps)
    vectors = embed_by_runtime(plan, *exact, use_cache, steps)
    judge = plan.judge(vectors)
    parity = compare(plan, judge, vectors, embed_by_torch(plan, use_cache, steps))
    parity.check()
    deployed = deploy(_subject(plan, *exact), deployment, use_cache=use_cache, steps=steps)
    model = deployed.model
    if model != exact[0]:
        vectors = embed_by_runtime(plan, model, deployed.gallery_model, use_cache, steps)
        judge = plan.judge(vectors)
    embedder = OnnxEmbedder(model)
    refined = None if unlabelled is None else refine(plan, judge, embedder, unlabelled)
    if refined is not None:
        judge = plan.judge(vectors, refined.enrolments)
    writing = steps("write the bundle")
    measured = BundleFigures(parity, evaluate_bundle(plan, judge, vectors), deployed, refined)
    members = _members(plan, vectors, embedder, judge, measured, keep_images)
    fields = {**manifest_fields(plan, embedder.dim, measured), "version": version, "keep_images": keep_images}
    packed = pack(fields, members)
    write_bundle(out, packed)
    writing(1, 1)
    return Exported(**vars(measured), path=out, size=len(packed))


def _members(
    plan: ExportPlan,
    vectors: Embedded,
    embedder: OnnxEmbedder,
    judge: Judge,
    measured: BundleFigures,
    keep_images: KeepImages,
) -> dict[str, bytes]:
    """The files of the bundle, less its manifest."""
    pictures = (
        {sample.digest: keep_image(sample.path, plan.preprocess) for sample in plan.train}
        if keep_images == "support"
        else {}
    )
    refined = () if measured.refined is None else measured.refined.enrolments
    inputs = golden_inputs(plan.preprocess.size)
    return {
        MODEL: measured.deployed.model,
        SEED: pack_gallery(plan.enrolments(vectors, refined, pictures)),
        GOLDEN: Golden.record(inputs, embed_each(embedder, inputs), judge).to_bytes(),
        REPORT: report_html(report_of(plan, measured)).encode(),
        **({HEAD: plan.head.onnx} if plan.head else {}),
    }


def _to_onnx(plan: ExportPlan, steps: Steps) -> tuple[bytes, bytes | None]:
    """The network in float32, and the gallery's own where there is one."""
    progress = steps("export to ONNX")
    model = to_onnx(plan.network, plan.preprocess.size)
    of_gallery = load_gallery_network(plan.run)
    gallery_model = None if of_gallery is None else to_onnx(of_gallery, plan.preprocess.size)
    progress(1, 1)
    return model, gallery_model


def _subject(plan: ExportPlan, model: bytes, gallery_model: bytes | None) -> FloatModel:
    return FloatModel(
        model=model,
        gallery_model=gallery_model,
        preprocess=plan.preprocess,
        decision=plan.decision,
        head=plan.head,
        dispositions=plan.dispositions,
        train=plan.train,
        test=plan.test,
        shots=plan.run.record.shots,
    )

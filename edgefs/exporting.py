"""`edgefs export`: from a RUN to one file, measured through the runtime before it is written.

The seed gallery is embedded afresh by the exported model, from the images that the RUN names: the device must compare
with vectors of its own kind. So must the figures in the bundle: they are the exported model's, not torch's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file

from edgefs.backbones import Backbone, architecture
from edgefs.cache import EmbeddingCache, cache_path
from edgefs.data import Sample
from edgefs.data.wording import counted
from edgefs.embedding import EmbeddingNetwork, EmbeddingPlan
from edgefs.evaluation import Evaluation
from edgefs.gallery_network import GalleryNetwork
from edgefs.precision import Deployed, DeploySettings, Subject, deploy
from edgefs.progress import Progress, Steps, silent
from edgefs.report import Report, render_report
from edgefs.runs import GALLERY_WEIGHTS, WEIGHTS, Run
from edgefs.teaching import Embedded, enrolments_of, rows_of
from edgefs.torch_embedder import OneByOne, TorchEmbedder, embed_samples
from edgefs.versions import versions
from edgefs_export.golden_inputs import golden_inputs
from edgefs_export.graph import OPSET, to_onnx
from edgefs_export.packing import SUFFIX, pack, write_bundle
from edgefs_export.parity import Parity
from edgefs_runtime.arrays import pack_gallery
from edgefs_runtime.bundle import GOLDEN, HEAD, MODEL, REPORT, SEED
from edgefs_runtime.deciding import DecisionSettings, Judge
from edgefs_runtime.decision import Disposition
from edgefs_runtime.embedder import Embedder, OnnxEmbedder, canonical_json, space_id
from edgefs_runtime.errors import DataError, ExportError, RunError
from edgefs_runtime.golden import Golden
from edgefs_runtime.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.heads.trained import gallery_head
from edgefs_runtime.images import content_digest
from edgefs_runtime.preprocess import Preprocess
from edgefs_runtime.refining import refinements, sentences_of
from edgefs_runtime.snapshot import Enrolment, build_snapshot
from edgefs_runtime.teaching import Teaching
from edgefs_runtime.thumbnails import KEPT_SIDE, thumbnail
from edgefs_runtime.version import __version__

_LARGEST_TEST = 5000  # images measured through the runtime
_MIN_RUNTIME = "0.1.0"

KeepImages = Literal["none", "support"]
_AS_IT_IS = DeploySettings()


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        path: the bundle.
        size: bytes.
        parity: torch against onnxruntime, both in float32.
        evaluation: of the exported model on the RUN's test images; None where there are none.
        deployed: the precision, and what was measured to choose it.
        refined: classes that unlabelled images refined, with the number of images; None where none were given.
    """

    path: Path
    size: int
    parity: Parity
    evaluation: Evaluation | None
    deployed: Deployed
    refined: Mapping[str, int] | None


@dataclass(frozen=True)
class _Plan:
    """A RUN, read."""

    run: Run
    name: str
    network: EmbeddingNetwork
    preprocess: Preprocess
    decision: DecisionSettings
    head: TrainedHeadModel | None
    dispositions: Mapping[str, Disposition]
    strangers: Mapping[str, Disposition]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]

    def judge(self, vectors: Embedded, refined: Sequence[Enrolment] = ()) -> Judge:
        """Decides by the images learned from, in the embedding given, and by what refines their classes."""
        taught = enrolments_of(self.train, vectors, self.dispositions)
        snapshot = build_snapshot([*taught, *refined], 0, vectors.views)
        return Judge(snapshot, self.decision, trained=TrainedHead(self.head, snapshot) if self.head else None)


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
        keep_images: `support` puts thumbnails of the images learned from into the bundle.
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
    if out.is_dir():
        raise ExportError(f"{out}: a folder stands there; name a file, such as {out / (folder.name + SUFFIX)}")
    plan = _read(Run.open(folder), data, name)
    if plan.head is not None and unlabelled is not None:
        raise ExportError(
            f"--unlabelled refines what is computed from the gallery, and the head {plan.head.kind} is trained"
        )
    exact = _to_onnx(plan, steps)
    vectors = _embed_by_runtime(plan, *exact, use_cache, steps)
    judge = plan.judge(vectors)
    parity = _compare(plan, judge, vectors, _embed_by_torch(plan, use_cache, steps))
    parity.check()
    deployed = deploy(_subject(plan, *exact), deployment, use_cache=use_cache, steps=steps)
    model = deployed.model
    if model != exact[0]:
        vectors = _embed_by_runtime(plan, model, deployed.gallery_model, use_cache, steps)
        judge = plan.judge(vectors)
    embedder = OnnxEmbedder(model)
    refined = _refined(plan, judge, embedder, unlabelled or ())
    judge = plan.judge(vectors, [enrolment for enrolment, _ in refined]) if refined else judge
    evaluation = _evaluate(plan, judge, vectors)
    jpegs = {s.digest: thumbnail(s.path, shorter=KEPT_SIDE) for s in plan.train} if keep_images == "support" else {}
    used = None if unlabelled is None else {enrolment.label: images for enrolment, images in refined}
    members = {
        MODEL: model,
        SEED: pack_gallery(
            [*enrolments_of(plan.train, vectors, plan.dispositions, jpegs), *(one for one, _ in refined)]
        ),
        GOLDEN: Golden.record(golden_inputs(plan.preprocess.size), embedder, judge).to_bytes(),
        REPORT: render_report(_report(plan, evaluation, parity, deployed, used)).encode(),
        **({HEAD: plan.head.onnx} if plan.head else {}),
    }
    fields = _fields(plan, embedder.dim, evaluation, parity, deployed, used)
    packed = pack({**fields, "version": version, "keep_images": keep_images}, members)
    write_bundle(out, packed)
    return Exported(out, len(packed), parity, evaluation, deployed, used)


def load_network(run: Run) -> EmbeddingNetwork:
    """The embedding network of a RUN.

    Raises:
        RunError: its weights don't fit the network that this torchvision builds.
    """
    fields = run.fields["backbone"]
    backbone = Backbone(
        name=fields["name"],
        network=architecture(fields["name"]),
        size=fields["size"],
        origin=fields["origin"],
        digest=fields["digest"],
        mean=tuple(fields["mean"]),
        std=tuple(fields["std"]),
    )
    network = EmbeddingNetwork(backbone, EmbeddingPlan.from_json(run.fields["plan"]))
    try:
        network.load_state_dict(load_file(run.folder / WEIGHTS))
    except RuntimeError as error:
        raise RunError(
            f"{run.folder}: the weights don't fit {fields['name']} of this torchvision; the RUN was made with "
            f"{run.fields['versions'].get('torchvision')}; run `edgefs adapt` again"
        ) from error
    return network.eval()


def load_gallery_network(run: Run) -> GalleryNetwork | None:
    """What embeds the gallery's images of a RUN; None where the embedding network does."""
    if GALLERY_WEIGHTS not in run.fields["files"]:
        return None
    network = GalleryNetwork(load_network(run))
    network.load_state_dict(load_file(run.folder / GALLERY_WEIGHTS))
    return network.eval()


def settings_of(run: Run) -> tuple[Preprocess, DecisionSettings, dict[str, Disposition]]:
    """Preprocessing, decision settings and dispositions of a RUN."""
    decision = run.fields["decision"]
    return (
        Preprocess.from_json(run.fields["preprocess"]),
        DecisionSettings.from_json(gallery_head(run.fields), decision),
        {entry["label"]: entry["disposition"] for entry in run.fields["labels"]},
    )


def _read(run: Run, data: Path | None, name: str | None) -> _Plan:
    root = data or Path(run.fields["data"]["root"])
    root = root.parent if root.is_file() else root
    preprocess, decision, dispositions = settings_of(run)
    return _Plan(
        run=run,
        name=name or run.name,
        network=load_network(run),
        preprocess=preprocess,
        decision=decision,
        head=run.trained_head,
        dispositions=dispositions,
        strangers={entry["label"]: entry["disposition"] for entry in run.fields.get("strangers", ())},
        train=_samples(run.fields["images"]["train"], root),
        test=_samples(_some(run.fields["images"]["test"]), root),
    )


def _some(images: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
    """Of very many images, a part that holds every class: their order is by folder, so none may be cut off its end."""
    if len(images) <= _LARGEST_TEST:
        return images
    return sorted(images, key=lambda image: image["sha256"])[:_LARGEST_TEST]


def _samples(images: Sequence[Mapping[str, str]], root: Path) -> tuple[Sample, ...]:
    """The images of a RUN, unchanged.

    Raises:
        DataError: one is gone or another one now.
    """
    found = []
    for image in images:
        path = root / image["path"]
        if not path.is_file():
            raise DataError(f"{path}: gone since `edgefs adapt`; pass --data with the folder where the images lie now")
        if content_digest(path) != image["sha256"]:
            raise DataError(f"{path}: not the image that `edgefs adapt` learned from or tested on; run it again")
        found.append(Sample(path, image["label"], image.get("group", ""), "", image["sha256"], (0, 0), 8))
    return tuple(found)


def _to_onnx(plan: _Plan, steps: Steps) -> tuple[bytes, bytes | None]:
    """The network in float32, and the gallery's own where there is one."""
    progress = steps("export to ONNX")
    model = to_onnx(plan.network, plan.preprocess.size)
    of_gallery = load_gallery_network(plan.run)
    gallery_model = None if of_gallery is None else to_onnx(of_gallery, plan.preprocess.size)
    progress(1, 1)
    return model, gallery_model


def _subject(plan: _Plan, model: bytes, gallery_model: bytes | None) -> Subject:
    return Subject(
        model=model,
        gallery_model=gallery_model,
        preprocess=plan.preprocess,
        decision=plan.decision,
        head=plan.head,
        dispositions=plan.dispositions,
        train=plan.train,
        test=plan.test,
        shots=plan.run.fields["settings"]["shots"],
    )


def _embed_by_runtime(
    plan: _Plan, model: bytes, gallery_model: bytes | None, use_cache: bool, steps: Steps
) -> Embedded:
    """As the device will: a batch of one each."""
    space = space_id(hashlib.sha256(model).hexdigest(), plan.preprocess)
    cache = cache_path("onnx", space, versions()["onnxruntime"]) if use_cache else None
    gallery = None if gallery_model is None else OneByOne(OnnxEmbedder(gallery_model))
    return _embed(plan, OneByOne(OnnxEmbedder(model)), gallery, cache, steps("embed with onnxruntime"))


def _embed_by_torch(plan: _Plan, use_cache: bool, steps: Steps) -> Embedded:
    """What the exported model is compared with."""
    weights, preprocess = plan.run.fields["files"][WEIGHTS], canonical_json(plan.preprocess.to_json())
    cache = cache_path("torch", weights, preprocess, torch.__version__) if use_cache else None
    cpu, of_gallery = torch.device("cpu"), load_gallery_network(plan.run)
    gallery = None if of_gallery is None else TorchEmbedder(of_gallery, cpu)
    return _embed(plan, TorchEmbedder(plan.network, cpu), gallery, cache, steps("compare with torch"))


def _embed(
    plan: _Plan, embedder: Embedder, gallery: Embedder | None, cache_file: Path | None, progress: Progress
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


def _refined(plan: _Plan, judge: Judge, embedder: Embedder, images: Sequence[Path]) -> list[tuple[Enrolment, int]]:
    """What unlabelled images add to classes, with the number of images; in the embedding that ships."""
    seen = Teaching(plan.preprocess, embedder).unlabelled(images)
    return refinements(judge.snapshot, seen, ()) if seen else []


def _compare(plan: _Plan, judge: Judge, vectors: Embedded, expected: Embedded) -> Parity:
    samples, everything = plan.test or plan.train, (*plan.train, *plan.test)
    return Parity.of(
        rows_of(everything, expected),
        rows_of(everything, vectors),
        plan.judge(expected).decide(rows_of(samples, expected)),
        judge.decide(rows_of(samples, vectors)),
        judge.safe_margin,
    )


def _evaluate(plan: _Plan, judge: Judge, vectors: Embedded) -> Evaluation | None:
    if not plan.test:
        return None
    return Evaluation.of(
        [sample.label for sample in plan.test],
        judge.decide(rows_of(plan.test, vectors)),
        plan.dispositions,
        plan.strangers,
        [sample.group for sample in plan.test],
    )


def _fields(
    plan: _Plan,
    dim: int,
    evaluation: Evaluation | None,
    parity: Parity,
    deployed: Deployed,
    refined: Mapping[str, int] | None,
) -> dict[str, Any]:
    """The manifest, less what packing adds. Nothing in it tells when or where the bundle was made."""
    run, height, width = plan.run.fields, *plan.preprocess.size
    backbone = run["backbone"]
    return {
        "name": plan.name,
        "min_runtime": _MIN_RUNTIME,
        "preprocess": plan.preprocess.to_json(),
        "embedder": {
            "input": {"name": "images", "dtype": "uint8", "shape": ["batch", height, width, 3]},
            "output": {"name": "embeddings", "dtype": "float32", "shape": ["batch", dim]},
            "opset": OPSET,
            **deployed.fields,
        },
        "head": plan.head.to_json() if plan.head else dict(plan.decision.head),
        "fallback_head": dict(plan.decision.head),
        "decision": plan.decision.to_json(),
        "labels": [
            {"label": label, "disposition": plan.dispositions[label], "images": count}
            for label, count in _counts(plan.train).items()
        ],
        "method": run["method"],
        "backbone": {"name": backbone["name"], "origin": backbone["origin"], "digest": backbone["digest"]},
        "data": {
            "digest": run["data"]["digest"],
            "shots": run["settings"]["shots"],
            "seed": run["seed"],
            **({"refined": dict(refined)} if refined is not None else {}),
        },
        "metrics": {
            "test": evaluation.to_json() if evaluation else None,
            "parity": parity.to_json(),
            "precision": deployed.to_json(),
        },
        "versions": {**run["versions"], **versions()},
    }


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    labels = sorted({sample.label for sample in samples})
    return {label: sum(sample.label == label for sample in samples) for label in labels}


def _report(
    plan: _Plan,
    evaluation: Evaluation | None,
    parity: Parity,
    deployed: Deployed,
    refined: Mapping[str, int] | None,
) -> Report:
    run = plan.run.fields
    size = plan.preprocess.size
    return Report(
        title=plan.name,
        notes=(
            *run["notes"],
            f"As float32 ONNX: on {counted(parity.images, 'image')} its embeddings differ from torch's by at "
            f"most {parity.worst:.1e}; the nearest class is another one on {parity.flips or 'none'} of them.",
            *deployed.notes,
            *([] if refined is None else sentences_of(refined)),
        ),
        settings=(
            ("method", run["method"]),
            ("backbone", f"{run['backbone']['name']} ({run['backbone']['origin']})"),
            ("input", f"{size[1]} x {size[0]} pixels, {plan.preprocess.resize}, {plan.preprocess.channels}"),
            ("head", plan.head.kind if plan.head else str(plan.decision.head["kind"])),
            ("budget for unknown", f"{100 * plan.decision.budget:g} % of known parts"),
            ("seed", str(run["seed"])),
        ),
        evaluation=evaluation,
        evaluated_on=f"{len(plan.test)} test images, through the runtime" if evaluation else "",
        version=__version__,
        anonymous=True,
    )

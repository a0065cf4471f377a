"""`edgefs evaluate`: a bundle decides through the runtime, or a RUN through torch, about labelled images."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Dataset, Sample, load_dataset
from edgefs.data.dispositions import dispositions_of
from edgefs.data.splits.parts import find_parts
from edgefs.embedding.enrolments import Embedded
from edgefs.evaluation import Evaluation
from edgefs.evaluation.episodes import EpisodePlan, Episodes, draw_episodes, run_episodes, ways_of
from edgefs.pipelines.sides import Dispositions, Side, distribution_of, inside, mistakes_of
from edgefs.progress import Steps, silent
from edgefs.report import LeftOut, Report
from edgefs.runs.run import DIGEST_START
from edgefs_runtime.answering import Answering
from edgefs_runtime.base.errors import DataError, GalleryError, ImageError
from edgefs_runtime.base.labels import difference_in_words, spelling_in, twin_of
from edgefs_runtime.base.version import __version__
from edgefs_runtime.base.wording import counted
from edgefs_runtime.classifier import Classifier
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import build_snapshot
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.sources import Frame


@dataclass(frozen=True)
class Evaluated:
    """The outcome.

    Attributes:
        side: images, decisions and figures.
        dataset: what was read.
        notes: what was done, in sentences.
        report: what the HTML shows of the evaluation.
    """

    side: Side
    dataset: Dataset
    notes: tuple[str, ...]
    report: Report

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.side.evaluation


@dataclass(frozen=True)
class _Subject:
    """What is evaluated: how it embeds and decides, which classes it knows, which images it has learned from."""

    name: str
    description: str
    answering: Answering
    judge: Judge
    embed: Callable[[Sample, bool], NDArray[np.float32]]  # [D], or of all views [V·D]
    preprocess: Preprocess
    decision: DecisionSettings
    dispositions: dict[str, Disposition]
    learned: frozenset[str]
    chosen_on: Sequence[str]  # as in `Run`
    blank_apart: Sequence[str]  # as in `Run`

    def decide(self, sample: Sample) -> Decision:
        """The answer to an image; none is decided about one that can't be read any more."""
        answer = self.answering.answer(self.judge, Frame(sample.path))
        return self.judge.no_decision(answer.reason) if isinstance(answer, ImageError) else answer


def evaluate(
    subject: Path,
    data: Path,
    *,
    gallery: Path | None = None,
    group_from: str | None = None,
    ok: tuple[str, ...] = (),
    steps: Steps = silent,
) -> Evaluated:
    """Decide about every image of a folder and count.

    Images that the model has learned from, byte for byte, are left out with others of their parts: they would flatter
    it; so are those that choices were made on. Of a divided folder only `test` is taken where there is one. As in
    `adapt`'s own table, a file that `predict` reports as an error is left out and listed, and a frame that shows
    nothing counts as one without a decision.

    Args:
        subject: a bundle or a RUN folder.
        data: folder or CSV file.
        gallery: decide by this gallery instead of the bundle's seed.
        group_from: as in `adapt`.
        ok: classes of good parts among those that the model does not know.
        steps: told how the work goes on.

    Raises:
        DataError: nothing to evaluate on.
        BundleError: not a whole bundle.
        RunError: not a whole RUN.
        GalleryError: there is no such gallery, it does not belong to the bundle, or the subject is a RUN.
    """
    if gallery is not None and subject.is_dir():
        raise GalleryError(f"--gallery {gallery}: {subject} is a RUN, which decides by what it learned; pass a BUNDLE")
    opening = steps("open the RUN" if subject.is_dir() else "open the bundle")
    judged = _run(subject) if subject.is_dir() else _bundle(subject, gallery)
    opening(1, 1)
    dataset = load_dataset(
        data, group_from=group_from, minimum_classes=1, preprocess=judged.preprocess, progress=steps("read images")
    )
    dataset = _as_known(dataset, judged.dispositions)
    samples, notes = _choose(dataset, judged)
    progress = steps("decide")
    decisions = []
    for done, sample in enumerate(samples, start=1):
        decisions.append(judged.decide(sample))
        progress(done, len(samples))
    named = {spelling_in(dataset.classes, label) for label in ok}
    strangers: dict[str, Disposition] = dict.fromkeys(named - judged.dispositions.keys(), "ok")
    side = Side.of(samples, decisions, Dispositions(judged.dispositions, strangers), judged.judge.thresholds)
    return Evaluated(side, dataset, notes, _report(judged, side, dataset, notes))


def evaluate_episodes(
    subject: Path,
    data: Path,
    plan: EpisodePlan,
    *,
    group_from: str | None = None,
    ok: tuple[str, ...] = (),
    steps: Steps = silent,
) -> Episodes:
    """Draw N-way K-shot episodes from a folder and measure them with the subject's embedder and head.

    Its own gallery plays no part: each episode teaches another one, so the head is that of a gallery, also where the
    subject has a trained one. Every image of the folder may be drawn.

    Args:
        subject: a bundle or a RUN folder.
        data: folder or CSV file.
        plan: what an episode consists of.
        group_from: as in `adapt`; parts are kept apart.
        ok: classes of good parts, beside those whose names say so.
        steps: told how the work goes on.

    Raises:
        DataError: too few classes, or a class with too few images or parts.
        BundleError: not a whole bundle.
        RunError: not a whole RUN.
    """
    judged = _run(subject) if subject.is_dir() else _bundle(subject, None)
    dataset = load_dataset(
        data,
        group_from=group_from,
        leave_out_blank=True,
        preprocess=judged.preprocess,
        progress=steps("read images"),
    )
    dispositions = dispositions_of(dataset.classes, ok)
    ways_of(dataset.samples, plan)  # before anything is embedded
    embedded = _embed_drawn(dataset, plan, judged, steps)
    return run_episodes(dataset.samples, embedded, dispositions, judged.decision, plan, steps("episodes"))


def _embed_drawn(dataset: Dataset, plan: EpisodePlan, judged: _Subject, steps: Steps) -> Embedded:
    """What the episodes will look at: an image that only ever is asked about is seen once, not in all views."""
    drawn = list(draw_episodes(dataset.samples, plan))
    teaching = {sample.digest for support, _ in drawn for sample in support}
    wanted = {sample.digest: sample for support, queries in drawn for sample in (*support, *queries)}
    asked: dict[str, NDArray[np.float32]] = {}
    taught: dict[str, NDArray[np.float32]] = {}
    progress = steps("embed")
    for done, (digest, sample) in enumerate(wanted.items(), start=1):
        row = judged.embed(sample, digest in teaching)
        if digest in teaching:
            taught[digest], row = row, row[: len(row) // judged.preprocess.views]
        asked[digest] = row
        progress(done, len(wanted))
    return Embedded(asked, taught, judged.preprocess.views)


def _as_known(dataset: Dataset, known: Collection[str]) -> Dataset:
    """The dataset with its labels spelled as the model spells them: a gallery of before may compose them otherwise."""
    spelled = {label: spelling_in(known, label) for label in dataset.classes}
    return dataclasses.replace(
        dataset,
        samples=tuple(dataclasses.replace(sample, label=spelled[sample.label]) for sample in dataset.samples),
        classes=tuple(sorted(spelled.values())),
    )


def _choose(dataset: Dataset, judged: _Subject) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    notes = [judged.description, *dataset.notes]
    samples = dataset.samples
    if any(sample.split == "test" for sample in samples):
        samples = tuple(sample for sample in samples if sample.split == "test")
        notes.append("The folder is divided: only its test part was used.")
    given = len(samples)
    for noun, what, tests in _sieves(dataset, judged):
        kept = tuple(sample for sample in samples if tests(sample))
        if len(kept) < len(samples):
            notes.append(f"Left out: {counted(len(samples) - len(kept), noun)} {what}.")
        samples = kept
    if dataset.left_out:
        first = dataset.left_out[0]
        notes.append(
            f"Left out: {counted(len(dataset.left_out), 'file')} that can't be used "
            f"(the first: {inside(first.path, dataset.root)}, {first.reason})."
        )
    if not samples:
        raise DataError(f"{dataset.root}: the model has learned from all {given} images; evaluate on others")
    unknown = sorted({sample.label for sample in samples} - judged.dispositions.keys())
    if unknown:
        notes.append(f"Classes that the model was not taught: {', '.join(unknown)}.")
        twins = [(label, twin_of(label, judged.dispositions)) for label in unknown]
        notes += [
            f"{a} and the model's {b} differ {difference_in_words(a, b)} only: are they one class?"
            for a, b in twins
            if b
        ]
    return samples, tuple(notes)


def _sieves(dataset: Dataset, judged: _Subject) -> list[tuple[str, str, Callable[[Sample], bool]]]:
    """What leaves images out in turn, as `adapt`'s own table does: their noun, why, and whether one tests."""
    parts, chosen_on = _parts_learned(dataset.samples, judged.learned), set(judged.chosen_on)
    apart = Counter(judged.blank_apart)

    def is_not_apart(sample: Sample) -> bool:
        """Whether it is none of the black frames that came to other sides, where the folder does not say which."""
        name = f"{sample.digest[:DIGEST_START]} {sample.label}"
        if not sample.blank or sample.split or not apart[name]:
            return True
        apart[name] -= 1
        return False

    return [
        ("image", "that the model has learned from", lambda sample: sample.digest not in judged.learned),
        ("other image", "of the same parts", lambda sample: sample.group not in parts),
        (
            "image",
            "that choices were made on",
            lambda sample: bool(sample.blank) or sample.digest[:DIGEST_START] not in chosen_on,
        ),
        ("blank image", "that would have taught or validated", is_not_apart),
    ]


def _parts_learned(samples: Sequence[Sample], learned: Collection[str]) -> set[str]:
    """Groups of these samples that show a part which was learned from, as `adapt` keeps parts together."""
    seen = [sample for sample in samples if not sample.blank]  # black frames are the same bytes without being one part
    parts = [[seen[member] for member in part.members] for part in find_parts(seen)]
    return {one.group for part in parts if any(s.digest in learned for s in part) for one in part if one.group}


def _bundle(path: Path, gallery: Path | None) -> _Subject:
    if gallery is not None and not gallery.is_file():
        raise GalleryError(
            f"--gallery {gallery}: no such file; leave --gallery out to decide by the bundle's seed, or teach this "
            "gallery first with `edgefs enroll`"
        )
    classifier = Classifier.open(path, gallery=gallery, seed_only=gallery is None, challenge=False)
    snapshot, preprocess = classifier.judge.snapshot, classifier.bundle.manifest.preprocess

    made_with = classifier.bundle.manifest.raw.get("data", {})
    where = f"the gallery {gallery.name}" if gallery else "the bundle's seed gallery"
    decided = f"Decided by the exported bundle through the runtime, by {where}."
    return _Subject(
        name=classifier.bundle.name,
        description=" ".join((decided, *(f"Warning: {sentence}." for sentence in classifier.warnings))),
        answering=classifier.answering,
        judge=classifier.judge,
        embed=lambda sample, views: classifier.embed([sample.path], views=views)[0],
        preprocess=preprocess,
        decision=classifier.bundle.manifest.decision,
        dispositions=dict(zip(snapshot.labels, snapshot.dispositions, strict=True)),
        learned=frozenset(digest for enrolment in classifier.bundle.seed_enrolments() for digest in enrolment.digests)
        | _taught(classifier),
        chosen_on=made_with.get("chosen_on", ()),
        blank_apart=made_with.get("blank_apart", ()),
    )


def _taught(classifier: Classifier) -> frozenset[str]:
    """Digests of what was enrolled on the device."""
    if classifier.gallery_path is None or not classifier.gallery_path.exists():
        return frozenset()
    from edgefs_runtime.gallery.database import connect_reader
    from edgefs_runtime.gallery.loading import load_ledger

    with connect_reader(classifier.gallery_path) as connection:
        events = load_ledger(connection, classifier.gallery_path).events.values()
    return frozenset(digest for event in events if event.kind == "enroll" for digest in json.loads(event.digests))


def _run(folder: Path) -> _Subject:
    import torch

    from edgefs.embedding.torch_embedder import TorchEmbedder
    from edgefs.pipelines.networks import load_network
    from edgefs.runs.run import Run

    run = Run.open(folder)
    preprocess, decision = run.record.preprocess, run.record.decision
    enrolments = run.enrolments()
    snapshot = build_snapshot(enrolments, 0, preprocess.views)
    model = run.trained_head
    judge = Judge(snapshot, decision, trained=TrainedHead(model, snapshot) if model else None)
    embedder = TorchEmbedder(load_network(run), torch.device("cpu"))

    return _Subject(
        name=run.name,
        description="Decided by torch, before export.",
        answering=Answering(preprocess, embedder),
        judge=judge,
        embed=lambda sample, views: embedder.embed(_seen(preprocess, sample, views)).ravel(),
        preprocess=preprocess,
        decision=decision,
        dispositions=dict(zip(snapshot.labels, snapshot.dispositions, strict=True)),
        learned=frozenset(digest for enrolment in enrolments for digest in enrolment.digests),
        chosen_on=run.chosen_on,
        blank_apart=run.blank_apart,
    )


def _seen(preprocess: Preprocess, sample: Sample, views: bool) -> NDArray[np.uint8]:
    pixels = preprocess(sample.path)
    return preprocess.seen(pixels) if views else pixels[None]


def _report(judged: _Subject, side: Side, dataset: Dataset, notes: tuple[str, ...]) -> Report:
    return Report(
        title=judged.name,
        notes=notes,
        evaluation=side.evaluation,
        evaluated_on=f"{counted(len(side.samples), 'image')} of {dataset.root.name}",
        mistakes=mistakes_of(side, dataset.root, judged.preprocess),
        left_out=tuple(LeftOut(inside(item.path, dataset.root), item.reason) for item in dataset.left_out),
        distribution=distribution_of(side),
        version=__version__,
    )

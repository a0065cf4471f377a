"""The classifier on the device: a bundle, the gallery that belongs to it, and decisions.

    with Classifier.open("parts.edgefs") as classifier:
        for decision in classifier.predict(["photo1.jpg", "photo2.png"]):
            print(decision.verdict, decision.label)
        classifier.enroll("new-defect", ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"])

- Predicting reads: many processes may predict with one gallery. What they see is the gallery as it was when they
  opened it; `refresh` looks again.
- The first `enroll`, `forget` or `undo` makes this process the gallery's owner until `close`; a second waits for it,
  and is refused after some seconds.
- Parts kept with `challenge.add` guard the gallery: see `edgefs_runtime.challenge`.
- Methods may be called from several threads. A decision is made by one immutable `Judge`, which teaching swaps whole.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.answering import Answering, Read
from edgefs_runtime.backends import Backend, open_backend
from edgefs_runtime.bundle import Bundle
from edgefs_runtime.deciding import Judge
from edgefs_runtime.decision import Decision, Disposition
from edgefs_runtime.errors import BundleError, GalleryError, ImageError
from edgefs_runtime.holding import Holding
from edgefs_runtime.opening import gallery_of, left_behind, refuse_another_model, seed_of, warnings_of
from edgefs_runtime.snapshot import Enrolment
from edgefs_runtime.sources import Images, named_frames
from edgefs_runtime.state import lies
from edgefs_runtime.teaching import Taught, Teaching
from edgefs_runtime.verifying import check_once

if TYPE_CHECKING:
    from edgefs_runtime.advice import Advice
    from edgefs_runtime.alignment import Choice
    from edgefs_runtime.carrying.report import Carried
    from edgefs_runtime.challenge import Challenge
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.merging import Merged
    from edgefs_runtime.realigning import Realigned


class Classifier:
    """Decides and learns with one bundle and one gallery. Use `Classifier.open`.

    Attributes:
        bundle: without the bytes of its model.
        backend: what computes the embeddings.
        gallery_path: the gallery's file, which need not be there yet; None where only the bundle's seed decides.
        warnings: one sentence each of what speaks against this bundle on this machine, as a network that was quantised
            for another processor, or where the device was taught something that this bundle does not use.
    """

    def __init__(self, bundle: Bundle, backend: Backend, gallery: Path | None, wait: float = 0) -> None:
        self.bundle = bundle
        self.backend = backend
        self.gallery_path = gallery
        self.warnings = warnings_of(bundle, backend.provider)
        self._left_behind: tuple[str, ...] = ()
        self._preprocess = bundle.manifest.preprocess
        self._embedder = backend.embedder
        self._answering = Answering(self._preprocess, self._embedder)
        self._teaching = Teaching(self._preprocess, self._embedder)
        self._holding = Holding(bundle, self._embedder, gallery, wait)

    @classmethod
    def open(
        cls,
        bundle: str | Path,
        *,
        gallery: str | Path | None = None,
        seed_only: bool = False,
        provider: str = "cpu",
        threads: int = 0,
        challenge: bool = True,
        wait: float = 10,
    ) -> Classifier:
        """Open a bundle with its gallery.

        Args:
            bundle: a `.edgefs` file.
            gallery: the gallery's file; by default the one in the state folder that belongs to the model. It is made
                from the bundle's seed when something is taught for the first time.
            seed_only: decide by the bundle's seed alone; nothing can be taught.
            provider: what computes: `cpu`, `cuda`, `tensorrt`, or `auto` for the fastest that works here
                (`edgefs_runtime.backends`); `classifier.backend` says what it came to.
            threads: of one inference on the CPU; 0 takes one for each core.
            challenge: judge the challenge parts when the bundle is not the one under which they were last judged.
            wait: seconds that the first act waits, at most, while another process owns the gallery.

        Raises:
            BundleError: not a whole bundle, of another format, its self-test fails on this machine, or a challenge part
                that passed under the bundle before fails under this one.
            MissingExtraError: what the provider needs is not installed.
            ProviderError: the provider does not work on this machine, or computes something else.
            GalleryError: the gallery is damaged, of another embedding space or of a newer schema; or the index of the
                challenge parts is damaged.
        """
        opened = Bundle.open(bundle)
        path = None if seed_only else Path(gallery) if gallery is not None else gallery_of(opened)
        backend = open_backend(opened, provider, test=check_once, threads=threads)
        classifier = cls(opened.without_model(), backend, path, wait)
        if gallery is None and path is not None:
            classifier._left_behind = left_behind(opened, path)
            classifier.warnings += classifier._left_behind
        if challenge and (kept := classifier._holding.kept_parts):
            try:
                kept.check_bundle(classifier.judge)
            except BundleError as error:  # the part may fail for want of what was taught elsewhere
                raise BundleError("; ".join((str(error), *classifier._left_behind))) from error
        return classifier

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the gallery, if this process owns it. Predicting still works."""
        self._holding.close()

    @property
    def judge(self) -> Judge:
        """What decides at this moment.

        Raises:
            GalleryError: every class was forgotten.
        """
        judge = self._holding.judge
        if judge is None:
            raise GalleryError("the gallery holds no class any more; enroll at least one, or undo")
        return judge

    @property
    def head_note(self) -> str:
        """A sentence, where the latest act on the gallery brought another head to decide; else empty."""
        return self._holding.head_note

    def refresh(self) -> None:
        """Look again at the gallery, which another process may have taught something.

        Raises:
            GalleryError: it is damaged, or does not belong to this bundle.
        """
        self._holding.refresh()

    def predict(self, images: Images, part_ids: Iterable[str | None] | None = None) -> list[Decision]:
        """Decide about images; no state changes.

        Args:
            images: one frame, or several: paths, file contents, Pillow images or arrays, in whatever can be iterated
                over, or an array `[N,H,W,3]`. What is one and what several, `edgefs_runtime.sources` says.
            part_ids: the caller's name for each part, carried into its decision.

        Raises:
            ImageError: an image can't be read; the message names it. `predict_each` goes on instead.
            ValueError: there are more or fewer `part_ids` than images.
        """
        answers = []
        for answer in self.predict_each(images, part_ids):
            if isinstance(answer, ImageError):
                raise answer
            answers.append(answer)
        return answers

    def predict_each(
        self, images: Images, part_ids: Iterable[str | None] | None = None, *, batch: int = 1
    ) -> Iterator[Decision | ImageError]:
        """Decide about images one by one; for an image that can't be read comes the error, which names it.

        Args:
            images: as for `predict`. Of a generator no more is taken in advance than one batch.
            part_ids: as for `predict`.
            batch: how many images are embedded at once, of which the first then waits for the last;
                `backend.batch` is what pays here.

        Raises:
            ValueError: there are more or fewer `part_ids` than images.
        """
        frames = named_frames(images, part_ids, "part_ids")
        while group := list(islice(frames, max(1, batch))):
            read = [self._answering.read(frame) for frame, _ in group]
            yield from self._answering.answers(self.judge, read, [part_id for _, part_id in group])

    def decide(self, pixels: NDArray[np.uint8], part_id: str | None = None) -> Decision:
        """Decide about one preprocessed image, uint8 RGB `[H,W,3]`."""
        (decision,) = self._answering.answers(self.judge, [Read(pixels)], [part_id])
        assert isinstance(decision, Decision)  # noqa: S101 - of pixels there is one
        return decision

    def embed(self, images: Images, *, views: bool = False) -> NDArray[np.float32]:
        """Embeddings `[N,D]` of images, or `[N,V·D]` of all views that an image which teaches is seen in.

        They are as the gallery compares them: mapped where the camera was realigned.

        Raises:
            ImageError: an image can't be read; the message names it.
        """
        found = self._teaching.embed(images, views=views)
        judge = self._holding.judge
        return found if judge is None else judge.snapshot.seen(found)

    def enroll(
        self,
        label: str,
        images: Images,
        *,
        disposition: Disposition | None = None,
        groups: Sequence[str] | None = None,
        keep_images: bool | None = None,
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Taught:
        """Teach images of a class, all or none, and decide by them from now on.

        Args:
            label: the class, new or known, in any spelling (`edgefs_runtime.labels`).
            images: what it looks like, given as to `predict`; five of different parts are a good start.
            disposition: what the line does with such parts; by default as the class has it, else as its name says.
            groups: for each image the physical part it shows, where several show the same one.
            keep_images: keep thumbnails in the gallery; by default as the bundle does.
            force: enroll although the images look like another class, the label is another's but for case or width, or
                challenge parts would fail.
            actor: who teaches, for the audit log.
            reason: why, for the audit log.

        Raises:
            ImageError: an image can't be read or shows nothing; nothing is enrolled then.
            GalleryError: the label is not usable or another's but for case or width, no image was given, there are more
                or fewer groups than images, the images look like another class, a challenge part that passes would
                fail, or the gallery can't be written.
        """
        keep = self.bundle.manifest.raw.get("keep_images") == "support" if keep_images is None else keep_images
        enrolment = self._teaching.enrolment(label, images, disposition, groups, keep, self._holding.dispositions)
        enrolment = dataclasses.replace(enrolment, actor=actor, reason=reason)
        label, before = enrolment.label, self._holding.judge
        if not force:
            _refuse_conflict(before, enrolment)
        with self._holding.acting() as gallery:
            judge = self._holding.judge
            if judge is not before and not force:  # another process taught it while this one waited for it
                _refuse_conflict(judge, enrolment)
            is_new = judge is None or label not in judge.snapshot.labels
            known = gallery.known()
            sequence = gallery.enroll(enrolment, self._holding.guard(force, "enrolled"))
        again = Counter(known[digest] for digest in enrolment.digests if digest in known)
        what, total = self._holding.dispositions[label], self.judge.snapshot.counts[label]
        return Taught(label, what, len(enrolment.digests), total, is_new, sequence, self.head_note, dict(again))

    def refine(self, images: Images, *, force: bool = False, actor: str = "", reason: str = "") -> dict[str, int]:
        """Refine classes of few images by unlabelled ones, and return how many each was refined by; often none is.

        To each class that gains the mean of what surely belongs to it is added, and counts for three images
        (`edgefs_runtime.refining`). `undo` takes all of it back. A class is refined once.

        Args:
            images: what the camera saw lately; the last 200 that can be judged are looked at.
            force: refine although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: a challenge part that passes would fail, or the gallery can't be written.
        """
        from edgefs_runtime.refining import refinements

        seen = self._teaching.unlabelled(images)
        if not seen:
            return {}
        with self._holding.acting() as gallery:
            gained = refinements(gallery.snapshot(), seen, gallery.refined_labels(), actor=actor, reason=reason)
            if gained:
                gallery.enroll_together([enrolment for enrolment, _ in gained], self._holding.guard(force, "refined"))
        return {enrolment.label: used for enrolment, used in gained}

    def realign(
        self,
        images: Images,
        *,
        kind: Choice = "auto",
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Realigned:
        """Map what the camera sees from now on into the gallery's space, after a change of camera or lamp.

        What this device enrolled before stays as it is; what it enrolls from now on is mapped too. `undo` is possible.

        Args:
            images: unlabelled, of the changed camera, the last 200 count; any mix, also with parts that nobody taught.
            kind: `mean`, `moments` or `coral`; `auto` chooses, also `none`.
            force: realign although the estimate is doubtful, or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: too few images can be judged, the estimate is not to be believed, a challenge part that passes
                would fail, or the gallery can't be written.
        """
        from edgefs_runtime.realigning import plan, refuse_doubtful, usable

        batch = usable(self._teaching, images)
        with self._holding.acting() as gallery:
            judge = Judge(gallery.snapshot(), self.bundle.manifest.decision, self.bundle.digest)
            planned = plan(judge, batch, kind)
            refuse_doubtful("" if force else planned.doubt)
            gallery.align(planned.drafted(actor, reason), self._holding.guard(force, "changed"))
            return planned.realigned(gallery.sequence)

    def check_realign(self, images: Images, *, kind: Choice = "auto") -> Realigned:
        """What realigning by these images would do, without doing it.

        Args:
            images: as for `realign`.
            kind: as for `realign`.

        Raises:
            GalleryError: too few images can be judged, or the gallery holds no class.
        """
        from edgefs_runtime.realigning import plan, usable

        judge = self.judge
        planned = plan(judge, usable(self._teaching, images), kind)
        spoiled = self._holding.spoiled_by(planned.after(judge.snapshot))
        return planned.realigned(judge.snapshot.sequence, spoiled)

    def check(
        self,
        label: str,
        images: Images,
        *,
        disposition: Disposition | None = None,
        groups: Sequence[str] | None = None,
    ) -> Advice:
        """What enrolling these images would do, without doing it.

        Args:
            label: the class, new or known.
            images: its shots.
            disposition: as for `enroll`; what challenge parts would get depends on it.
            groups: for each image the physical part it shows, where several show the same one.

        Raises:
            ImageError: an image can't be read or shows nothing.
            GalleryError: the label is not usable, no image was given, or the gallery holds no class to compare with.
        """
        from edgefs_runtime.advice import advise

        judge, known = self.judge, self._holding.dispositions
        enrolment = self._teaching.enrolment(label, images, disposition, groups, False, known)
        return advise(judge, judge.snapshot.as_seen(enrolment), self._holding.spoiled_by)

    def forget(self, label: str, *, force: bool = False, actor: str = "", reason: str = "") -> int:
        """Take a class away and return the number of its images; `undo` brings it back.

        Args:
            label: the class.
            force: forget it although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: no such class, a challenge part that passes would fail, or the gallery can't be written.
        """
        with self._holding.acting() as gallery:
            return gallery.forget(label, self._holding.guard(force, "forgotten"), actor=actor, reason=reason)

    def undo(self, *, force: bool = False, actor: str = "", reason: str = "") -> str:
        """Take back the latest act on this device, and return a sentence that says what that was.

        Args:
            force: undo it although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: there is nothing to undo, a challenge part that passes would fail, or the gallery can't be
                written.
        """
        with self._holding.acting() as gallery:
            return gallery.undo(self._holding.guard(force, "undone"), actor=actor, reason=reason)

    def merge(self, other: str | Path, *, force: bool = False, actor: str = "", reason: str = "") -> Merged:
        """Add what another device's gallery holds, in one act, and say what that changed.

        Args:
            other: the other gallery.
            force: merge although it is another model's, or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: `other` is another model's, damaged or of another embedding space, a challenge part that
                passes would fail, or the gallery can't be written.
        """
        if not force:
            refuse_another_model(Path(other), self.bundle)
        with self._holding.acting() as gallery:
            return gallery.merge(Path(other), self._holding.guard(force, "merged"), actor=actor, reason=reason)

    def carry(
        self,
        source: str | Path | None = None,
        *,
        check: bool = False,
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Carried:
        """Bring over what this device was taught under another bundle of the product, in one act.

        The other gallery stays as it is, and its parts that guard it come along. What `carrying.succession` finds
        stands in `warnings` until this is done, or anything is taught.

        Args:
            source: the other bundle, whose gallery in the state folder is meant, or a gallery's file; None takes the
                only one that is found.
            check: only say what it would do.
            force: carry over what can be, although some images can't or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: nothing to carry over, images can't be, challenge parts would fail, or a gallery can't be read
                or written.
        """
        from edgefs_runtime.carrying.act import carry

        holding, teaching = self._holding, self._teaching
        source = None if source is None else Path(source)
        return carry(holding, self.bundle, teaching, source, check=check, force=force, actor=actor, reason=reason)

    def begin_afresh(self) -> None:
        """Make the gallery from the bundle's seed, so that what was taught elsewhere is not spoken of again.

        Raises:
            GalleryError: there is a gallery already, or it can't be written.
        """
        from edgefs_runtime.gallery import Gallery

        path = self._holding.path
        if path is None or lies(path):
            raise GalleryError(f"{path or 'the seed alone'}: there is a gallery already; nothing was changed")
        Gallery.open(path, seed_of(self.bundle)).close()

    def thumbnails(self, label: str) -> list[bytes]:
        """The JPEG files kept for a class's images, in their order; none where the bundle or gallery keeps no images.

        Raises:
            GalleryError: the gallery is damaged, or another process owns it.
        """
        return self._holding.thumbnails(label)

    @property
    def challenge(self) -> Challenge:
        """The parts that guard the gallery, whether or not any are kept yet.

        Raises:
            GalleryError: opened with `seed_only`.
        """
        return self._holding.challenge

    @property
    def gallery(self) -> Gallery:
        """The gallery, owned from now on: its log, its check, its thumbnails.

        Raises:
            GalleryError: another process owns it, or it was opened with `seed_only`.
        """
        return self._holding.own()


def _refuse_conflict(judge: Judge | None, enrolment: Enrolment) -> None:
    from edgefs_runtime.advice import find_conflict

    conflict = find_conflict(judge, judge.snapshot.as_seen(enrolment)) if judge else ""
    if conflict:
        raise GalleryError(f"{conflict}; nothing was enrolled: look at it with --check, or pass --force")

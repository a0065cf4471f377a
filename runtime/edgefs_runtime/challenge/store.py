"""A folder of challenge parts in use by one bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgefs_runtime.base.durable import locked_folder, make_folder, replace_file
from edgefs_runtime.base.errors import BundleError, EdgefsError, GalleryError
from edgefs_runtime.base.labels import entered_label
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.challenge.parts import ChallengePart, Expected, Index, read_index, write_index
from edgefs_runtime.challenge.results import Result, first_of, regressions
from edgefs_runtime.challenge.vectors import Vectors
from edgefs_runtime.decision.judge import Judge, Seen
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images.sources import Images

if TYPE_CHECKING:
    from edgefs_runtime.gallery.owned import Guard

_logger = logger_of(__name__)


@dataclass(frozen=True)
class Added:
    """What adding one image did: its part is new, the same as before, or replaces one that expected something else."""

    status: Literal["new", "same", "replaced"]
    result: Result


class Challenge:
    """The parts that guard one gallery. Nothing of the folder is held: every call reads what lies there now.

    Args:
        folder: where they lie; the first `add` makes it.
        bundle: the one in use.
        embedder: of the bundle.
    """

    def __init__(self, folder: Path, bundle: Bundle, embedder: Embedder) -> None:
        self.folder = folder
        self._bundle, self._embedder = bundle, embedder
        self._vectors = Vectors(folder, bundle, embedder)

    def parts(self) -> tuple[ChallengePart, ...]:
        """The parts, in the order they were added.

        Raises:
            GalleryError: the index is damaged.
        """
        return read_index(self.folder).parts

    def is_accepted(self) -> bool:
        """Whether the bundle in use is the one under which results are noted.

        Raises:
            GalleryError: the index is damaged.
        """
        return read_index(self.folder).bundle == self._bundle.digest

    def add(
        self,
        images: Images,
        expected: Expected,
        judge: Judge | None,
        *,
        label: str = "",
        actor: str = "",
        retaken: bool = False,
    ) -> list[Added]:
        """Keep images, all or none, with what they must get, and say what they get now.

        Args:
            images: image files, by their paths or their bytes: one alone, or several.
            expected: the verdict.
            judge: what decides now; None where the gallery holds no class.
            label: the class that must be answered; empty where the verdict is enough.
            actor: who adds them.
            retaken: the camera or lamp was changed before they were photographed, and not yet realigned: they will be
                judged through the next alignment.

        Raises:
            ImageError: a file can't be read or shows nothing.
            GalleryError: the label can't name a class, the index is damaged, or the folder can't be written.
        """
        from edgefs_runtime.challenge.keeping import keep_images  # as `plain_text`, not for whoever only predicts
        from edgefs_runtime.gallery.seed import plain_text

        if label:
            label = entered_label(label, judge.snapshot.labels if judge else ())
        camera = (judge.snapshot.camera if judge else 0) + retaken
        draft = ChallengePart("", "", expected, label, _now(), plain_text("actor", actor), passed=False, camera=camera)
        index = read_index(self.folder)
        with _folder_errors(self.folder):
            kept = keep_images(self.folder, images, draft, index, self._bundle.manifest.preprocess)
            if not retaken:  # who took a photograph that is kept already is known
                kept = [dataclasses.replace(part, camera=_camera_of(index, part)) for part in kept]
            return self._take_in(self._results((*index.parts, *kept), judge)[len(index.parts) :])

    def _take_in(self, results: Sequence[Result]) -> list[Added]:
        added = []

        def with_parts(index: Index) -> Index:
            changed = _with(index, (), self._bundle.digest)
            for result in results:
                part = dataclasses.replace(result.part, passed=result.passes)
                old = index.of(part.sha256)
                same = old is not None and old.expects_the_same(part)
                changed = changed if same else changed.with_part(part)
                added.append(Added("same" if same else "replaced" if old else "new", result))
            return changed

        self._change(with_parts)
        return added

    def remove(self, names: Sequence[str]) -> list[ChallengePart]:
        """Take parts away, all or none.

        Args:
            names: their ids, or their file names where only one part bears it.

        Raises:
            GalleryError: no such part, a name that several bear, a damaged index, or the folder can't be written.
        """
        parts = self.parts()
        gone = list(dict.fromkeys(_called(parts, name) for name in names))
        digests = {part.sha256 for part in gone}
        with _folder_errors(self.folder):
            self._change(
                lambda index: dataclasses.replace(
                    index, parts=tuple(part for part in index.parts if part.sha256 not in digests)
                )
            )
            for part in gone:
                (self.folder / part.file_name).unlink(missing_ok=True)
        return gone

    def judged(self, judge: Judge | None) -> list[Result]:
        """What every part gets; embeddings that are kept cost no inference.

        Args:
            judge: what decides; None where no class is left, and then no part passes.

        Raises:
            GalleryError: the index is damaged.
        """
        return self._results(self.parts(), judge)

    def regressions(self, now: Judge | None, after: Judge | None) -> tuple[Result, ...]:
        """What the parts that pass by `now` and fail by `after` get by `after`.

        Raises:
            GalleryError: the index is damaged.
        """
        parts = self.parts()
        seen = self._vectors.of(parts)
        return regressions(_results(parts, seen, now), _results(parts, seen, after))

    def guard(self, judge_of: Callable[[Snapshot], Judge | None], done: str) -> Guard:
        """What refuses an act that would spoil parts; `done` says what then was not done, `judge_of` decides."""

        def refuse(now: Snapshot, after: Snapshot) -> None:
            if spoiled := self.regressions(judge_of(now), judge_of(after)):
                raise GalleryError(f"{first_of(spoiled)}; nothing was {done}: to do it all the same, pass --force")

        return refuse

    def run(self, judge: Judge | None, *, accept: bool = False) -> list[Result]:
        """Judge every part, and note what came out unless that would hide a regression under a bundle not accepted.

        Args:
            judge: what decides now.
            accept: take the bundle in use, whatever the parts get.

        Raises:
            GalleryError: the index is damaged, or an acceptance can't be written.
        """
        results = self.judged(judge)
        if accept and results:
            with _folder_errors(self.folder):
                self._note(results)
        elif results and (self.is_accepted() or not _spoiled(results)):
            self._note_if_possible(results)
        return results

    def check_bundle(self, judge: Judge) -> None:
        """Judge the parts where the bundle in use is not the accepted one.

        Raises:
            BundleError: a part passed under the accepted one and fails now.
            GalleryError: the index is damaged.
        """
        index = read_index(self.folder)
        if not index.parts or index.bundle == self._bundle.digest:
            return
        results = self._results(index.parts, judge)
        if spoiled := _spoiled(results):
            raise BundleError(
                f"{self._bundle.path}: {first_of(spoiled)}, and passed under bundle {index.bundle[:12]}; "
                "`edgefs challenge run BUNDLE --accept` accepts this one all the same"
            )
        self._note_if_possible(results)

    def of_other(self, folder: Path) -> tuple[ChallengePart, ...]:
        """The parts of another gallery's folder that are not kept here, as of a camera that was never realigned.

        Raises:
            GalleryError: one of the indexes is damaged.
        """
        if folder == self.folder:
            return ()
        mine = read_index(self.folder)
        theirs = read_index(folder).parts
        return tuple(dataclasses.replace(part, camera=0) for part in theirs if mine.of(part.sha256) is None)

    def judged_with(self, folder: Path, judge: Judge | None) -> list[Result]:
        """What every part gets, and those of another gallery's folder that are not kept here; nothing is written there.

        Raises:
            GalleryError: one of the indexes is damaged.
        """
        others = self.of_other(folder)
        seen = Vectors(folder, self._bundle, self._embedder, keeps=False).of(others)
        return [*self.judged(judge), *_results(others, seen, judge)]

    def adopt(self, folder: Path, results: Sequence[Result]) -> int:
        """Keep the parts of another gallery's folder here too, with what they got, and say how many there were.

        Raises:
            GalleryError: the folder can't be written, or one of the indexes is damaged.
        """
        others = self.of_other(folder)
        passed = {result.part.sha256: result.passes for result in results}
        theirs = Vectors(folder, self._bundle, self._embedder, keeps=False)
        adopted = [dataclasses.replace(part, passed=passed.get(part.sha256, False)) for part in others]
        if not adopted:
            return 0
        with _folder_errors(self.folder):
            make_folder(self.folder)
            for part in adopted:
                replace_file(self.folder / part.file_name, [theirs.content(part)], synced=True)
            self._change(lambda index: _with(index, adopted, self._bundle.digest))
        return len(adopted)

    def note(self, judge: Judge | None) -> None:
        """Note what the parts get after an act that changed the gallery; the act stands whether or not this works."""
        try:
            if self.is_accepted():
                self._note_if_possible(self.judged(judge))
        except EdgefsError as error:
            _logger.warning("the challenge parts were not judged again: %s", error)

    def _results(self, parts: Sequence[ChallengePart], judge: Judge | None) -> list[Result]:
        return _results(parts, self._vectors.of(parts), judge)

    def _note_if_possible(self, results: Sequence[Result]) -> None:
        try:
            self._note(results)
        except OSError as error:  # a folder that can only be read still guards; it is judged again next time
            _logger.info("%s: what the challenge parts got can't be noted (%s)", self.folder, error)

    def _note(self, results: Sequence[Result]) -> None:
        passed = {(result.part.sha256, result.part.wanted): result.passes for result in results}

        def noted(index: Index) -> Index:
            parts = tuple(
                dataclasses.replace(part, passed=passed.get((part.sha256, part.wanted), part.passed))
                for part in index.parts
            )
            return Index(parts, self._bundle.digest)

        self._change(noted)

    def _change(self, change: Callable[[Index], Index]) -> None:
        """Replace the index by what becomes of it, unless that is the same; no other process comes between."""
        with locked_folder(self.folder):
            index = read_index(self.folder)
            changed = change(index)
            if changed != index:
                write_index(self.folder, changed)


def _with(index: Index, parts: Sequence[ChallengePart], bundle: str) -> Index:
    """The index with further parts; where they are the first, the bundle in use is accepted with them."""
    changed = index if index.parts else dataclasses.replace(index, bundle=bundle)
    for part in parts:
        changed = changed.with_part(part)
    return changed


def _results(parts: Sequence[ChallengePart], seen: Sequence[Seen], judge: Judge | None) -> list[Result]:
    return [_result(part, one, judge) for part, one in zip(parts, seen, strict=True)]


def _result(part: ChallengePart, seen: Seen, judge: Judge | None) -> Result:
    if judge is None:
        return Result(part, "NO_DECISION", None, "the gallery holds no class")
    decision = judge.decide_about(seen, camera=part.camera)
    return Result(part, decision.verdict, decision.label, decision.reason)


def _spoiled(results: Sequence[Result]) -> list[Result]:
    """Results of parts that passed when that was last noted, and fail now."""
    return [result for result in results if result.part.passed and not result.passes]


def _camera_of(index: Index, part: ChallengePart) -> int:
    old = index.of(part.sha256)
    return part.camera if old is None else old.camera


def _called(parts: Sequence[ChallengePart], name: str) -> ChallengePart:
    found = [part for part in parts if name in (part.id, part.name)]
    if not found:
        raise GalleryError(f"no challenge part is called {name!r}; `edgefs challenge list` names them")
    if len(found) > 1:
        ids = ", ".join(part.id for part in found)
        raise GalleryError(f"{len(found)} challenge parts are called {name!r}; name one by its id: {ids}")
    return found[0]


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GalleryError(f"{folder}: can't be written ({error.strerror or error})") from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")

"""What challenge parts make of carrying over, looked at before anything is written."""

from __future__ import annotations

from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.challenge import Result, first_of
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.session import Session


class Watch:
    """A guard of the gallery that knows the earlier one's parts too, and refuses what would spoil one that passed.

    Attributes:
        before: what every part gets without what is carried over.
        after: what it gets with it.
        snapshot: what counts with it; None before it was asked.
    """

    def __init__(self, session: Session, source: Path, *, force: bool) -> None:
        self._judge_of, self._challenge, self._force = session.judge_of, session.challenge, force
        self._folder = challenge_folder(source)
        self.before: list[Result] = []
        self.after: list[Result] = []
        self.snapshot: Snapshot | None = None

    def __call__(self, now: Snapshot, after: Snapshot) -> None:
        """Judge all parts by what counts and by what would.

        Raises:
            GalleryError: one that passed would fail.
        """
        challenge, self.snapshot = self._challenge, after
        self.before = challenge.judged_with(self._folder, self._judge_of(now))
        self.after = challenge.judged_with(self._folder, self._judge_of(after))
        spoiled = [new for old, new in zip(self.before, self.after, strict=True) if _passed(old) and not new.passes]
        if spoiled and not self._force:
            raise GalleryError(f"{first_of(spoiled)}; nothing was carried over: to do it all the same, pass --force")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What parts get something else, or fail that passed under the other gallery."""
        return tuple(
            f"{new.part.name} ({new.part.id}) must get {new.part.wanted} and gets {new.got}, {old.got} without it"
            for old, new in zip(self.before, self.after, strict=True)
            if old.got != new.got or (_passed(old) and not new.passes)
        )


def _passed(result: Result) -> bool:
    """Whether a part passes now, or did when it was last judged where it is kept."""
    return result.passes or result.part.passed

"""The tries of one act by the process that owns the gallery: it may be passed over, and its answer may be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from edgefs_runtime.asking.line import LostError, PassedOverError, SilentError
from edgefs_runtime.asking.messages import UNKNOWN, Position
from edgefs_runtime.asking.remote import Remote
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.gallery.database import GalleryBusyError
from edgefs_runtime.gallery.owner import owner_of
from edgefs_runtime.gallery.seed import Seed

T = TypeVar("T")

_MOST = 100  # tries; each time that another act comes first, one of another process is done
_logger = logger_of(__name__)


class Asker(Protocol):
    """What a process has of a gallery that another one owns: `edgefs_runtime.session.Session`."""

    judge: Judge | None
    head_note: str

    @property
    def path(self) -> Path | None:
        """The gallery's file."""

    @property
    def wait(self) -> float:
        """Seconds until the owner must have begun, at most."""

    @property
    def seed(self) -> Seed:
        """What the bundle in use says about the gallery."""

    def refresh(self) -> None:
        """Look again at the gallery."""


class Turns:
    """One act, tried until it is done or can't be.

    Args:
        asker: whose act it is; decides by what counts after it.
        done: what then was not done, as `enrolled`.
        force: whether challenge parts are not asked.
    """

    def __init__(self, asker: Asker, done: str, *, force: bool) -> None:
        if asker.path is None:
            raise ValueError("the seed alone has no owner")
        self._path = asker.path
        self._asker, self._done, self._force = asker, done, force
        self._lost: Position | None = None
        self._tries = 0

    def attempt(self, do: Callable[[Remote, None], T]) -> tuple[T] | None:
        """What came of it, in a tuple; None where it is to be tried again.

        Before that the session tries to own the gallery: the owner may be gone, with nothing done, or with its answer.

        Raises:
            GalleryError: it refuses the act, has not begun in time, or it is not known whether it was done.
        """
        self._tries += 1
        wait = self._asker.wait
        try:
            remote = Remote(self._path, self._asker.seed, self._done, force=self._force, wait=wait)
            self.refuse_unknown((remote.device, remote.sequence))
            return (self._done_there(remote, do),)
        except PassedOverError:
            if self._tries == _MOST:
                raise self._busy("which does other acts all the time") from None
        except LostError as error:
            self._lost = error.behind
        except SilentError:
            if self._lost is not None:
                raise self._unknown() from None
            waited = f"(waited {wait:g} s; --wait SECONDS waits longer)"
            raise self._busy(f"which has not begun this act {waited}") from None
        return None

    def _done_there(self, remote: Remote, do: Callable[[Remote, None], T]) -> T:
        """Have the owner do it: what it is computed from is as fresh as the owner's before, and what decides after."""
        judge = self._asker.judge
        if judge is None or judge.snapshot.sequence != remote.sequence:
            self._look_again(remote)
        result = do(remote, None)
        try:
            self._look_again(remote)
        except GalleryError as error:  # it is done all the same
            _logger.warning("%s: what decides now can't be read (%s)", self._path, error)
        self._asker.head_note = remote.head_note
        return result

    def _look_again(self, remote: Remote) -> None:
        if remote.classes:
            self._asker.refresh()
        else:
            self._asker.judge = None

    def refuse_unknown(self, position: Position) -> None:
        """Refuse to go on where an answer was lost and something was done since.

        Args:
            position: of the gallery now. Where it is that of the lost request, that was not done.

        Raises:
            GalleryError: it is not known whether the act was done.
        """
        if self._lost is not None and self._lost != position:
            raise self._unknown()

    def _busy(self, sentence: str) -> GalleryBusyError:
        return GalleryBusyError(
            f"gallery {self._path} is owned by {owner_of(self._path)}, {sentence}; stop it, or try again"
        )

    def _unknown(self) -> GalleryError:
        return GalleryError(f"gallery {self._path}: the process that owned it ended before it answered; {UNKNOWN}")

"""Looking at a large gallery's embeddings in the background, which opening does not do.

One act's embeddings after the other are read and compared with their digest, slowly, for as long as a process owns the
gallery. What is damaged is set apart as it would be at opening, and stands in the gallery's health.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefs_runtime.gallery.owned import Owned

_PAUSE = 0.05  # seconds between two: some hundredths of one core
_REST = 3600.0  # seconds between two rounds


class Scrub:
    """A thread that looks at what lies in a gallery's file.

    Args:
        gallery: that this process owns.
        pause: seconds between two looks.

    Attributes:
        went_round: set when everything was looked at once.
    """

    def __init__(self, gallery: Owned, pause: float = _PAUSE) -> None:
        self.went_round = threading.Event()
        self._gallery, self._pause = gallery, pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name="edgefs scrub", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop, and wait for the look that is going on."""
        self._ended.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._ended.is_set():
            for digest in self._gallery.unread():
                if self._ended.wait(self._pause):
                    return
                self._gallery.look_at(digest)
            self.went_round.set()
            self._ended.wait(_REST)

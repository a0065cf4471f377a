"""What decides by a large gallery, kept so that it need not be fitted again.

A fit is used again where the gallery holds the same (`Snapshot.content`), the bundle wants the same, and the same
libraries would compute it.
"""

from __future__ import annotations

import json
import platform
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.version import __version__
from edgefs_runtime.decision.heads import Head, large
from edgefs_runtime.decision.heads.of_many import Kept
from edgefs_runtime.decision.held import Fit
from edgefs_runtime.decision.rejection import Measured, Rejection, Rule
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Snapshot

_ARRAYS = ("reference", "centres", "spreads")


def key_of(settings: DecisionSettings) -> str:
    """What a fit depends on beside the gallery: what the bundle wants, and what computes it."""
    wanted = {"head": dict(settings.head), "decision": settings.to_json()}
    by = {"edgefs": __version__, "numpy": np.__version__, "machine": platform.machine()}
    return json.dumps({**wanted, **by}, sort_keys=True)


def recalled(snapshot: Snapshot, settings: DecisionSettings) -> tuple[Head, Measured] | None:
    """The head of a snapshot and what its answers are worth, where they were kept and still hold."""
    fit = snapshot.fit
    if fit is None or fit.key != key_of(settings):
        return None
    options = dict(settings.head)
    try:
        head = large(str(options.pop("kind")))(snapshot, **options, kept=fit.head)
        rejection, of_ok = (_rejection(fit, name) for name in ("rejection", "of_ok"))
        return head, Measured(fit.numbers["temperature"], rejection, of_ok, fit.numbers["overkill_left"])
    except KeyError:  # something is not there: it is fitted anew
        return None


def to_remember(settings: DecisionSettings, head: Head, measured: Measured) -> Fit | None:
    """What is kept of what decides; None of a head that is not computed from sums."""
    if not isinstance(head, Kept):
        return None
    numbers: dict[str, Any] = {"temperature": measured.temperature, "overkill_left": measured.overkill_left}
    arrays: dict[str, NDArray[Any]] = {}
    for name, one in (("rejection", measured.rejection), ("of_ok", measured.of_ok)):
        numbers |= {f"{name}.budget": one.budget, f"{name}.rule": one.rule}
        arrays |= {f"{name}.{array}": getattr(one, array) for array in _ARRAYS}
    return Fit(key_of(settings), head.kept, numbers, arrays)


def _rejection(fit: Fit, name: str) -> Rejection:
    arrays = {array: fit.arrays[f"{name}.{array}"] for array in _ARRAYS}
    return Rejection(**arrays, budget=fit.numbers[f"{name}.budget"], rule=cast(Rule, fit.numbers[f"{name}.rule"]))

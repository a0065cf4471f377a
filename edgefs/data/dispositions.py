"""What the line does with parts of a class."""

from __future__ import annotations

from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.decision.decision import Disposition, default_disposition


def dispositions_of(classes: tuple[str, ...], ok: tuple[str, ...]) -> dict[str, Disposition]:
    """What the line does with each class.

    Raises:
        DataError: a class of good parts is named that is not there.
    """
    ok = tuple(normal_label(label) for label in ok)
    strangers = sorted(set(ok) - set(classes))
    if strangers:
        raise DataError(f"--ok {strangers[0]}: no class of that name; the classes are {', '.join(classes)}")
    return {label: "ok" if label in ok else default_disposition(label) for label in classes}

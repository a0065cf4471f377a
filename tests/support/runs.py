"""The one door by which tests change what a RUN says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefs.runs.sealing import sealed


def said_by(run: Path) -> dict[str, Any]:
    """The fields of a RUN's `run.json`, less their checksum."""
    fields: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    fields.pop("checksum", None)
    return fields


def rewrite_run(run: Path, fields: Mapping[str, Any]) -> None:
    """Let a RUN say `fields` and nothing else, under the checksum that fits them."""
    (run / "run.json").write_text(json.dumps(sealed(fields)), encoding="utf-8")

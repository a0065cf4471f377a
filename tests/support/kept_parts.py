"""Challenge parts kept and looked at, as the tests of them do."""

from __future__ import annotations

import json
from pathlib import Path

from edgefs_runtime import Classifier
from edgefs_runtime.base.state import challenge_folder


def keep(bundle: Path, gallery: Path, images: list[Path], expected: str, **fields: str) -> None:
    with Classifier.open(bundle, gallery=gallery, challenge=False) as classifier:
        classifier.challenge.add(images, expected, classifier.judge, **fields)


def flags(gallery: Path) -> dict[str, bool]:
    index = json.loads((challenge_folder(gallery) / "parts.json").read_bytes())
    return {part["name"]: part["passed"] for part in index["parts"]}


def results(bundle: Path, gallery: Path) -> dict[str, bool]:
    with Classifier.open(bundle, gallery=gallery, challenge=False) as classifier:
        return {result.part.name: result.passes for result in classifier.challenge.judged(classifier.judge)}

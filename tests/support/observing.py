"""What can be seen of a golden file through the public doors, as plain JSON: written down once, compared for ever."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parts import GOLDEN, parts

from edgefs_runtime import Bundle, Classifier, Decision, GalleryError
from edgefs_runtime.gallery import check_gallery

ASKED = [*parts("good", 6, 2), *parts("stripes", 6, 2), *parts("dots", 6, 2), *parts("checks", 6, 2)]

_ROUNDING = 2e-3  # embeddings differ by 1e-4 between processors, a p-value by more


def of_bundle(path: Path) -> dict[str, Any]:
    """A bundle: what it says of itself, its seed gallery, and what it decides without a gallery."""
    bundle = Bundle.open(path)
    manifest = bundle.manifest
    with Classifier.open(path, seed_only=True) as classifier:
        decided = [_told(decision) for decision in classifier.predict(ASKED)]
        head = classifier.judge.head
    return {
        "name": bundle.name,
        "version": manifest.version,
        "identity": manifest.identity,
        "succeeds": manifest.succeeds,
        "digest": bundle.digest,
        "space_id": bundle.space_id,
        "size": bundle.size,
        "labels": dict(manifest.labels),
        "head": head,
        "report": hashlib.sha256(bundle.report.encode()).hexdigest(),
        "seed": [
            {
                "label": one.label,
                "disposition": one.disposition,
                "digests": list(one.digests),
                "groups": list(one.groups),
                "thumbnails": [hashlib.sha256(jpeg).hexdigest() if jpeg else "" for jpeg in one.thumbnails],
                "vectors": hashlib.sha256(np.ascontiguousarray(one.vectors, "<f4").tobytes()).hexdigest(),
            }
            for one in bundle.seed_enrolments()
        ],
        "decisions": decided,
    }


def of_gallery(bundle: str, gallery: str) -> dict[str, Any]:
    """A gallery: what counts, what it decides, its log, its pictures, and every act undone one by one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(GOLDEN / gallery, Path(folder) / Path(gallery).name))
        problems = check_gallery(copy)
        with Classifier.open(GOLDEN / bundle, gallery=copy, challenge=False) as classifier:
            snapshot = classifier.judge.snapshot
            seen = {
                "problems": problems,
                "device": classifier.gallery.device,
                "sequence": snapshot.sequence,
                "counts": snapshot.counts,
                "dispositions": dict(zip(snapshot.labels, snapshot.dispositions, strict=True)),
                "parts": snapshot.parts.tolist(),
                "camera": snapshot.camera,
                "head": classifier.judge.head,
                "sums": snapshot.vectors.astype(np.float64).sum(axis=1).round(4).tolist(),
                "decisions": [_told(decision) for decision in classifier.predict(ASKED)],
                "log": [dataclasses.asdict(entry) for entry in classifier.gallery.log()],
                "thumbnails": {
                    label: [hashlib.sha256(jpeg).hexdigest() for jpeg in classifier.gallery.thumbnails(label)]
                    for label in snapshot.labels
                },
            }
            seen["undone"] = _undone(classifier)
            return seen


def of_run(folder: Path) -> dict[str, Any]:
    """A RUN: what it says of itself, the seed that it would give a bundle, and its figures on all the pictures.

    Its backbone must be known: `tests/support/tiny.py` has it.
    """
    from edgefs.runs.run import Run

    run = Run.open(folder)
    return {
        "name": run.name,
        "identity": run.identity,
        "succeeds": run.record.succeeds,
        "chosen_on": run.chosen_on,
        "head": None if run.trained_head is None else run.trained_head.to_json(),
        "files": dict(run.record.files),
        "metrics": hashlib.sha256(json.dumps(run.metrics, sort_keys=True).encode()).hexdigest(),
        "enrolments": [
            {"label": one.label, "disposition": one.disposition, "digests": list(one.digests)}
            for one in run.enrolments()
        ],
        "evaluated": _evaluated(folder),
    }


def _evaluated(folder: Path) -> dict[str, Any]:
    """What `edgefs evaluate` says; `checks` is a class that the RUN does not know."""
    from click.testing import CliRunner

    from edgefs.cli import main

    ran = CliRunner().invoke(main, ["evaluate", str(folder), str(GOLDEN / "images"), "--json"])
    assert ran.exit_code == 0, ran.output
    return {key: value for key, value in json.loads(ran.stdout).items() if key not in ("subject", "data")}


def _undone(classifier: Classifier) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    while True:
        try:
            said = classifier.undo(force=True)
        except GalleryError as error:
            return [*steps, {"said": str(error)}]
        steps.append(
            {"said": said, "counts": classifier.judge.snapshot.counts, "sequence": classifier.gallery.sequence}
        )


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "label": decision.label,
        "nearest": decision.nearest,
        "probability": decision.probability,
        "p_value": decision.p_value,
        "margin": decision.margin,
        "ranking": [list(pair) for pair in decision.ranking],
        "gallery": decision.gallery,
    }


def differences(seen: Any, expected: Any, where: str = "") -> list[str]:
    """Where two trees of plain JSON differ; numbers with a fraction by more than another processor's rounding does."""
    if isinstance(seen, dict) and isinstance(expected, dict) and seen.keys() == expected.keys():
        return [line for key in expected for line in differences(seen[key], expected[key], f"{where}.{key}")]
    if isinstance(seen, (list, tuple)) and isinstance(expected, list) and len(seen) == len(expected):
        pairs = enumerate(zip(seen, expected, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{where}[{number}]")]
    if isinstance(seen, float) and isinstance(expected, float):
        return [] if abs(seen - expected) <= _ROUNDING else [f"{where}: {seen!r}, expected {expected!r}"]
    return [] if seen == expected else [f"{where}: {seen!r}, expected {expected!r}"]

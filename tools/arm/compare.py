"""Compare what two machines said of the same images under the same bundle, as `run.sh` wrote it.

    python tools/arm/compare.py BUNDLE HERE THERE

Exit status 1 where they disagree: an answer of an fp32 bundle is another one, its embeddings differ by more than 1e-5,
or undoing does not bring back what was said before. Of int8 and fp16, which round, the embeddings may differ as the
golden vectors of such providers may (cosine 0.999), and the nearest class where the two best are close.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgefs_runtime import Bundle
from edgefs_runtime.bundle.golden import relative_difference

EXACT = ("verdict", "label", "nearest")
ROUNDS = ("before", "taught", "undone")
FP32_LIMIT = 1e-5  # relative difference of an embedding
ROUNDED_LIMIT = 0.045  # that of unit vectors whose cosine is 0.999
ROUNDED_MARGIN = 0.05  # of probability, between the two best classes


def main(bundle: Path, here: Path, there: Path) -> int:
    precision = Bundle.open(bundle).manifest.raw["embedder"].get("precision", "fp32")
    rounds = {name: (_answers(here, name), _answers(there, name)) for name in ROUNDS}
    pairs = [pair for answers in rounds.values() for pair in zip(*answers, strict=True)]
    equal = sum(_said(a) == _said(b) for a, b in pairs)
    wrong = [a["path"] for a, b in pairs if not _agrees(a, b, precision)]
    probability = max(abs((a["probability"] or 0) - (b["probability"] or 0)) for a, b in pairs)
    vectors = [np.load(folder / "embedded.npy") for folder in (there, here)]
    worst = float(relative_difference(*vectors).max())
    limit = FP32_LIMIT if precision == "fp32" else ROUNDED_LIMIT
    undone = [_said(a) for a in rounds["undone"][1]] == [_said(a) for a in rounds["before"][1]]
    golden = [json.loads((folder / "verify.json").read_text()) for folder in (here, there)]
    print(f"{bundle.name} ({precision}), {golden[0]['software']} and {golden[1]['software']}:")
    print(
        f"  answers equal {equal} of {len(pairs)} (before, taught and undone); probabilities within {probability:.1e}"
    )
    print(f"  {len(vectors[0])} embeddings differ by at most {worst:.1e} relative (limit {limit:g})")
    print(f"  golden self-test differs by {golden[1]['worst']:.1e} there, {golden[0]['worst']:.1e} here")
    print(f"  undone {'is' if undone else 'IS NOT'} what was before")
    for path in wrong:
        print(f"  ANOTHER ANSWER: {path}")
    return int(bool(wrong) or not worst <= limit or not undone)


def _answers(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def _said(answer: dict[str, Any]) -> tuple[Any, ...]:
    return (answer["path"], *(answer[field] for field in EXACT))


def _agrees(a: dict[str, Any], b: dict[str, Any], precision: str) -> bool:
    close = precision != "fp32" and a["path"] == b["path"] and (a["margin"] or 0) <= ROUNDED_MARGIN
    return close or (_said(a) == _said(b) if precision == "fp32" else a["nearest"] == b["nearest"])


if __name__ == "__main__":
    sys.exit(main(*(Path(name) for name in sys.argv[1:])))

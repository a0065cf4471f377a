"""Whether a bundle computes on this machine what it computed where it was exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgefs_runtime.bundle import Bundle
from edgefs_runtime.embedder import Embedder, OnnxEmbedder
from edgefs_runtime.errors import BundleError, EdgefsError
from edgefs_runtime.golden import Golden, has_passed, note_passed
from edgefs_runtime.heads import TrainedHead
from edgefs_runtime.opening import judge_by, trained_head_of, warnings_of


@dataclass(frozen=True)
class Verified:
    """A bundle that passed its self-test.

    Attributes:
        digest: of the bundle.
        space_id: of its embeddings.
        inputs: how many golden inputs were run.
        worst: largest relative difference of an embedding.
        onnxruntime: the version that ran them.
        warnings: as `Classifier.warnings`.
    """

    digest: str
    space_id: str
    inputs: int
    worst: float
    onnxruntime: str
    warnings: tuple[str, ...] = ()


def verify(path: str | Path) -> Verified:
    """Check a bundle and run its self-test, whether or not it has passed before.

    Raises:
        BundleError: not a whole bundle, or it computes something else on this machine.
    """
    import onnxruntime

    bundle = Bundle.open(path)
    inputs, worst = _run(bundle, OnnxEmbedder(bundle.model), trained_head_of(bundle))
    note_passed(bundle.digest)
    return Verified(bundle.digest, bundle.space_id, inputs, worst, onnxruntime.__version__, warnings_of(bundle))


def check_once(bundle: Bundle, embedder: Embedder, trained: TrainedHead | None) -> None:
    """Run a bundle's self-test when this machine meets it for the first time.

    Args:
        bundle: to be tested.
        embedder: of its model.
        trained: `trained_head_of` it.

    Raises:
        BundleError: it computes something else here.
    """
    if not has_passed(bundle.digest):
        _run(bundle, embedder, trained)
        note_passed(bundle.digest)


def _run(bundle: Bundle, embedder: Embedder, trained: TrainedHead | None) -> tuple[int, float]:
    judge = judge_by(bundle, None, trained)
    try:
        golden = Golden.from_bytes(bundle.golden)
        return len(golden.inputs), golden.check(embedder, judge)
    except EdgefsError as error:
        raise BundleError("; ".join((f"{bundle.path}: {error}", *warnings_of(bundle)))) from error

"""A number that is none decides nothing: no verdict, the reason, and JSON that anybody reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from heads import model, seed_of, with_head
from shell import edgefs

from edgefs_runtime import Bundle, Classifier, ImageError
from edgefs_runtime.answering import Answering
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images.sources import frames_of
from edgefs_runtime.teach.enrolment import Teaching

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def nan_head(bundle: Path) -> bytes:
    """The golden head, with NaN for every row but the first that it is asked about when it is loaded."""
    onnx = pytest.importorskip("onnx")
    head = onnx.load_from_string(model().onnx)
    row = seed_of(Bundle.open(bundle)).rows[:1, 0]
    (given,), (scores,), make = head.graph.input, head.graph.output, onnx.helper.make_node
    head.graph.node[-1].output[0] = "clean"
    constants = {"row": row, "steep": np.float32([1e9]), "one": np.float32([1]), "axis": np.int64([1])}
    head.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
    head.graph.node.extend(
        [
            make("Sub", [given.name, "row"], ["away"]),
            make("ReduceSumSquare", ["away", "axis"], ["far"], keepdims=1),
            make("Mul", ["far", "steep"], ["steeply"]),
            make("Sub", ["one", "steeply"], ["below"]),
            make("Log", ["below"], ["none"]),
            make("Add", ["clean", "none"], [scores.name]),
        ]
    )
    return head.SerializeToString()


def test_a_head_that_gives_nan_fails_the_self_test(bundle: Path, tmp_path: Path, pictures: Pictures) -> None:
    spoilt = with_head(tmp_path / "spoilt.edgefs", model(), onnx=nan_head(bundle))
    run = edgefs("predict", spoilt, *pictures("dots", 1))
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "the self-test fails: the linear head computed NaN or infinity" in run.stderr


class Nowhere:
    """An embedder that gives NaN in one of its numbers."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.dim = embedder, embedder.dim

    def embed(self, images: np.ndarray) -> np.ndarray:
        found = self._embedder.embed(images)
        found[:, 3] = np.nan
        return found


def test_an_embedding_of_nan_decides_nothing_and_teaches_nothing(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        nowhere = Nowhere(classifier.backend.embedder)
        preprocess = classifier.bundle.manifest.preprocess
        (picture,) = pictures("good", 1)
        (frame,) = frames_of([picture])
        decision = Answering(preprocess, nowhere).answer(classifier.judge, frame)
        assert isinstance(decision, Decision)
        assert (decision.verdict, decision.label, decision.probability) == ("NO_DECISION", None, None)
        assert "NaN or infinity" in decision.reason
        json.dumps(decision.to_json(), allow_nan=False)
        with pytest.raises(ImageError, match=rf"{picture.name}: .*NaN or infinity.*nothing was enrolled"):
            Teaching(preprocess, nowhere).enrolment("good", [picture], None, None, False, {})


def test_scores_of_nan_decide_nothing_whatever_the_self_test_allows(
    bundle: Path, tmp_path: Path, pictures: Pictures
) -> None:
    with Classifier.open(with_head(tmp_path / "head.edgefs", model()), seed_only=True) as classifier:
        judge = classifier.judge
        head = model(onnx=nan_head(bundle))
        spoilt = Judge(judge.snapshot, DecisionSettings(unknown="RECHECK"), trained=TrainedHead(head, judge.snapshot))
        (decision,) = spoilt.decide(classifier.embed(pictures("dots", 1)))
    assert decision.verdict == "NO_DECISION"
    assert "the linear head computed NaN or infinity" in decision.reason
    assert (decision.score, decision.probability, decision.p_value, decision.ranking) == (None, None, None, ())

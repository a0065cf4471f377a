"""From trained heads to head.onnx."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

pytest.importorskip("sklearn", reason="the workstation part is not installed")
pytest.importorskip("skl2onnx", reason="the workstation part is not installed")

from edgefs.methods.sklearn_classifiers import TRAINED_HEADS
from edgefs.methods.sklearn_heads import fitted, scores_of
from edgefs_export.onnx.graph import MAX_IR, ML_OPSET, OPSET
from edgefs_export.onnx.head import check_head, linear_head_onnx, sklearn_head_onnx
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

DIM, VIEWS = 12, 2
SETTINGS = [(kind, number) for kind, settings in TRAINED_HEADS.items() for number in range(len(settings()))]


def gallery(classes: int, per_class: int = 8) -> Snapshot:
    rng = np.random.default_rng(classes)
    rows = rng.standard_normal((classes, per_class, VIEWS, DIM)) + 2 * rng.standard_normal((classes, 1, 1, DIM))
    return build_snapshot(
        [
            Enrolment(
                f"c{c}", "defect", own.reshape(per_class, -1).astype(np.float32), tuple(f"{c}{n}" for n in range(8))
            )
            for c, own in enumerate(rows)
        ],
        0,
        VIEWS,
    )


def checked(onnx_bytes: bytes) -> onnx.ModelProto:
    """A model that an old runtime loads, and that says nothing of where it was made."""
    model = onnx.load_from_string(onnx_bytes)
    limits = {"": OPSET, "ai.onnx.ml": ML_OPSET}
    opsets = [(opset.domain, opset.version) for opset in model.opset_import]
    assert len(opsets) == len({domain for domain, _ in opsets})
    assert all(version <= limits[domain] for domain, version in opsets)
    assert model.ir_version <= MAX_IR
    assert not model.metadata_props
    assert (model.producer_name, model.producer_version, model.doc_string) == ("edgefs", "", "")
    assert (len(model.graph.input), len(model.graph.output)) == (1, 1)
    return model


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("kind", "number"), SETTINGS)
def test_onnxruntime_computes_what_scikit_learn_computed(kind: str, number: int, classes: int) -> None:
    snapshot = gallery(classes)
    setting = TRAINED_HEADS[kind]()[number]
    classifier, again = (fitted(setting.make(0), snapshot) for _ in range(2))
    data = sklearn_head_onnx(classifier, DIM)
    checked(data)
    assert data == sklearn_head_onnx(again, DIM)
    asked = 3 * np.random.default_rng(9).standard_normal((300, DIM)).astype(np.float32)
    head = TrainedHead(TrainedHeadModel(data, kind, snapshot.labels, 1.0), snapshot)
    expected = scores_of(classifier, asked)
    check_head(head, expected, asked)
    np.testing.assert_array_equal(head.scores(asked).argmax(axis=1), classifier.predict(asked))
    with pytest.raises(ExportError, match="onnxruntime computes another"):
        check_head(head, expected[:, ::-1], asked)


def test_a_linear_layer_is_what_it_was() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((3, DIM)), rng.standard_normal(3)
    data = linear_head_onnx(weight, bias)
    model = checked(data)
    assert [node.op_type for node in model.graph.node] == ["Gemm"]
    asked = rng.standard_normal((5, DIM)).astype(np.float32)
    session = onnxruntime.InferenceSession(data)
    (found,) = session.run(["scores"], {"embeddings": asked})
    np.testing.assert_allclose(found, asked @ weight.T + bias, rtol=1e-4, atol=1e-5)


def test_a_linear_layer_whose_shapes_do_not_fit_is_refused() -> None:
    with pytest.raises(ExportError, match=r"weights \[C,D\] and biases \[C\]"):
        linear_head_onnx(np.zeros((3, DIM)), np.zeros(4))


def test_what_skl2onnx_does_not_know_is_refused_in_one_line() -> None:
    class Stranger:
        classes_ = np.arange(2)

        def predict_proba(self, rows: np.ndarray) -> np.ndarray:
            return np.ones((len(rows), 2)) / 2

    with pytest.raises(ExportError, match="skl2onnx can't convert Stranger"):
        sklearn_head_onnx(Stranger(), DIM)

"""Exporting a RUN: the bundle computes what torch computed, and its bytes depend on nothing else."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from places import GOLDEN
from textures import KINDS, save, write_set
from tiny import make

from edgefs.embedding.torch_embedder import TorchEmbedder
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.pipelines.networks import load_network
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_export.onnx.graph import MAX_IR, OPSET
from edgefs_export.onnx.parity import Parity
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.base.errors import DataError, EdgefsError, ExportError
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.listing import find_images


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def values_of(model: bytes) -> dict[str, np.ndarray]:
    """What a network holds, by name."""
    graph = onnx.load_from_string(model).graph
    return {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}


def test_torch_and_the_runtime_agree_on_every_image(run: Path, data: Path, tmp_path: Path) -> None:
    import torch

    exported = export(run, tmp_path / "b.edgefs")
    assert exported.parity.worst <= 1e-4
    assert (exported.parity.images, exported.parity.flips) == (36, 0)
    images = find_images(data)
    with Classifier.open(tmp_path / "b.edgefs", seed_only=True) as classifier:
        found = classifier.embed(images)
        pixels = classifier.bundle.manifest.preprocess.batch(images)
    expected = TorchEmbedder(load_network(Run.open(run)), torch.device("cpu")).embed(pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_two_exports_from_two_folders_are_the_same_bytes(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(run, tmp_path / "first.edgefs")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    shutil.copytree(run, elsewhere / "run")
    shutil.copytree(data, elsewhere / "images")
    shutil.rmtree(data)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("EDGEFS_CACHE", str(elsewhere / "cache"))
    export(Path("run"), Path("out") / "second.edgefs", data=Path("images"))
    assert (tmp_path / "first.edgefs").read_bytes() == (elsewhere / "out" / "second.edgefs").read_bytes()


def test_nothing_in_a_bundle_tells_where_it_was_made(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "b.edgefs")
    for name, content in members(tmp_path / "b.edgefs").items():
        assert str(tmp_path).encode() not in content, name
        assert b"/home" not in content, name
        assert b"site-packages" not in content, name


def test_the_golden_bundle_is_what_this_code_makes(tmp_path: Path) -> None:
    """Members but for what depends on versions: manifest, report and the last bits of arithmetic."""
    made, kept = members(make(tmp_path / "t.edgefs")), members(GOLDEN)
    assert list(made) == list(kept)
    ours, theirs = (np.load(__import__("io").BytesIO(m["gallery.npz"])) for m in (made, kept))
    assert ours["labels"].tolist() == theirs["labels"].tolist()
    assert ours["digests"].tolist() == theirs["digests"].tolist()
    ours, theirs = (values_of(m["embedder.onnx"]) for m in (made, kept))
    fitted = {name: (ours.pop(name), theirs.pop(name)) for name in ("projection", "shift")}
    for mine, other in zip(ours.values(), theirs.values(), strict=True):
        np.testing.assert_array_equal(mine, other)
    # Fitted to what pictures look like to this processor, and rounded to float16: a few units in its last place.
    matrix, other = (side.astype(np.float64) for side in fitted["projection"])
    assert (np.abs(matrix - other).max(axis=0) < 2**-9 * np.abs(other).max(axis=0)).all()


def test_the_golden_bundle_computes_here_what_it_computed_where_it_was_made(tmp_path: Path) -> None:
    kept = np.load(__import__("io").BytesIO(members(GOLDEN)["gallery.npz"]))
    files = {content_digest(path): path for path in write_set(tmp_path / "textures", 16).rglob("*.png")}
    with Classifier.open(GOLDEN, seed_only=True) as classifier:
        found = classifier.embed([files[digest] for digest in kept["digests"].tolist()], views=True)
    np.testing.assert_allclose(found, kept["vectors"], rtol=1e-4, atol=1e-6)


def test_the_model_can_be_loaded_by_old_runtimes_and_holds_no_metadata(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "b.edgefs")
    model = onnx.load_from_string(Bundle.open(tmp_path / "b.edgefs").model)
    assert model.ir_version <= MAX_IR
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": OPSET}
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert not model.metadata_props
    kinds = {node.op_type for node in model.graph.node}
    assert {"GlobalAveragePool", "GlobalMaxPool"} & kinds
    assert not {"ReduceMean", "ReduceMax"} & kinds


def test_uint8_feeds_a_cast_alone_as_tensorrt_demands(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "b.edgefs")
    graph = onnx.load_from_string(Bundle.open(tmp_path / "b.edgefs").model).graph
    assert {node.op_type for node in graph.node if "images" in node.input} == {"Cast"}


def test_the_seed_gallery_is_embedded_by_the_exported_model(run: Path, data: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "b.edgefs")
    train = Run.open(run).record.images.train
    with Classifier.open(tmp_path / "b.edgefs", seed_only=True) as classifier:
        for enrolment in classifier.bundle.seed_enrolments():
            paths = [data / image.path for image in train if image.label == enrolment.label]
            assert classifier.embed(paths, views=True).tobytes() == enrolment.vectors.tobytes()


def test_the_figures_in_a_bundle_are_the_exported_models(run: Path, tmp_path: Path) -> None:
    exported = export(run, tmp_path / "b.edgefs", name="line 4", version="2.1")
    raw = Bundle.open(tmp_path / "b.edgefs").manifest.raw
    assert exported.evaluation is not None
    assert raw["metrics"]["test"] == exported.evaluation.to_json()
    assert (raw["name"], raw["version"], raw["method"], raw["data"]["shots"]) == ("line 4", "2.1", "features", 5)


def test_thumbnails_travel_when_asked(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "b.edgefs", keep_images="support")
    with Classifier.open(tmp_path / "b.edgefs", gallery=tmp_path / "g") as classifier:
        kept = classifier.gallery.thumbnails("dots")
        seed = next(one for one in classifier.bundle.seed_enrolments() if one.label == "dots")
        np.testing.assert_array_equal(classifier.embed(kept, views=True), seed.vectors)


def _gone(run: Path, data: Path) -> None:
    shutil.rmtree(data / "dots")


def _changed(run: Path, data: Path) -> None:
    for path in find_images(data):
        Image.fromarray(np.full((48, 48), 77, np.uint8)).save(path)


def _no_run(run: Path, data: Path) -> None:
    shutil.rmtree(run)


BAD = {
    "images gone": (_gone, DataError, "pass --data"),
    "images changed": (_changed, DataError, "not the image that"),
    "no RUN": (_no_run, EdgefsError, "no such folder"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_cannot_be_exported_leaves_nothing(run: Path, data: Path, tmp_path: Path, fault: str) -> None:
    damage, kind, message = BAD[fault]
    damage(run, data)
    with pytest.raises(kind, match=message):
        export(run, tmp_path / "out" / "b.edgefs")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_named_and_an_old_bundle_stands(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a folder stands there"):
        export(run, tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="can't be written"):
        export(run, tmp_path / "file" / "b.edgefs")


def decision(nearest: str, margin: float) -> Decision:
    return Decision(
        "NG", nearest, nearest, "defect", 0, 0.5, 0.5, 0.0, "conformal", margin, (), (), "", None, "", 0, ""
    )


@pytest.mark.parametrize(
    ("difference", "other", "margin", "message"),
    [
        (0.0, "a", 0.5, None),
        (5e-5, "a", 0.5, None),
        (3e-4, "a", 0.5, "something else than torch"),
        (np.nan, "a", 0.5, "something else than torch"),
        (0.0, "b", 0.5, "decides otherwise"),
        (0.0, "b", 1e-5, None),
    ],
)
def test_parity_lets_through_rounding_and_ties_only(
    difference: float, other: str, margin: float, message: str | None
) -> None:
    vectors = np.ones((3, 4), np.float32)
    found = (vectors * np.float32(1 + difference)).astype(np.float32)
    parity = Parity.of(vectors, found, [decision("a", margin)] * 3, [decision(other, margin)] * 3)
    if message is None:
        parity.check()
    else:
        with pytest.raises(ExportError, match=message):
            parity.check()


def test_a_full_disk_is_said_in_a_line_and_leaves_the_earlier_bundle(run: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: writes fail in the same places."""
    resource = pytest.importorskip("resource", reason="POSIX")
    out = tmp_path / "out" / "b.edgefs"
    export(run, out, use_cache=False)
    earlier = out.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(earlier) // 2, limits[1]))
    try:
        with pytest.raises(EdgefsError, match=r"can't be written .*nothing was written"):
            export(run, out, use_cache=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.read_bytes() == earlier
    assert [path.name for path in out.parent.iterdir()] == ["b.edgefs"]


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Thirty more images of each class in one folder, and one that is none."""
    for kind in KINDS[:3]:
        for number in range(400, 430):
            save(tmp_path / "unlabelled", kind, number)
    (tmp_path / "unlabelled" / "torn.png").write_bytes(b"nothing")
    return tmp_path / "unlabelled"


def test_unlabelled_images_refine_the_seed_as_they_would_on_the_device(
    data: Path, unlabelled: Path, tmp_path: Path
) -> None:
    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", shots=1, name="parts"))
    export(tmp_path / "run", tmp_path / "plain.edgefs")
    refined = export(tmp_path / "run", tmp_path / "refined.edgefs", unlabelled=find_images(unlabelled)).refined
    assert refined is not None
    assert refined.classes
    assert refined.passed_over == 0
    asked = find_images(data)
    with Classifier.open(tmp_path / "plain.edgefs", gallery=tmp_path / "g.gallery") as classifier:
        before = [decision.score for decision in classifier.predict(asked)]
        assert classifier.refine(find_images(unlabelled)) == refined.classes
        after = [decision.score for decision in classifier.predict(asked)]
    assert after != before
    with Classifier.open(tmp_path / "refined.edgefs", gallery=tmp_path / "h.gallery") as classifier:
        np.testing.assert_allclose([decision.score for decision in classifier.predict(asked)], after, rtol=1e-5)
        assert not classifier.refine(find_images(unlabelled)).keys() & refined.classes.keys()  # a class is refined once
        assert classifier.bundle.manifest.raw["data"]["refined"] == refined.classes


def test_images_of_the_run_refine_nothing(data: Path, unlabelled: Path, tmp_path: Path) -> None:
    """Else the bundle's figures would be those of images that taught it."""
    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", shots=1, name="parts"))
    known = find_images(data)
    expected = export(tmp_path / "run", tmp_path / "a.edgefs", unlabelled=find_images(unlabelled)).refined
    exported = export(tmp_path / "run", tmp_path / "b.edgefs", unlabelled=[*find_images(unlabelled), *known])
    assert expected is not None
    assert exported.refined is not None
    assert exported.refined.classes == expected.classes
    assert exported.refined.passed_over == len(known)
    assert "36 unlabelled images passed over" in exported.refined.sentences[-1]


def test_a_trained_head_is_not_refined(data: Path, unlabelled: Path, tmp_path: Path) -> None:
    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, head="logistic", name="parts"))
    with pytest.raises(ExportError, match="and the head logistic is trained"):
        export(tmp_path / "run", tmp_path / "b.edgefs", unlabelled=find_images(unlabelled))
    assert not (tmp_path / "b.edgefs").exists()

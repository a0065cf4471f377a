"""The identity that `adapt` gives a model: the same for the same adapt, and kept by every export."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from runs import said_by
from textures import write_set

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.runs.identity import identity_of
from edgefs.runs.run import Run
from edgefs.runs.succession import predecessor
from edgefs.runs.writing import check_place
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Bundle
from edgefs_runtime.base.errors import RunError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "images", 4, ("good", "dots"))


def made(data: Path, out: Path, **settings: object) -> Run:
    return adapt(data, out, AdaptSettings(backbone="tiny", shots=2, dim=0, symmetries=(), **settings))[0]  # type: ignore[arg-type]


def test_the_same_adapt_from_two_folders_is_one_model_and_another_is_another(data: Path, tmp_path: Path) -> None:
    first = made(data, tmp_path / "a")
    copied = Path(shutil.copytree(data, tmp_path / "elsewhere" / "images"))
    assert made(copied, tmp_path / "b").identity == first.identity
    next((copied / "dots").iterdir()).unlink()
    assert made(copied, tmp_path / "c").identity != first.identity  # other images in a folder of the same name
    fields = said_by(tmp_path / "a")
    assert fields.pop("identity") == first.identity == identity_of(fields)  # of a RUN from before identities too
    others = [{**fields, "seed": 1}, {**fields, "name": "line 2"}, {**fields, "files": {"embedder.safetensors": "0"}}]
    assert len({first.identity, *map(identity_of, others)}) == 4
    assert identity_of({**fields, "versions": {}, "data": {**fields["data"], "root": "/elsewhere"}}) == first.identity


def test_every_export_keeps_it_and_a_successor_names_it(data: Path, tmp_path: Path) -> None:
    run = made(data, tmp_path / ("缺" * 80))
    export(run.folder, tmp_path / "a.edgefs")
    long = tmp_path / ("缺" * 80 + ".edgefs")
    export(run.folder, long, name="缺" * 100, version="2", keep_images="support")
    manifests = [Bundle.open(path).manifest for path in (tmp_path / "a.edgefs", long)]
    assert [(manifest.identity, manifest.succeeds) for manifest in manifests] == [(run.identity, "")] * 2
    after = made(data, tmp_path / "after", seed=1, succeeds=str(tmp_path / "a.edgefs"))
    export(after.folder, tmp_path / "after.edgefs")
    manifest = Bundle.open(tmp_path / "after.edgefs").manifest
    assert (manifest.identity, manifest.succeeds) == (after.identity, run.identity)
    assert predecessor(run.folder) == run.identity != after.identity


def test_what_has_no_identity_can_not_be_succeeded(bundle: Path, data: Path, tmp_path: Path) -> None:
    faults = ((bundle, "exported before models had an identity"), (tmp_path / "gone", "no such RUN or bundle"))
    for given, words in faults:
        with pytest.raises(RunError, match=words) as caught:
            made(data, tmp_path / "run", succeeds=str(given))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()


def test_a_runs_name_is_bounded_in_bytes_and_said_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has more than 240 bytes"):
        check_place(tmp_path / ("缺" * 81), overwrite=False)

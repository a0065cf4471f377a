"""Every named attack of `tools/faults` through the library's own doors: one line, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgefs_runtime import Bundle, EdgefsError
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.gallery import Gallery, read_snapshot
from faults.acts import enrolment, whole_line
from faults.attacks.arrays import ARRAYS
from faults.attacks.files import FILES, SPECIAL
from faults.attacks.galleries import ROWS, foreign
from faults.attacks.making import Attack
from faults.attacks.manifests import MANIFESTS
from faults.attacks.networks import GROWING
from faults.attacks.schemas import SCHEMAS
from faults.attacks.zips import ZIPS
from faults.malformed import MAY_BE_MERGED

LARGE = ("zip: a bomb", "rows: a thumbnail of 900 MB", "npz golden: of 300 MB")  # left to `make faults`
# What only the self-test can tell.
OF_THE_NETWORK = ("npz golden: of another size", "npz golden: of one channel", "npz golden: a class that is not there")
GALLERIES = {**ROWS, **SCHEMAS, **SPECIAL}
BUNDLES = {**ZIPS, **FILES, **MANIFESTS, **ARRAYS}


def refused(attacks: dict[str, Attack], tmp_path: Path) -> dict[str, Path]:
    found = {}
    for number, (name, attack) in enumerate(attacks.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        if not name.startswith((*MAY_BE_MERGED, *LARGE)):
            found[name] = attack(folder)
    return found


def refusal(act: Callable[[], object]) -> str:
    """How it is refused; empty where it is not."""
    try:
        act()
    except EdgefsError as error:
        return str(error)
    return ""


def is_one_line(told: str) -> bool:
    return bool(told) and "\n" not in told and len(told) < 2000


def test_no_gallery_of_a_stranger_is_merged(tmp_path: Path) -> None:
    line = whole_line()
    with Gallery.open(tmp_path / "mine.gallery", line.seed) as mine:
        mine.enroll(enrolment("mine", 2, line.seed.dim))
        before = [entry.seq for entry in mine.log()], mine.snapshot().counts
        for name, path in refused(GALLERIES, tmp_path).items():
            assert is_one_line(refusal(lambda path=path: mine.merge(path))), name
            assert ([entry.seq for entry in mine.log()], mine.snapshot().counts) == before, name
        assert mine.check() == []


def test_a_gallery_of_a_stranger_is_read_or_refused(tmp_path: Path) -> None:
    line = whole_line()
    some = dict(list({**ROWS, **SCHEMAS}.items())[::5])  # a damaged file is looked at several times, and each waits
    for name, path in refused(some, tmp_path).items():
        told = refusal(lambda path=path: read_snapshot(path, line.seed))
        assert not told or is_one_line(told), name


def test_what_a_person_typed_is_merged_as_it_is(tmp_path: Path) -> None:
    line = whole_line()
    for number, name in enumerate(name for name in ROWS if name.startswith(MAY_BE_MERGED)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Gallery.open(folder / "mine.gallery", line.seed) as mine:
            assert mine.merge(ROWS[name](folder)).added == {"more": 2}, name
            assert mine.check() == []
    assert number > 3


def test_a_whole_gallery_is_merged(tmp_path: Path) -> None:
    line = whole_line()
    with Gallery.open(tmp_path / "mine.gallery", line.seed) as mine:
        assert mine.merge(foreign(tmp_path)).added == {"more": 2}


def test_no_bundle_of_a_stranger_is_opened(tmp_path: Path) -> None:
    opened = []
    for name, path in refused(BUNDLES, tmp_path).items():
        told = refusal(lambda path=path: read_whole(path))
        assert not told or is_one_line(told), name
        opened += [] if told else [name]
    assert opened == list(OF_THE_NETWORK)


def test_no_network_whose_arrays_grow_is_loaded(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="attacks on networks are made by onnx")
    for name, path in refused(GROWING, tmp_path).items():
        assert is_one_line(refusal(lambda path=path: OnnxEmbedder(Bundle.open(path).model))), name


def read_whole(path: Path) -> None:
    """All of a bundle but the network."""
    bundle = Bundle.open(path)
    bundle.seed_judge(bundle.load_trained_head())
    Golden.from_bytes(bundle.golden)

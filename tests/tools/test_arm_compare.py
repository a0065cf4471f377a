"""What `make arm` calls the same, and what it does not: planted differences between two machines are found."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from bundles import remade
from click.testing import CliRunner
from places import ROOT

from edgefs.cli import main
from edgefs_runtime import Classifier

SCRIPT = ROOT / "tools" / "arm" / "compare.py"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("arm_compare", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machines(bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path) -> tuple[Path, Path]:
    """The folders of two machines that said the same."""
    images = [*pictures("good", 2), *pictures("dots", 2)]
    with Classifier.open(bundle, seed_only=True) as classifier:
        vectors = classifier.embed(images)
        answers = [{"path": path.name, **classifier.predict([path])[0].to_json()} for path in images]
    folders = tmp_path / "here", tmp_path / "there"
    verified = CliRunner().invoke(main, ["verify", str(bundle), "--json"]).stdout
    for folder in folders:
        folder.mkdir()
        for name in ("before", "taught", "undone"):
            write(folder / f"{name}.jsonl", answers)
        np.save(folder / "embedded.npy", vectors)
        (folder / "verify.json").write_text(verified)
    return folders


def write(path: Path, answers: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))


def other_label(folder: Path) -> None:
    for name in ("before", "undone"):
        answers = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        write(folder / f"{name}.jsonl", [{**answers[0], "label": None}, *answers[1:]])


def other_nearest(folder: Path) -> None:
    answers = [json.loads(line) for line in (folder / "taught.jsonl").read_text().splitlines()]
    write(folder / "taught.jsonl", [{**answers[0], "nearest": "stripes"}, *answers[1:]])


def other_vectors(folder: Path) -> None:
    np.save(folder / "embedded.npy", np.load(folder / "embedded.npy") * np.float32(1 + 3e-5))


def not_undone(folder: Path) -> None:
    answers = [json.loads(line) for line in (folder / "undone.jsonl").read_text().splitlines()]
    write(folder / "undone.jsonl", [*answers[:-1], {**answers[-1], "label": "taught"}])


PLANTED = {  # what happens, how it ends for fp32 and for int8
    "nothing": (lambda folder: None, 0, 0),
    "another label": (other_label, 1, 0),  # a p-value beside the budget may fall on either side by int8's rounding
    "another nearest class": (other_nearest, 1, 1),
    "other vectors": (other_vectors, 1, 0),
    "not undone": (not_undone, 1, 1),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_difference_between_machines_is_found(
    compare: ModuleType, bundle: Path, machines: tuple[Path, Path], tmp_path: Path, planted: str
) -> None:
    plant, fp32, int8 = PLANTED[planted]
    plant(machines[1])
    embedder = {**Classifier.open(bundle, seed_only=True).bundle.manifest.raw["embedder"], "precision": "int8"}
    quantised = remade(bundle, tmp_path / "int8.edgefs", embedder=embedder)
    assert compare.main(bundle, *machines) == fp32
    assert compare.main(quantised, *machines) == int8

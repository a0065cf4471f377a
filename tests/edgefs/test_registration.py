"""A method, a head, a backbone and a source of backbones are one file and one line each.

The files are those of `tests/support/toys`, the lines those of the fixture; nothing else of edgefs knows of them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from textures import write_set

pytest.importorskip("torch")

from toys.backbone import load_toybone
from toys.head import ToyHead
from toys.method import TOY

from edgefs.backbones import BACKBONES, SOURCES, Source, load_backbone
from edgefs.cli import main
from edgefs.methods import METHODS, Method
from edgefs.settings.setting import setting
from edgefs_runtime.decision.heads import HEADS


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    METHODS["toy"] = TOY
    HEADS["toyhead"] = ToyHead
    BACKBONES["toybone"] = load_toybone
    SOURCES["toys"] = Source("toys/NAME", "toys.source", lambda name: name.startswith("toys/"))
    yield
    del METHODS["toy"], HEADS["toyhead"], BACKBONES["toybone"], SOURCES["toys"]


def edgefs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("toys") / "textures", 8)


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    """A RUN by all three."""
    given = "--method toy --toy-option 3 --head toyhead --backbone toybone --shots 4 --no-cache"
    said = edgefs("adapt", data, "-o", data.parent / "run", *shlex.split(given))
    assert said.exit_code == 0, said.output
    return data.parent / "run"


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    said = edgefs("export", run, "-o", run.parent / "toy.edgefs", "--no-cache")
    assert said.exit_code == 0, said.output
    return run.parent / "toy.edgefs"


def test_the_help_has_a_part_of_the_method_and_offers_the_others() -> None:
    text = " ".join(edgefs("adapt", "--help").stdout.split())
    of_toy = text.partition("--method toy: ")[2].partition(" --method ")[0].partition(" Computing: ")[0]
    assert of_toy.startswith("It plays. --head: prototype (the default), blend, lda, linear, toyhead.")
    assert "--toy-option INTEGER How often it says hello. [default: 1; x>=0]" in of_toy
    assert "|toy]" in text
    assert "toybone" in text
    assert "toys/NAME" in text


def test_the_run_tells_what_it_was_asked_for(run: Path) -> None:
    fields = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert fields["method"] == "toy"
    assert fields["settings"]["toy"] == {"toy_option": 3}
    assert fields["head"] == {"kind": "toyhead"}
    assert fields["backbone"]["name"] == "toybone"
    assert "hello hello hello " in fields["notes"]


def test_the_run_is_evaluated_and_its_bundle_decides(run: Path, bundle: Path, data: Path) -> None:
    images = sorted(data.rglob("*.png"))
    assert edgefs("evaluate", run, data).exit_code == 0
    said = edgefs("predict", bundle, *images, "--json")
    assert said.exit_code == 0, said.output
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    right = [answer["nearest"] == Path(answer["path"]).parent.name for answer in answers]
    assert sum(right) > 0.6 * len(right)


def test_a_device_that_lacks_the_head_says_so(bundle: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(HEADS, "toyhead")
    said = edgefs("predict", bundle, next(data.rglob("*.png")))
    assert said.exit_code == 1
    assert "head 'toyhead' is not known to this runtime" in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_an_option_of_the_method_is_refused_beside_another(data: Path, tmp_path: Path) -> None:
    said = edgefs("adapt", data, "-o", tmp_path / "run", "--toy-option", 3)
    assert said.exit_code == 2
    assert "--toy-option is of --method toy, and this is --method features" in said.stderr


def test_the_method_refuses_in_a_moment_what_it_can_not_do(data: Path, tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text('method = "toy"\ntoy-option = 13\n', encoding="utf-8")
    said = edgefs("adapt", data, "-o", tmp_path / "run", "--config", tmp_path / "toy.toml")
    assert said.exit_code == 1
    assert "--toy-option 13: expected a number that is not unlucky" in said.stderr


def test_a_source_opens_what_is_of_its_kind() -> None:
    assert load_backbone("toys/horse").network[0].out_channels == len("horse")
    assert load_backbone("toys/horse").digest == load_backbone("toys/horse").digest
    assert load_backbone("nano").name == "nano"


@dataclass(frozen=True)
class Clashing:
    shots: float = setting(1.0, "It has the name of an option that every method has.")


def test_a_setting_with_the_name_of_another_thing_is_a_mistake_in_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "clash", Method("Clash", "It clashes.", adapt=TOY.adapt, settings=Clashing))
    said = edgefs("adapt", "--help")
    assert isinstance(said.exception, ValueError)
    assert "method clash: its setting shots is another thing elsewhere" in str(said.exception)


@pytest.mark.parametrize("name", [*METHODS])
def test_the_heads_of_a_method_are_known_and_the_default_is_one_of_them(name: str) -> None:
    method = METHODS[name]
    assert method.heads[0] == method.head
    assert set(method.heads) <= {*HEADS, *method.trained_heads}

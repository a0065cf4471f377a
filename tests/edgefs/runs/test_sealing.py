"""What a RUN says of itself is refused where it is not what was written, in one line that says what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from parts import GOLDEN
from runs import rewrite_run, said_by
from second_reader.folders import read_run

from edgefs.runs.run import Run
from edgefs_runtime.base.errors import RunError


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the golden RUN, which costs no `adapt`."""
    return Path(shutil.copytree(GOLDEN / "run", tmp_path / "golden"))


def refusal(run: Path) -> str:
    with pytest.raises(RunError) as caught:
        Run.open(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_edit_by_hand_is_refused_until_the_checksum_that_is_told_stands_there(run: Path) -> None:
    assert read_run(run)["format_version"] == "1.1"
    text = (run / "run.json").read_text(encoding="utf-8")
    edited = text.replace('"name": "parts"', '"name": "line 4"')
    (run / "run.json").write_text(edited, encoding="utf-8")
    told = refusal(run)
    assert told.startswith(f"{run}: run.json does not fit its checksum: it is damaged or was edited; restore it or")
    (fitting,) = re.findall(r'write ("checksum": "[0-9a-f]{64}") into it', told)
    (run / "run.json").write_text(re.sub(r'"checksum": "\w+"', fitting, edited), encoding="utf-8")
    assert Run.open(run).name == "line 4"


def test_white_space_and_the_order_of_fields_are_nobodys_business(golden: Path) -> None:
    fields = json.loads((golden / "run.json").read_text(encoding="utf-8"))
    (golden / "run.json").write_text(json.dumps(dict(reversed(fields.items()))), encoding="utf-8")
    (golden / "report.html").write_text("my own words", encoding="utf-8")
    assert Run.open(golden).name == "line 4"


def test_a_lost_checksum_is_noticed_and_one_of_the_form_before_is_not_missed(golden: Path) -> None:
    (golden / "run.json").write_text(json.dumps(said_by(golden)), encoding="utf-8")
    assert "does not fit its checksum" in refusal(golden)
    (golden / "run.json").write_text(json.dumps({**said_by(golden), "format_version": "1.0"}), encoding="utf-8")
    assert Run.open(golden).name == "line 4"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["run.json"], "files is no object of file names"),
        ({"../secret": "0" * 64}, "files is no object of file names"),
        ({"gallery.npz": 5}, "gallery.npz is not the one"),
    ],
)
def test_files_that_are_none_of_its_own_are_not_looked_at(golden: Path, files: object, told: str) -> None:
    rewrite_run(golden, {**said_by(golden), "files": files})
    assert told in refusal(golden)


@pytest.mark.parametrize("text", ['{"a": ' * 5000 + "1" + "}" * 5000, '{"format_version": 1e999}', b"\xff{}"])
def test_json_that_has_no_end_is_refused_like_any_other(golden: Path, text: str | bytes) -> None:
    (golden / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "run.json can't be read" in refusal(golden)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_file_without_end_is_not_read(golden: Path) -> None:
    (golden / "run.json").unlink()
    os.mkfifo(golden / "run.json")
    with pytest.raises(RunError, match="no plain file"):
        Run.open(golden)
    (golden / "run.json").unlink()
    with (golden / "run.json").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(RunError, match="bytes; at most"):
        Run.open(golden)

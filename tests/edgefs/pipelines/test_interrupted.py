"""`adapt` and `export` stopped at any moment, by Ctrl-C or kill -9: what has its final name is whole."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import NEVER, Launcher, Stop

from edgefs.runs.run import Run
from edgefs_runtime import Bundle
from edgefs_runtime.base.errors import RunError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

# What the commands load when they need it; a fork that finds it loaded takes a quarter of the time.
LOADED = (
    *("edgefs.cli.adapt", "edgefs.cli.export", "edgefs.pipelines.adapt", "edgefs.pipelines.export"),
    *("edgefs.methods.features.method", "torchvision.models.feature_extraction", "onnxscript", "jinja2"),
)
OPTIONS = ("--backbone", "tiny", "--shots", "5", "--name", "parts")


@pytest.fixture(scope="module")
def launcher(session_cache: Path) -> Iterator[Launcher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFS_STATE", str(session_cache / "state"))
        patch.setenv("EDGEFS_CACHE", str(session_cache))
        started = Launcher("tiny", *LOADED)
    with started:
        yield started


def stops(launcher: Launcher, out: Path, *arguments: object, how: int = signal.SIGKILL) -> list[Stop]:
    """Two moments at which the images are read, and those at which something is done to `out`, above all the last."""
    ended = launcher.run(*arguments, "-o", out, stop=Stop(NEVER, out.name))
    assert ended.status == 0, ended.said
    chosen = {1, 2, *range(3, ended.moments - 4, 3), *range(ended.moments - 4, ended.moments + 1)}
    writing = [Stop(number, out.name, how) for number in sorted(chosen) if number > 0]
    return [Stop(1, ".png", how), Stop(20, ".png", how), *writing]


def test_adapt_stopped_by_ctrl_c_leaves_nothing(launcher: Launcher, textures: Path, tmp_path: Path) -> None:
    out = tmp_path / "line-run"
    for stop in stops(launcher, out, "adapt", textures, *OPTIONS, how=signal.SIGINT):
        shutil.rmtree(out, ignore_errors=True)
        status, _, said, _ = launcher.run("adapt", textures, "-o", out, *OPTIONS, stop=stop)
        assert status == 130
        assert said.strip().endswith("Error: stopped by Ctrl-C")
        assert not [path for path in tmp_path.iterdir() if path.name.endswith(".new")]
        with pytest.raises(RunError):
            Run.open(out)


def test_adapt_killed_leaves_no_run_or_a_whole_one(launcher: Launcher, textures: Path, tmp_path: Path) -> None:
    """In the place of an earlier RUN: that one, none while they change places, or the new one."""
    found = []
    arguments = ("adapt", textures, *OPTIONS, "--overwrite")
    earlier = tmp_path / "earlier" / "line-run"
    assert launcher.run(*arguments, "-o", earlier).status == 0
    chosen = stops(launcher, earlier, *arguments)
    assert launcher.run(*arguments, "-o", earlier, "--name", "earlier").status == 0
    for number, stop in enumerate(chosen):
        out = shutil.copytree(earlier, tmp_path / str(number) / "line-run")
        assert launcher.run(*arguments, "-o", out, stop=stop).status == -signal.SIGKILL
        found.append(Run.open(out).name if out.exists() else None)
    assert set(found) <= {"earlier", "parts", None}
    assert found[0] == "earlier"
    assert found[-1] == "parts"


def test_after_a_kill_the_same_command_works(launcher: Launcher, textures: Path, tmp_path: Path) -> None:
    arguments = ("adapt", textures, "-o", tmp_path / "line-run", *OPTIONS)
    assert launcher.run(*arguments, stop=Stop(5, "line-run")).status == -signal.SIGKILL
    assert not (tmp_path / "line-run").exists()
    again = launcher.run(*arguments)
    assert Run.open(tmp_path / "line-run").name == "parts", again.said


def test_export_killed_leaves_the_old_bundle_or_the_new_one(
    launcher: Launcher, textures: Path, tmp_path: Path, bundle: Path
) -> None:
    launcher.run("adapt", textures, "-o", tmp_path / "run", *OPTIONS)
    earlier, names = bundle.read_bytes(), []
    for stop in stops(launcher, bundle, "export", tmp_path / "run"):
        bundle.write_bytes(earlier)
        assert launcher.run("export", tmp_path / "run", "-o", bundle, stop=stop).status == -signal.SIGKILL
        names.append(Bundle.open(bundle).name)
    assert set(names) == {"textures", "parts"}

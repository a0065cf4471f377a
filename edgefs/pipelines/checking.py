"""What a command can refuse in a moment: before torch is loaded, an image is read, or an hour's work is lost.

A command of the workstation calls its check first; what it calls afterwards may take seconds to load alone.
"""

from __future__ import annotations

from pathlib import Path

from edgefs.backbones.sources import check_backbone
from edgefs.data.layouts.folders import TABLE_SUFFIXES
from edgefs.data.layouts.groups import group_pattern
from edgefs.methods import METHODS
from edgefs.runs.run import Run
from edgefs.runs.succession import predecessor
from edgefs.runs.writing import check_place
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.distill import DistillSettings
from edgefs_export.packing.pack import SUFFIX
from edgefs_runtime.base.errors import DataError, EdgefsError, ExportError, RunError, WeightsError
from edgefs_runtime.bundle.manifest import check_name


def check_adapt(data: Path, out: Path, settings: AdaptSettings, *, overwrite: bool) -> None:
    """Whether `adapt` can begin.

    Raises:
        RunError: the place of the RUN is taken, or what it succeeds is no RUN.
        DataError: there is nothing to learn from, or the groups can't be taken from file names.
        WeightsError: a weights file or a student is not there.
        BundleError: a name that can't be a model's.
        EdgefsError: a head of another method, or a frame that can't be cut or seen so.
    """
    check_place(out, overwrite=overwrite)
    check_data(data)
    if settings.name is not None:
        check_name(settings.name)
    if settings.group_from is not None:
        group_pattern(settings.group_from)
    head_of(settings)
    _check_frame(settings)
    if settings.size and len(set(settings.size)) > 1 and any("t" in name for name in settings.symmetries or ()):
        raise EdgefsError(
            f"--symmetry all turns by a quarter, which needs a square input; --size {settings.size[0]} "
            f"{settings.size[1]} is none: take --symmetry flips, or another size"
        )
    _check_weights("--weights", settings.weights)
    if settings.succeeds:
        predecessor(Path(settings.succeeds))
    if settings.backbone is not None:
        check_backbone(settings.backbone)
    for method in METHODS.values():
        if method.check is not None:
            method.check(settings)


def check_evaluate(subject: Path, data: Path, *, group_from: str | None, report: Path | None) -> None:
    """Whether `evaluate` can begin.

    Raises:
        RunError: the subject is no RUN, or nothing at all.
        DataError: there is nothing to evaluate on.
        EdgefsError: the report's folder is not there.
    """
    if subject.is_dir():
        Run.open(subject)
    elif not subject.exists():
        raise RunError(f"{subject}: no such file or folder; expected a RUN of `edgefs adapt`, or a bundle ({SUFFIX})")
    check_data(data)
    if group_from is not None:
        group_pattern(group_from)
    if report is not None:
        check_file("--report", report)


def check_export(run: Path, out: Path, *, name: str | None, data: Path | None, calibration: Path | None) -> None:
    """Whether `export` can begin.

    Raises:
        RunError: no whole RUN.
        BundleError: a name that can't be a model's.
        DataError: a folder of images is not there.
        ExportError: the bundle can't be written there.
    """
    if out.is_dir():
        raise ExportError(f"{out}: a folder stands there; name a file, such as {out / (run.name + SUFFIX)}")
    if name is not None:
        check_name(name)
    for option, folder in (("--data", data), ("--calibration", calibration)):
        if folder is not None and not folder.exists():
            raise DataError(f"{option} {folder}: no such folder")
    Run.open(run)


def check_distill(archive: Path | None, out: Path, settings: DistillSettings, *, overwrite: bool) -> None:
    """Whether `distill` can begin.

    Raises:
        RunError: the place of the RUN is taken.
        DataError: no such archive.
        WeightsError: the teacher's weights file is not there.
        BundleError: a name that can't be a model's.
        EdgefsError: a frame that can't be cut or seen so.
    """
    check_place(out, overwrite=overwrite)
    if archive is not None and not archive.is_dir():
        found = "a file stands there" if archive.exists() else "no such folder"
        raise DataError(f"{archive}: {found}; expected a folder of images")
    if settings.name is not None:
        check_name(settings.name)
    _check_frame(settings)
    _check_weights("--teacher-weights", settings.teacher_weights)


def check_data(data: Path) -> None:
    """Whether there is something that may hold labelled images.

    Raises:
        DataError: nothing is there, or a file that is no table.
    """
    if data.is_dir() or (data.is_file() and data.suffix.lower() in TABLE_SUFFIXES):
        return
    found = "a file that is no CSV" if data.exists() else "nothing there"
    raise DataError(f"{data}: expected a folder with one folder of images per class, or a CSV file; found {found}")


def check_file(option: str, path: Path) -> None:
    """Whether a file may be written at `path` when the work is done.

    Raises:
        EdgefsError: its folder is missing, or it is a folder itself.
    """
    if path.is_dir():
        raise EdgefsError(f"{option} {path}: a folder stands there; name a file")
    if not path.parent.is_dir():
        raise EdgefsError(f"{option} {path}: there is no folder {path.parent}; make it first")


def head_of(settings: AdaptSettings) -> str:
    """The head that was asked for, or the method's first.

    Raises:
        EdgefsError: it is not one of the method's.
    """
    known = METHODS[settings.method].heads
    if settings.head is not None and settings.head not in known:
        raise EdgefsError(
            f"--head {settings.head} is not for --method {settings.method}, which takes {', '.join(known)}"
        )
    return settings.head or known[0]


def _check_frame(settings: AdaptSettings | DistillSettings) -> None:
    if settings.roi and min(settings.roi[2:]) < 1:
        told = " ".join(map(str, settings.roi))
        raise EdgefsError(f"--roi {told}: a region has a WIDTH and a HEIGHT of at least 1 pixel")
    if settings.window is not None and settings.window[0] >= settings.window[1]:
        black, white = settings.window
        raise EdgefsError(f"--window {black} {white}: BLACK must be less than WHITE")


def _check_weights(option: str, weights: str | None) -> None:
    """A name may be one of torchvision's sets; what has a folder or a suffix is a file."""
    if weights is not None and (Path(weights).suffix or Path(weights).name != weights) and not Path(weights).is_file():
        raise WeightsError(f"{option} {weights}: no such file; pass a .pth or .safetensors file, or a torchvision name")

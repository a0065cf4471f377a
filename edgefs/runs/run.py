"""The RUN folder: what `adapt` leaves behind, whole or not at all.

    run.json               how it was made, on which images (paths and digests, no pixels), and the other files' SHA-256
    embedder.safetensors   the embedding network's values
    gallery.safetensors    the same of what embeds the gallery's images, where they are of another domain
    gallery.npz            the support's labelled embeddings, as torch computed them
    head.onnx              a head that was trained on them (optional)
    metrics.json           the figures
    report.html            the same for people

What `distill` leaves behind is a RUN as well: run.json, student.safetensors, metrics.json and report.html.

It is written beside its place under a hidden name and renamed at the end, so a folder of that name is always whole.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs.runs.identity import identity_of
from edgefs_runtime.base.durable import sync_file, sync_folder
from edgefs_runtime.base.errors import BundleError, RunError
from edgefs_runtime.base.version import version_key
from edgefs_runtime.bundle.manifest import check_name, is_trained
from edgefs_runtime.bundle.seed import unpack_gallery
from edgefs_runtime.decision.heads.trained import TrainedHeadModel
from edgefs_runtime.decision.snapshot import Enrolment

RUN, WEIGHTS, GALLERY, HEAD, METRICS, REPORT = (
    "run.json",
    "embedder.safetensors",
    "gallery.npz",
    "head.onnx",
    "metrics.json",
    "report.html",
)
STUDENT = "student.safetensors"  # the only weights of a RUN that `distill` made
DISTILLED = "distill"  # its method
GALLERY_WEIGHTS = "gallery.safetensors"  # only where a gallery has a network of its own
RUN_FORMAT = "1.0"
DIGEST_START = 16  # hex digits: enough to tell an image by
_FIELDS = frozenset(
    ("name", "method", "backbone", "plan", "preprocess", "head", "decision", "labels", "data", "images", "files")
)  # of a RUN that `adapt` made: what export and evaluate read, in the first version already
_LONGEST = 200  # bytes of a RUN's name that its hidden name begins with
_LONGEST_NAME = 240  # bytes: file systems take 255, and a training lies beside it


@dataclass(frozen=True)
class Run:
    """An adapted model on the workstation.

    Attributes:
        folder: where it lies.
        fields: the content of `run.json`.
    """

    folder: Path
    fields: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read and check a RUN folder that `adapt` made.

        Raises:
            RunError: no such folder, not a RUN, a file is missing or changed, of another format, or from `distill`.
        """
        run = cls._checked(folder)
        if run.fields.get("method") == DISTILLED:
            raise RunError(
                f"{folder}: a distilled backbone, which knows no classes yet; `edgefs adapt DATA --backbone {folder}` "
                "makes a RUN of it"
            )
        missing = sorted(_FIELDS - run.fields.keys())
        if missing:
            raise RunError(f"{folder}: {RUN} has no {', '.join(missing)}; run `edgefs adapt` again")
        return run

    @classmethod
    def open_distilled(cls, folder: Path) -> Run:
        """The same of a RUN folder that `distill` made.

        Raises:
            RunError: as `open`, or from `adapt`.
        """
        if not folder.exists():
            raise RunError(f"--backbone {folder}: no such folder; `edgefs distill` makes one")
        run = cls._checked(folder)
        if run.fields.get("method") != DISTILLED:
            raise RunError(f"{folder}: not from `edgefs distill`; an adapted RUN is no backbone")
        return run

    @classmethod
    def _checked(cls, folder: Path) -> Run:
        fields = _read_fields(folder)
        found = str(fields.get("format_version", "none"))
        if version_key(found)[:1] != version_key(RUN_FORMAT)[:1]:
            raise RunError(f"{folder}: RUN format {found}, this edgefs reads {RUN_FORMAT}; run `edgefs adapt` again")
        for name, sha256 in fields.get("files", {}).items():
            if not (folder / name).is_file():
                raise RunError(f"{folder}: {name} is missing; run `edgefs adapt` again")
            if name != REPORT and _sha256((folder / name).read_bytes()) != sha256:
                raise RunError(f"{folder}: {name} is not the one that `edgefs adapt` wrote; run it again")
        return cls(folder, fields)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.fields["name"])

    @property
    def identity(self) -> str:
        """The model's identity, hex SHA-256."""
        return identity_of(self.fields)

    @property
    def chosen_on(self) -> list[str]:
        """Starts of the digests of the images that choices were made on, hex, sorted: they test nothing any more."""
        images = self.fields["images"].get("validation", ())
        return sorted({str(image["sha256"])[:DIGEST_START] for image in images})

    @property
    def blank_apart(self) -> list[str]:
        """Of each image that shows nothing and tests nothing, `DIGEST LABEL`: a dead camera writes one file for all."""
        sides = self.fields.get("no_decision", {})
        images = [image for side in ("train", "validation") for image in sides.get(side, ())]
        return sorted(f"{image['sha256'][:DIGEST_START]} {image['label']}" for image in images)

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        content: dict[str, Any] = json.loads((self.folder / METRICS).read_text(encoding="utf-8"))
        return content

    @property
    def trained_head(self) -> TrainedHeadModel | None:
        """The head that was trained on the support; None where the gallery's decides.

        Raises:
            RunError: `run.json` names one that is not there, or does not describe it rightly.
        """
        if not is_trained(self.fields["head"]):
            return None
        if HEAD not in self.fields["files"]:
            raise RunError(f"{self.folder}: {HEAD} is missing; run `edgefs adapt` again")
        try:
            return TrainedHeadModel.from_json(self.fields["head"], (self.folder / HEAD).read_bytes())
        except BundleError as error:
            raise RunError(f"{self.folder}: {error}") from error

    def enrolments(self) -> tuple[Enrolment, ...]:
        """The support, as torch embedded it."""
        return unpack_gallery((self.folder / GALLERY).read_bytes())


def write_run(folder: Path, fields: Mapping[str, Any], files: Mapping[str, bytes], *, overwrite: bool) -> Run:
    """Write a RUN folder, whole or not at all.

    Args:
        folder: its place; `check_place` says whether it is free.
        fields: of `run.json`, less `format_version`, `files` and `identity`.
        files: content of the others by name.
        overwrite: replace a RUN that stands there.

    Raises:
        RunError: the place is taken, or can't be written.
    """
    check_place(folder, overwrite=overwrite)
    described = {**fields, "format_version": RUN_FORMAT, "files": {name: _sha256(data) for name, data in files.items()}}
    if described["method"] != DISTILLED:
        described["identity"] = identity_of(described)
    text = json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True)
    # A file name may hold bytes that are no text: \udcXX in JSON, from which the name comes back as it was.
    contents = {**files, RUN: text.encode("utf-8", "backslashreplace")}
    temporary = folder.with_name(f".{_short(folder.name)}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            (temporary / name).write_bytes(data)
            sync_file(temporary / name)
        _put_in_place(temporary, folder)
    except OSError as error:
        raise RunError(f"{folder}: can't be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Run(folder, described)


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Say at once, not after an hour's work, that a RUN can't be written at `folder`; tidy up what was killed there.

    Raises:
        RunError: something stands there that is not ours to replace.
    """
    if len(os.fsencode(folder.name)) > _LONGEST_NAME:
        raise RunError(f"{folder}: the folder's name has more than {_LONGEST_NAME} bytes; choose a shorter one with -o")
    try:
        for leftover in folder.parent.glob(f".{glob.escape(_short(folder.name))}.*.new"):
            if not _is_alive(leftover.name.split(".")[-3]):
                shutil.rmtree(leftover, ignore_errors=True)
        if not folder.exists():
            _check_writable(folder)
            return
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise RunError(f"{folder}: can't be used ({error.strerror or error}); choose another place with -o") from error
    if not folder.is_dir():
        raise RunError(f"{folder}: a file stands there; choose another place with -o")
    if (folder / RUN).is_file():
        if not overwrite:
            raise RunError(f"{folder}: a RUN stands there already; choose another place with -o, or pass --overwrite")
    elif any(folder.iterdir()):
        raise RunError(f"{folder}: not empty, and no RUN; choose another place with -o")
    _check_writable(folder)


def _check_writable(folder: Path) -> None:
    """Try it: permissions alone don't tell on a network drive, a full disk, or of folders that no one may add to."""
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        Path(tempfile.mkdtemp(dir=above, prefix=".edgefs-")).rmdir()
    except OSError as error:
        why = f"{above}: {error.strerror or error}"
        raise RunError(f"{folder}: can't be written ({why}); choose another place with -o") from error


def _short(name: str) -> str:
    """A name's start, so that a hidden name made of it is none that a file system refuses."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST]) if len(os.fsencode(name)) > _LONGEST else name


def name_from(folder: str, otherwise: str) -> str:
    """A folder's name where it can be a model's."""
    try:
        check_name(folder)
    except BundleError:
        return otherwise
    return folder


def _put_in_place(temporary: Path, folder: Path) -> None:
    if folder.exists():
        old = temporary.with_suffix(".old")
        folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)


def _is_alive(pid: str) -> bool:
    if not pid.isdigit() or os.name != "posix":
        return True  # can't be told: leave it alone
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _read_fields(folder: Path) -> dict[str, Any]:
    try:
        fields = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        what = "no such folder" if not folder.exists() else f"not a RUN ({RUN} is missing)"
        raise RunError(f"{folder}: {what}; `edgefs adapt DATA -o {folder}` makes one") from error
    except NotADirectoryError as error:
        raise RunError(f"{folder}: a file, expected a RUN folder, as `edgefs adapt DATA -o RUN` makes it") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: {RUN} can't be read ({error})") from error
    if not isinstance(fields, dict):
        raise RunError(f"{folder}: {RUN} is not a JSON object")
    return fields


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

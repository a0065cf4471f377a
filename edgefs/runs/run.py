"""The RUN folder: what `adapt` leaves behind, whole or not at all.

    run.json               how it was made, on which images (paths and digests, no pixels), and the other files' SHA-256
    embedder.safetensors   the embedding network's values
    gallery.safetensors    the same of what embeds the gallery's images, where they are of another domain
    gallery.npz            the support's labelled embeddings, as torch computed them
    head.onnx              a head that was trained on them (optional)
    metrics.json           the figures
    report.html            the same for people

What `distill` leaves behind is a RUN as well: run.json, student.safetensors, metrics.json and report.html.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgefs.runs.record import DISTILLED, RUN, RUN_FORMAT, AdaptedRecord, DistilledRecord
from edgefs.runs.sealing import checked
from edgefs_runtime.base.errors import BundleError, RunError
from edgefs_runtime.base.strict_json import read_json
from edgefs_runtime.base.version import version_key
from edgefs_runtime.bundle.seed import unpack_gallery
from edgefs_runtime.decision.heads.trained import TrainedHeadModel
from edgefs_runtime.decision.snapshot import Enrolment

WEIGHTS, GALLERY, HEAD, METRICS, REPORT = (
    "embedder.safetensors",
    "gallery.npz",
    "head.onnx",
    "metrics.json",
    "report.html",
)
STUDENT = "student.safetensors"  # the only weights of a RUN that `distill` made
GALLERY_WEIGHTS = "gallery.safetensors"  # only where a gallery has a network of its own
DIGEST_START = 16  # hex digits: enough to tell an image by
_MOST_BYTES = 256 << 20  # of `run.json`, which lists every image


Record = TypeVar("Record", AdaptedRecord, DistilledRecord)


@dataclass(frozen=True)
class RunFolder(Generic[Record]):
    """What lies in a RUN folder, whoever made it.

    Attributes:
        folder: where it lies.
        record: what `run.json` says.
    """

    folder: Path
    record: Record

    @property
    def name(self) -> str:
        """The model's name."""
        return self.record.name

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        content: dict[str, Any] = json.loads((self.folder / METRICS).read_text(encoding="utf-8"))
        return content


class Run(RunFolder[AdaptedRecord]):
    """An adapted model on the workstation."""

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read and check a RUN folder that `adapt` made.

        Raises:
            RunError: no such folder, not a RUN, a file is missing or changed, of another format, or from `distill`.
        """
        fields = _checked_fields(folder)
        if fields.get("method") == DISTILLED:
            raise RunError(
                f"{folder}: a distilled backbone, which knows no classes yet; `edgefs adapt DATA --backbone {folder}` "
                "makes a RUN of it"
            )
        return cls(folder, _read_record(folder, fields, AdaptedRecord.from_json))

    @property
    def identity(self) -> str:
        """The model's identity, hex SHA-256."""
        return self.record.identity

    @property
    def chosen_on(self) -> list[str]:
        """Starts of the digests of the images that choices were made on, hex, sorted: they test nothing any more."""
        return sorted({image.sha256[:DIGEST_START] for image in self.record.images.validation})

    @property
    def blank_apart(self) -> list[str]:
        """`DIGEST LABEL` of each image that shows nothing and tests nothing: a dead camera writes one file for all."""
        blank = self.record.no_decision
        return sorted(f"{image.sha256[:DIGEST_START]} {image.label}" for image in (*blank.train, *blank.validation))

    @property
    def trained_head(self) -> TrainedHeadModel | None:
        """The head that was trained on the support; None where the gallery's decides.

        Raises:
            RunError: `run.json` names one that is not there, or does not describe it rightly.
        """
        if self.record.trained_head is None:
            return None
        if HEAD not in self.record.files:
            raise RunError(f"{self.folder}: {HEAD} is missing; run `edgefs adapt` again")
        try:
            return TrainedHeadModel.from_json(self.record.trained_head, (self.folder / HEAD).read_bytes())
        except BundleError as error:
            raise RunError(f"{self.folder}: {error}") from error

    def enrolments(self) -> tuple[Enrolment, ...]:
        """The support, as torch embedded it."""
        return unpack_gallery((self.folder / GALLERY).read_bytes())


class DistilledRun(RunFolder[DistilledRecord]):
    """A distilled backbone on the workstation."""

    @classmethod
    def open(cls, folder: Path) -> DistilledRun:
        """Read and check a RUN folder that `distill` made.

        Raises:
            RunError: as `Run.open`, or from `adapt`.
        """
        if not folder.exists():
            raise RunError(f"--backbone {folder}: no such folder; `edgefs distill` makes one")
        if folder.is_dir() and not (folder / RUN).exists():
            raise RunError(f"--backbone {folder}: a folder without {RUN}; expected a RUN, as `edgefs distill` makes it")
        fields = _checked_fields(folder)
        if fields.get("method") != DISTILLED:
            raise RunError(f"{folder}: not from `edgefs distill`; an adapted RUN is no backbone")
        return cls(folder, _read_record(folder, fields, DistilledRecord.from_json))


def sha256(data: bytes) -> str:
    """Hex digest of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def _checked_fields(folder: Path) -> Mapping[str, Any]:
    """The content of `run.json`, where its format can be read and all files are as they were written."""
    fields = _read_fields(folder)
    found = str(fields.get("format_version", "none"))[:20]
    if version_key(found)[:1] != version_key(RUN_FORMAT)[:1]:
        raise RunError(f"{folder}: RUN format {found}, this edgefs reads 1.0 to {RUN_FORMAT}; run `edgefs adapt` again")
    fields = checked(fields, folder)
    _check_files(folder, fields.get("files", {}))
    return fields


def _check_files(folder: Path, files: Any) -> None:
    """Compare every file with its digest, but for the report, which nothing reads again."""
    if not isinstance(files, dict) or not all(Path(name).name == name for name in files):
        raise RunError(f"{folder}: {RUN}: files is no object of file names and digests; run `edgefs adapt` again")
    for name, digest in files.items():
        if not (folder / name).is_file():
            raise RunError(f"{folder}: {name} is missing; run `edgefs adapt` again")
        if name != REPORT and sha256((folder / name).read_bytes()) != digest:
            raise RunError(f"{folder}: {name} is not the one that `edgefs adapt` wrote; run it again")


def _read_fields(folder: Path) -> dict[str, Any]:
    try:
        fields = read_json(_content(folder / RUN))
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


def _content(path: Path) -> bytes:
    """The bytes of a file; one that never ends, or a pipe, is not waited for.

    Raises:
        OSError: it is not there.
        ValueError: it is no plain file, or too large.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("no plain file")
    if found.st_size > _MOST_BYTES:
        raise ValueError(f"{found.st_size:,} bytes; at most {_MOST_BYTES:,} are read")
    return path.read_bytes()


def _read_record(folder: Path, fields: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Record]) -> Record:
    try:
        return read(fields)
    except RunError as error:
        raise RunError(f"{folder}: {error}") from error

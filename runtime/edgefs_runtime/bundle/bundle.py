"""The bundle: one immutable file that holds a model and everything that belongs to it.

An uncompressed zip whose members are known by name:

    manifest.json         what the others are, with their sizes and SHA-256; its own SHA-256 is the bundle's digest
    embedder.onnx         the network, uint8 [N,H,W,3] to float32 [N,D]
    gallery.npz           the seed gallery: labelled embeddings made by this embedder
    golden.npz            rendered inputs and what must come out of them
    head.onnx             a trained head with a fixed set of classes (optional)
    report.html           how it was measured (optional)
    manifest.dsse.json    a signature over the manifest (optional)

Reading trusts nothing: names and sizes are checked first, then hashes, and only then is anything parsed. Nothing in a
bundle can make the reader run code, and a member can't be larger than the file.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgefs_runtime.base.archive import ArchiveError, ArchiveMember, OtherFileError, read_archive
from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.bundle.identity import space_id
from edgefs_runtime.bundle.manifest import Manifest, parse_manifest
from edgefs_runtime.bundle.seed import unpack_gallery
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.heads.trained import TrainedHeadModel, is_trained
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

MANIFEST, MODEL, SEED, GOLDEN, HEAD = "manifest.json", "embedder.onnx", "gallery.npz", "golden.npz", "head.onnx"
REPORT, SIGNATURE = "report.html", "manifest.dsse.json"
REQUIRED = (MANIFEST, MODEL, SEED, GOLDEN)
MEMBERS = (*REQUIRED, HEAD, REPORT, SIGNATURE)  # also their order in the file
_MAX_MANIFEST = 4_000_000  # bytes


@dataclass(frozen=True)
class Bundle:
    """A bundle whose members have the sizes and hashes that its manifest says.

    Attributes:
        path: where it was read from.
        manifest: what it says about itself.
        digest: hex SHA-256 of `manifest.json`, and through the hashes in it of everything but the signature.
    """

    path: Path
    manifest: Manifest
    digest: str
    _members: Mapping[str, bytes]

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Read and check a bundle.

        Raises:
            BundleError: no such file, not a bundle, truncated or changed, or of a format this runtime does not read.
        """
        path = Path(path)
        members = _read(path)
        try:
            manifest = parse_manifest(members[MANIFEST])
            _check_members(manifest, members)
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from error
        return cls(path, manifest, hashlib.sha256(members[MANIFEST]).hexdigest(), members)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def model(self) -> bytes:
        """The ONNX model.

        Raises:
            BundleError: it was dropped by `without_model`, and the file is not the same any more.
        """
        if MODEL in self._members:
            return self._members[MODEL]
        again = Bundle.open(self.path)
        if again.digest != self.digest:
            raise BundleError(f"{self.path}: another bundle lies there now")
        return again.model

    def without_model(self) -> Bundle:
        """The same bundle without the bytes of its model in memory; `model` reads them again."""
        kept = {name: data for name, data in self._members.items() if name != MODEL}
        return dataclasses.replace(self, _members=kept)

    @property
    def golden(self) -> bytes:
        """The self-test, see `edgefs_runtime.bundle.golden`."""
        return self._members[GOLDEN]

    @property
    def trained_head(self) -> TrainedHeadModel | None:
        """The head that was trained on the workstation; None where the gallery's decides.

        Raises:
            BundleError: what the manifest says about it is wrong.
        """
        entry = self.manifest.raw["head"]
        return TrainedHeadModel.from_json(entry, self._members[HEAD]) if is_trained(entry) else None

    @property
    def report(self) -> str:
        """The report as HTML; empty when the bundle carries none."""
        return self._members.get(REPORT, b"").decode("utf-8", "replace")

    @property
    def space_id(self) -> str:
        """The embedding space."""
        return space_id(self.manifest.members[MODEL].sha256, self.manifest.preprocess)

    @property
    def size(self) -> int:
        """Bytes of all described members together."""
        return sum(member.size for member in self.manifest.members.values())

    def seed_enrolments(self) -> tuple[Enrolment, ...]:
        """What the workstation taught.

        Raises:
            BundleError: `gallery.npz` does not hold a gallery.
        """
        return unpack_gallery(self._members[SEED])

    def seed_snapshot(self) -> Snapshot:
        """The seed gallery as the decision sees it.

        Raises:
            BundleError: `gallery.npz` does not hold a gallery.
        """
        return build_snapshot(self.seed_enrolments(), 0, self.manifest.preprocess.views)

    def load_trained_head(self) -> TrainedHead | None:
        """The head that was trained on the workstation, loaded; None where the gallery's decides.

        Raises:
            BundleError: it can't be loaded, or does not fit the seed gallery.
        """
        try:
            model = self.trained_head
            return None if model is None else TrainedHead(model, self.seed_snapshot())
        except BundleError as error:
            raise BundleError(f"{self.path}: {error}") from error

    def seed_judge(self, trained: TrainedHead | None) -> Judge:
        """Decides by the seed gallery alone.

        Args:
            trained: `load_trained_head` of the bundle.

        Raises:
            BundleError: `gallery.npz` does not hold a gallery, or the head is not known to this runtime.
        """
        return Judge(self.seed_snapshot(), self.manifest.decision, self.digest, trained)


def is_bundle(path: Path) -> bool:
    """Whether a file looks like a bundle, whole or not: by how it begins."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False


def _read(path: Path) -> dict[str, bytes]:
    try:
        members = read_archive(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        hint = "; `edgefs export` makes a bundle from a RUN folder" if (path / "run.json").is_file() else ""
        raise BundleError(f"{path}: a folder, expected a bundle (.edgefs){hint}") from error
    except OSError as error:
        raise BundleError(f"{path}: can't be read ({error.strerror or error})") from error
    except OtherFileError as error:
        raise BundleError(
            f"{path}: not an edgefs bundle, but another kind of file; `edgefs export` makes one"
        ) from error
    except ArchiveError as error:
        raise BundleError(f"{path}: not a whole bundle: {error}; copy or export it again") from error
    _check_names(path, members)
    return {name: bytes(member.content) for name, member in members.items()}


def _check_names(path: Path, members: Mapping[str, ArchiveMember]) -> None:
    strangers = sorted(members.keys() - set(MEMBERS))
    missing = [name for name in REQUIRED if name not in members]
    if strangers:
        raise BundleError(f"{path}: not an edgefs bundle: holds {strangers[0][:60]!r}")
    if missing:
        raise BundleError(f"{path}: not an edgefs bundle: {missing[0]} is missing")
    if len(members[MANIFEST].content) > _MAX_MANIFEST:
        raise BundleError(f"{path}: manifest.json is larger than {_MAX_MANIFEST} bytes")
    for name in (MANIFEST, SIGNATURE):  # every other member has its SHA-256 in the manifest
        if name in members and not members[name].is_intact():
            raise BundleError(f"{path}: not a whole bundle: {name} is damaged; copy or export it again")


def _check_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    described = set(manifest.members)
    if is_trained(manifest.raw["head"]) != (HEAD in members):
        raise BundleError(
            f"{HEAD} is missing, the manifest describes a trained head"
            if is_trained(manifest.raw["head"])
            else f"{HEAD} is not described by the manifest"
        )
    for name in members.keys() - described - {MANIFEST, SIGNATURE}:
        raise BundleError(f"{name} is not described by the manifest")
    for name in described - members.keys():
        raise BundleError(f"{name} is missing, the manifest describes it")
    for name, member in manifest.members.items():
        if len(members[name]) != member.size:
            raise BundleError(f"{name} has {len(members[name])} bytes, the manifest says {member.size}")
        if hashlib.sha256(members[name]).hexdigest() != member.sha256:
            raise BundleError(f"{name} is not the one that was exported (its SHA-256 differs); copy or export it again")

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.memory_file import MemoryFile
from edgefs_runtime.bundle.identity import space_id
from edgefs_runtime.bundle.manifest import Manifest, parse_manifest
from edgefs_runtime.bundle.members import GOLDEN, HEAD, MANIFEST, MODEL, REPORT, SEED, check_members, read_members
from edgefs_runtime.bundle.seed import unpack_gallery
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.heads.trained import TrainedHeadModel
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot


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
    _members: Mapping[str, bytes]  # but for the model
    _model: MemoryFile | None

    @classmethod
    def open(cls, path: Path | str, meanwhile: Callable[[], object] = lambda: None) -> Bundle:
        """Read and check a bundle.

        Args:
            path: the file.
            meanwhile: is called while the network is hashed, which another processor does; nothing of the bundle is
                believed before.

        Raises:
            BundleError: no such file, not a bundle, truncated or changed, or of a format this runtime does not read.
        """
        path = Path(path)
        members = read_members(path)
        meanwhile()
        try:
            manifest = parse_manifest(members.others[MANIFEST])
            check_members(manifest, members)
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from error
        digest = hashlib.sha256(members.others[MANIFEST]).hexdigest()
        return cls(path, manifest, digest, members.others, members.model)

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
        return self.model_file.read()

    @property
    def model_file(self) -> MemoryFile:
        """The ONNX model, for what reads files.

        Raises:
            BundleError: as `model`.
        """
        if self._model is not None:
            return self._model
        again = Bundle.open(self.path)
        if again.digest != self.digest:
            raise BundleError(f"{self.path}: another bundle lies there now")
        return again.model_file

    def without_model(self) -> Bundle:
        """A copy of the bundle without its model in memory; `model` reads it again."""
        return dataclasses.replace(self, _model=None)

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
        if not self.manifest.has_trained_head:
            return None
        return TrainedHeadModel.from_json(self.manifest.raw["head"], self._members[HEAD])

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
        """Judge that decides by the seed gallery alone.

        Args:
            trained: `load_trained_head` of the bundle.

        Raises:
            BundleError: `gallery.npz` does not hold a gallery, or the head is not known to this runtime.
        """
        return Judge(self.seed_snapshot(), self.manifest.decision, self.digest, trained)


def is_bundle(path: Path) -> bool:
    """Whether a file looks like a bundle, whole or not: by how it begins."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False

"""Whether a bundle computes on this machine what it computed where it was exported."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefs_runtime.base.errors import BundleError, EdgefsError, ProviderError
from edgefs_runtime.base.state import state_folder
from edgefs_runtime.base.version import __version__
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.bundle.golden import Golden, GoldenAgreement
from edgefs_runtime.embedders.backends import open_backend
from edgefs_runtime.embedders.protocol import Backend, embed_each


@dataclass(frozen=True)
class Verified:
    """A bundle that passed its self-test.

    Attributes:
        digest: of the bundle.
        space_id: of its embeddings.
        inputs: how many golden inputs were run.
        worst: largest relative difference of an embedding.
        cosine: smallest cosine of an embedding with the exporter's.
        provider: what computed: `cpu`, `cuda` or `tensorrt`.
        software: the library that ran them, with its version.
        note: a sentence, where this is not the provider that was hoped for; else empty.
        warnings: as `Classifier.warnings`.
    """

    digest: str
    space_id: str
    inputs: int
    worst: float
    cosine: float
    provider: str
    software: str
    note: str
    warnings: tuple[str, ...] = ()


def verify(path: str | Path, provider: str = "cpu") -> Verified:
    """Check a bundle and run its self-test, whether or not it has passed before.

    Args:
        path: the bundle.
        provider: what is to compute, one of `edgefs_runtime.embedders.backends.PROVIDERS`.

    Raises:
        BundleError: not a whole bundle, or it computes something else on this machine.
        MissingExtraError: what the provider needs is not installed.
        ProviderError: the provider does not work here, or computes something else.
    """
    bundle = Bundle.open(path)
    found: list[GoldenAgreement] = []
    backend = open_backend(bundle, provider, test=lambda bundle, backend: found.append(run_self_test(bundle, backend)))
    agreement, inputs = found[-1], len(Golden.from_bytes(bundle.golden).inputs)
    return Verified(
        bundle.digest,
        bundle.space_id,
        inputs,
        agreement.worst,
        agreement.cosine,
        backend.provider,
        backend.software,
        backend.note,
        warnings_of(bundle, backend.provider),
    )


def check_once(bundle: Bundle, backend: Backend) -> None:
    """Run a bundle's self-test when this machine meets it for the first time with this software.

    Raises:
        BundleError: the CPU computes something else here.
        ProviderError: another processor does.
    """
    if not has_passed(bundle.digest, backend.software):
        run_self_test(bundle, backend)


def run_self_test(bundle: Bundle, backend: Backend) -> GoldenAgreement:
    """Run a bundle's self-test and note that it has passed.

    Raises:
        BundleError: the CPU computes something else here.
        ProviderError: another processor does.
    """
    judge = bundle.seed_judge(bundle.load_trained_head())
    try:
        golden = Golden.from_bytes(bundle.golden)
        agreement = golden.check(embed_each(backend.embedder, golden.inputs), judge, exact=backend.is_exact)
    except EdgefsError as error:
        if backend.provider == "cpu":
            raise BundleError("; ".join((f"{bundle.path}: {error}", *warnings_of(bundle, backend.provider)))) from error
        raise ProviderError(f"{bundle.path}: {error} ({backend.software})") from error
    note_passed(bundle.digest, backend.software)
    return agreement


def warnings_of(bundle: Bundle, provider: str) -> tuple[str, ...]:
    """One sentence each of what speaks against running the bundle on this machine's processor; nearly always none.

    Args:
        bundle: that is opened.
        provider: what computes: nothing is claimed about a GPU.
    """
    entry = bundle.manifest.raw.get("embedder")
    if provider != "cpu" or not isinstance(entry, dict) or not {"target", "isa"} & entry.keys():
        return ()  # it claims nothing, and a cold start need not look
    from edgefs_runtime.base.processor import mismatch, this_processor

    sentence = mismatch(entry, this_processor())
    return (f"{bundle.path.name}: {sentence}",) if sentence else ()


def has_passed(digest: str, software: str) -> bool:
    """Whether this bundle has passed its self-test on this machine.

    Args:
        digest: of the bundle.
        software: what embeds here, with its version: `Backend.software`.
    """
    return os.path.isfile(_note(digest, software))  # noqa: PTH113 - where nobody may look, it has not


def note_passed(digest: str, software: str) -> None:
    """Remember that it has; where the state folder can't be written the test just runs again."""
    note = _note(digest, software)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    except OSError:
        return


def _note(digest: str, software: str) -> Path:
    machine = f"{__version__} {software} {np.__version__} {platform.machine()} {platform.node()}"
    name = f"{digest[:32]}-{hashlib.sha256(machine.encode()).hexdigest()[:16]}"
    return state_folder() / "passed" / name

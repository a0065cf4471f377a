"""Whether a bundle computes on this machine what it computed where it was exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.bundle.golden import Golden, GoldenAgreement
from edgefs_runtime.embedders.backends import open_backend, warnings_of
from edgefs_runtime.embedders.self_test import run_self_test


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

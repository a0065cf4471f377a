"""The self-test of a bundle on this machine: run at the first meeting, and noted once it has passed.

What it is stands in `bundle.golden`. Which bundles passed is noted (`base.state`), so that a cold `edgefs predict` does
not run it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import BundleError, EdgefsError, ProviderError
from edgefs_runtime.base.state import has_passed, note_passed
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.embedders.backends import warnings_of
from edgefs_runtime.embedders.protocol import Backend, embed_each

if TYPE_CHECKING:
    from edgefs_runtime.bundle.golden import GoldenAgreement


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
    from edgefs_runtime.bundle.golden import Golden  # nearly never: it has passed as a rule

    judge = bundle.seed_judge(bundle.load_trained_head())
    try:
        golden = Golden.from_bytes(bundle.golden)
        if golden.inputs.shape[1:] != (*bundle.manifest.preprocess.size, 3):
            raise BundleError(f"golden.npz: inputs {golden.inputs.shape[1:]} are not of the network's size")
        agreement = golden.check(embed_each(backend.embedder, golden.inputs), judge, exact=backend.is_exact)
    except EdgefsError as error:
        if backend.provider == "cpu":
            raise BundleError("; ".join((f"{bundle.path}: {error}", *warnings_of(bundle, backend.provider)))) from error
        raise ProviderError(f"{bundle.path}: {error} ({backend.software})") from error
    note_passed(bundle.digest, backend.software)
    return agreement

"""Whether an execution provider of onnxruntime really runs a model here.

That it is listed says little. Where a library of CUDA is missing, onnxruntime logs so and computes on the CPU; a
provider that knows none of the model's operators is loaded and does nothing. So one inference is run with onnxruntime's
profiler on, which writes down where each operator ran.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefs_runtime.base.errors import BundleError, ProviderError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.embedders.protocol import CPU

if TYPE_CHECKING:
    import onnxruntime

_logger = logger_of(__name__)


def probed(load: Callable[[], Any], options: onnxruntime.SessionOptions, name: str) -> Any:
    """Load a session and run one inference in it.

    Args:
        load: makes the session from `options`.
        options: of the session; changed.
        name: the execution provider that must run at least a part of the model.

    Raises:
        ProviderError: this onnxruntime does not have it, it can't be loaded, its inference fails, or nothing ran on it.
    """
    import onnxruntime

    require_listed(name)
    what = f"onnxruntime {onnxruntime.__version__}"
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "probe")
        try:
            session = load()
            if name not in session.get_providers():
                raise ProviderError(f"{what} can't load its {name} here and would fall back to the CPU")
            session.run(None, {session.get_inputs()[0].name: _black(session)})
            ran = _operators(Path(session.end_profiling()))
        except ProviderError:
            raise
        except BundleError as error:
            raise ProviderError(f"{error} on {name}") from error
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise ProviderError(f"{what}: an inference on {name} fails: {first_line(error)}") from error
    elsewhere = ran[CPU[0]]
    if not ran.total() - elsewhere:
        raise ProviderError(f"{what} loads its {name} but runs the whole model on the CPU")
    if elsewhere:
        _logger.warning("%d of %d operators run on the CPU, not on %s", elsewhere, ran.total(), name)
    return session


def require_listed(name: str) -> None:
    """Refuse an execution provider that this onnxruntime was built without.

    Raises:
        ProviderError: it was.
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if name not in available:
        raise ProviderError(
            f"this onnxruntime {onnxruntime.__version__} has no {name} (only {', '.join(available)}): install "
            "onnxruntime-gpu in its place"
        )


def _black(session: Any) -> Any:
    height, width, channels = session.get_inputs()[0].shape[1:]
    return np.zeros((1, height, width, channels), np.uint8)


def _operators(profile: Path) -> Counter[str]:
    """How many operators ran on each execution provider."""
    events = json.loads(profile.read_text(encoding="utf-8"))
    return Counter(event["args"]["provider"] for event in events if event.get("args", {}).get("provider"))

"""What TensorRT says goes to Python's logging, and the last error is kept for the one line that a user sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tensorrt

from edgefs_runtime.base.errors import ProviderError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.base.wording import first_line

Made = TypeVar("Made")

_logger = logger_of(__name__)


class Logger(tensorrt.ILogger):
    """Passes TensorRT's messages on; errors only as the text of an exception to come.

    Attributes:
        error: the first line of the latest error; empty where there was none.
    """

    def __init__(self) -> None:
        tensorrt.ILogger.__init__(self)
        self.error = ""

    def log(self, severity: tensorrt.ILogger.Severity, msg: str) -> None:
        """Keep an error's first line and pass every message on; TensorRT calls this."""
        if severity in (tensorrt.ILogger.ERROR, tensorrt.ILogger.INTERNAL_ERROR):
            self.error = first_line(msg, empty="")
            _logger.info("%s", msg)
        else:
            _logger.debug("%s", msg)

    def because(self) -> str:
        """The latest error, to end a sentence with; it is told once."""
        said, self.error = self.error, ""
        return f": {said}" if said else " and does not say why"


def started(make: Callable[[tensorrt.ILogger], Made], logger: Logger) -> Made:
    """One of TensorRT's entry points.

    Args:
        make: `tensorrt.Builder` or `tensorrt.Runtime`.
        logger: told why not.

    Raises:
        ProviderError: TensorRT can't start on this machine.
    """
    try:
        return make(logger)
    except TypeError as error:  # pybind11's way to say that the factory returned nothing
        raise ProviderError(f"TensorRT {tensorrt.__version__} can't start{logger.because()}") from error

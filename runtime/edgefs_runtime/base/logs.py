"""Loggers whose records stay one line, whatever file name, label or error they tell of.

_logger = logger_of(__name__)
"""

from __future__ import annotations

import logging

from edgefs_runtime.base.wording import plain


def logger_of(name: str) -> logging.Logger:
    """The logger of that name; what it is told reaches every handler without line breaks and control characters."""
    logger = logging.getLogger(name)
    logger.addFilter(_made_plain)
    return logger


def _made_plain(record: logging.LogRecord) -> bool:
    record.msg, record.args = plain(record.getMessage()), None
    return True

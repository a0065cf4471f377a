"""What is logged stays one line, whatever it tells of."""

from __future__ import annotations

import logging

import pytest

from edgefs_runtime.base.errors import GalleryError, ImageError
from edgefs_runtime.base.logs import logger_of

pytestmark = pytest.mark.device

EVIL = "fine\nERROR root forged\x1b[1A\x9b\u202e\u2028\ud800"
SHOWN = r"fine\nERROR root forged\x1b[1A\x9b\u202e\u2028\ud800"


def test_a_record_is_made_plain_for_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    logger = logger_of("edgefs_runtime.test")
    assert logger_of("edgefs_runtime.test") is logger is logging.getLogger("edgefs_runtime.test")
    with caplog.at_level("INFO"):
        logger.warning("%s: can't be written (%s), 100 %%", EVIL, OSError(5, EVIL))
        logger.info(f"100 % of {EVIL}")
    first, second = (record.getMessage() for record in caplog.records)
    assert first == f"{SHOWN}: can't be written ([Errno 5] {SHOWN}), 100 %"
    assert second == f"100 % of {SHOWN}"


def test_an_error_that_a_program_logs_itself_is_one_line() -> None:
    assert str(GalleryError(f"{EVIL}: damaged")) == f"{SHOWN}: damaged"
    error = ImageError(f"no picture, {EVIL}", f"image 1 ({EVIL})")
    assert str(error) == f"image 1 ({SHOWN}): no picture, {SHOWN}"
    assert error.image == f"image 1 ({EVIL})"  # for a program, as it was

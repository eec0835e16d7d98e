import logging
import warnings
from pathlib import Path

import pytest

from napari_retina_seg.io import max_pixels, set_max_pixels
from napari_retina_seg.io._decoding import (
    MAX_PIXELS,
    TooLargeError,
    check_claim,
    check_size,
    decoding,
    limited,
)
from napari_retina_seg.types.errors import ReadError


def test_a_claim_at_the_limit_is_accepted_and_one_above_refused():
    with limited(600):
        check_claim("The image", (2, 20, 15))
        check_claim("The image", (2, 20, 15, 4), color=True)
        with pytest.raises(TooLargeError, match=r"The image holds 2 × 20 × 16 values .* 640 with"):
            check_claim("The image", (2, 20, 16))


def test_wide_pixels_count_for_the_memory_that_they_take():
    with limited(600):
        check_claim("It", (20, 30), itemsize=4)
        with pytest.raises(TooLargeError, match="raise the limit to 1,200 with --max-pixels"):
            check_claim("It", (20, 30), itemsize=8)


def test_the_limit_of_a_call_ends_with_it():
    with limited(5), limited(None):
        assert max_pixels() == 5
    assert max_pixels() == MAX_PIXELS


def test_the_limit_of_the_process_can_be_set():
    set_max_pixels(7)
    try:
        with pytest.raises(TooLargeError):
            check_claim("It", (8,))
    finally:
        set_max_pixels(MAX_PIXELS)
    with pytest.raises(ReadError, match="positive"):
        set_max_pixels(0)


def test_a_file_too_short_for_its_claim_is_refused(tmp_path):
    path = tmp_path / "short.bin"
    path.write_bytes(b"\0" * 100)
    check_size(path, (4096, 4096))  # as much as harms nobody
    with pytest.raises(ReadError, match="too short for what its header claims"):
        check_size(path, (4096, 4097))


def test_files_that_are_decoded_at_once_leave_warnings_and_logs_as_they_were():
    logger = logging.getLogger("tifffile")
    before = list(warnings.filters), logger.level
    first, second = decoding(Path("a"), "TIFF"), decoding(Path("b"), "TIFF")
    first.__enter__()
    second.__enter__()
    assert logger.level > logging.CRITICAL
    first.__exit__(None, None, None)
    assert logger.level > logging.CRITICAL
    second.__exit__(None, None, None)
    assert (list(warnings.filters), logger.level) == before

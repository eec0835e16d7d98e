"""What is set for the whole process while files are decoded, and is set back."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator

_LIBRARIES = ("PIL", "highdicom", "libjpeg", "nibabel.global", "openjpeg", "pydicom", "pylibjpeg",
              "rle", "tifffile")  # fmt: skip

_quiet_lock = threading.Lock()
_quiet_users = 0
_before_quiet = contextlib.ExitStack()


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence warnings and logs of decoders; both are set for the whole process.

    Several threads decode at once: the last one to end brings back what the first one found.
    """
    global _quiet_users  # noqa: PLW0603
    with _quiet_lock:
        if not _quiet_users:
            _before_quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for name in _LIBRARIES:
                logger = logging.getLogger(name)
                _before_quiet.callback(logger.setLevel, logger.level)
                logger.setLevel(logging.CRITICAL + 1)
        _quiet_users += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            if not _quiet_users:
                _before_quiet.close()


_pillow_lock = threading.Lock()
_pillow_users = 0
_pillow_limit: int | None = None


@contextlib.contextmanager
def without_pillow_limit() -> Iterator[None]:
    """Let Pillow open what `max_pixels` allows; its own limit is one for the whole process."""
    global _pillow_users, _pillow_limit  # noqa: PLW0603
    from PIL import Image

    with _pillow_lock:
        if not _pillow_users:
            _pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _pillow_users += 1
    try:
        yield
    finally:
        with _pillow_lock:
            _pillow_users -= 1
            if not _pillow_users:
                Image.MAX_IMAGE_PIXELS = _pillow_limit

"""What is set for the whole process so that TensorFlow behaves, and is set back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_FATAL = "3"


@contextmanager
def quiet_import() -> Iterator[None]:
    """Let TensorFlow be imported without greetings, unless the user has chosen a level of its log.

    Its libraries read the level while they are loaded, and keep it. Processes that are started
    later don't inherit it.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = _FATAL
    try:
        yield
    finally:
        os.environ.pop(_LOG_LEVEL, None)

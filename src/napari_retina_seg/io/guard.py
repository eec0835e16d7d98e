"""What stands between the decoders of other projects and the user."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_retina_seg.core.errors import ReadError, RetinaSegError

MAX_VALUES = 2 * 2**30  # pixel values in one file; beyond them memory ends, or the header lies
# No compression in use packs a picture tighter; a header that claims so was altered. Small ones
# may: they do no harm.
_MAX_VALUES_PER_BYTE = 5000
_SMALL = 2**24
_LIBRARIES = ("PIL", "libjpeg", "openjpeg", "pydicom", "pylibjpeg", "rle", "tifffile")


@contextlib.contextmanager
def decoding(path: Path, kind: str) -> Iterator[None]:
    """Keep a decoder quiet, and turn whatever it raises into one sentence.

    Parameters
    ----------
    path : Path
        The file that is decoded.
    kind : str
        What it is decoded as, e.g. ``PNG``.

    Raises
    ------
    ReadError
        For anything but a `RetinaSegError`, which passes.
    """
    try:
        with warnings.catch_warnings(), _silenced_logs():
            warnings.simplefilter("ignore")
            yield
    except RetinaSegError:
        raise
    except MemoryError as error:
        raise ReadError(
            f"'{path}' needs more memory than there is: make it smaller, or export fewer slices."
        ) from error
    # Decoders meet broken bytes with any exception there is: struct.error, KeyError, TypeError …
    except Exception as error:
        raise ReadError(
            f"'{path}' can't be read as {kind}: it is damaged or cut short. Copy or export it"
            " again."
        ) from error


@contextlib.contextmanager
def _silenced_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def check_size(path: Path, shape: Sequence[int]) -> None:
    """Raise `ReadError` if a header claims more values than memory or the file can hold."""
    values = math.prod(shape)
    if values > max(_SMALL, _MAX_VALUES_PER_BYTE * path.stat().st_size):
        raise ReadError(f"'{path}' is too short for what its header claims: export it again.")
    if values > MAX_VALUES:
        size = " × ".join(str(length) for length in shape)
        raise ReadError(
            f"'{path}' claims to hold {size} values: more than {MAX_VALUES / 1e9:.1f} thousand"
            " million are not opened. Crop it, or check the file."
        )

"""Limits and error handling around the decoders of other libraries."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.io._compat import quiet_decoders
from napari_retina_seg.types.errors import ReadError, RetinaSegError

MAX_PIXELS = 2**29  # of all slices together, by default: 1,024 B-scans of 512 × 1,024
_BYTES_PER_PIXEL = 4  # the limit also bounds memory: wider pixels count for several
# No compression in use packs a picture tighter; a header that claims so was altered. Small ones
# may: they do no harm.
_MAX_VALUES_PER_BYTE = 5000
_SMALL = 2**24
_UNSUPPORTED = re.compile(r"not (supported|implemented)|unsupported|cannot handle", re.IGNORECASE)
_PANIC = "PanicException"  # of pyo3, of which each library has its own copy


@contextlib.contextmanager
def decoding(path: Path, kind: str) -> Iterator[None]:
    """Silence a decoder, and translate its errors to one sentence.

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
        with quiet_decoders():
            yield
    except RetinaSegError:
        raise
    except MemoryError as error:
        raise ReadError(
            f"'{path}' needs more memory than is available: crop it, or export fewer slices."
        ) from error
    # Decoders meet broken bytes with any exception there is: struct.error, KeyError, TypeError …
    # Those written in Rust raise one that is no Exception.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        raise ReadError(_reason(path, kind, error)) from error


def _reason(path: Path, kind: str, error: BaseException) -> str:
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(str(error)):
        return (
            f"'{path}' is {kind} of a kind that can't be decoded here, or damaged: export it"
            " again, as PNG or as TIFF without compression."
        )
    return f"'{path}' can't be read as {kind}: it is damaged or cut short. Copy or export it again."


@dataclass
class _Limit:
    pixels: int = MAX_PIXELS


# One for the process: files are read in threads, which take over no context of their caller.
_limit = _Limit()
_limit_of_call: ContextVar[int | None] = ContextVar("limit_of_call", default=None)


class TooLargeError(ReadError):
    """A file holds more pixels than may be opened: the limit can be raised."""


def max_pixels() -> int:
    """Return how many pixels a file may hold, all slices counted."""
    return _limit_of_call.get() or _limit.pixels


def set_max_pixels(pixels: int) -> None:
    """Set how many pixels a file may hold, for all that this process reads from now on.

    Parameters
    ----------
    pixels : int
        Rows × columns × slices.

    Raises
    ------
    ReadError
        If it is not positive.
    """
    _limit.pixels = _positive(pixels)


@contextlib.contextmanager
def limited(pixels: int | None) -> Iterator[None]:
    """Read with another limit than the process has; None leaves it as it is."""
    token = _limit_of_call.set(_limit_of_call.get() if pixels is None else _positive(pixels))
    try:
        yield
    finally:
        _limit_of_call.reset(token)


def check_size(path: Path, shape: Sequence[int], *, color: bool = False, itemsize: int = 1) -> None:
    """Refuse a file that claims more than it can hold, or more than may be opened.

    To be called before memory is taken.

    Parameters
    ----------
    path : Path
        The file.
    shape : sequence of int
        Of the array that decoding makes.
    color : bool
        Whether the last axis holds channels, which are not counted as pixels.
    itemsize : int
        Bytes per value.

    Raises
    ------
    ReadError
        If the file is too short for the array.
    TooLargeError
        If the array is larger than `max_pixels` allows.
    """
    if math.prod(shape) > max(_SMALL, _MAX_VALUES_PER_BYTE * path.stat().st_size):
        raise ReadError(f"'{path}' is too short for what its header claims: export it again.")
    check_claim(f"'{path}'", shape, color=color, itemsize=itemsize)


def check_claim(what: str, shape: Sequence[int], *, color: bool = False, itemsize: int = 1) -> None:
    """Refuse an array that is larger than `max_pixels` allows, before memory is taken.

    Parameters
    ----------
    what : str
        Its name at the beginning of the sentence, e.g. ``The image 'scan.png' in 'coco.json'``.
    shape, color, itemsize
        As for `check_size`.

    Raises
    ------
    TooLargeError
        If it is too large.
    """
    pixels = math.prod(shape[:-1] if color else shape)
    counted = max(pixels, -(-math.prod(shape) * itemsize // _BYTES_PER_PIXEL))
    if counted > max_pixels():
        size = " × ".join(f"{length:,}" for length in shape)
        memory = math.prod(shape) * itemsize / 2**30
        raise TooLargeError(
            f"{what} holds {size} values ({memory:,.1f} GiB), more than the limit of"
            f" {max_pixels():,} pixels allows: crop it, or raise the limit to {counted:,} with"
            " --max-pixels on the command line or napari_retina_seg.io.set_max_pixels in Python."
        )


def _positive(pixels: int) -> int:
    if pixels < 1:
        raise ReadError(f"The limit of pixels is a positive number: received {pixels}.")
    return int(pixels)

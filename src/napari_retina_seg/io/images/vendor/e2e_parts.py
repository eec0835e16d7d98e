"""The parts of Heidelberg's ``.e2e`` files: what lies where, for which examination.

Heidelberg publishes no specification. The layout is that found by the projects uocte (TU Chemnitz),
LibE2E (K. Rothaus) and eyepy (O. Morelle): directories, each pointing to the one before it, list
parts by patient, study, series and B-scan; each part repeats what it is in a header of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.images.content import E2E_SEVERAL, E2E_STARTS
from napari_retina_seg.types.errors import ReadError

EYE, BSCAN, LINE, IMAGE = 11, 10004, 10019, 0x40000000  # kinds of parts
_KINDS = (EYE, BSCAN, LINE, IMAGE)
_PREFIX = 64  # bytes before the beginning of a file that says it is of several volumes
_FIRST = 36  # where the first directory is
_DIRECTORY = struct.Struct("<12sI20s4I")
_DIRECTORY_MARKS = (b"MDbMDir", b"MDbDir")
_PART = struct.Struct("<12s5I4i2HII")
_PART_MARK = b"MDbData"
_ENTRY = np.dtype([
    ("at", "<u4"), ("start", "<u4"), ("size", "<u4"), ("zero", "<u4"), ("patient", "<i4"),
    ("study", "<i4"), ("series", "<i4"), ("bscan", "<i4"), ("index", "<u2"), ("zero_2", "<u2"),
    ("kind", "<u4"), ("id", "<u4"),
])  # fmt: skip
Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was found where a directory says.

    Attributes
    ----------
    series : tuple of int
        The file's numbers of patient, study and series; they hold no name.
    bscan : int
        Which B-scan it belongs to, or -1 for the series.
    index : int
        Of images: 0 from the front, 1 of a B-scan.
    kind : int
        `EYE`, `BSCAN`, `LINE` or `IMAGE`.
    start, size : int
        Where its content begins, and its bytes.
    """

    series: Key
    bscan: int
    index: int
    kind: int
    start: int
    size: int


def find_parts(path: Path, file: BufferedReader) -> tuple[Part, ...]:
    """Find the parts of the kinds that are read, in the order of the directories.

    Raises
    ------
    ReadError
        If a directory or a part is not where the file says, or would go beyond its end.
    """
    start = file.read(len(E2E_SEVERAL))
    shift = _PREFIX if start == E2E_SEVERAL else 0
    file.seek(shift)
    if not file.read(4).startswith(E2E_STARTS[0]):
        raise _damaged(path, "its header")
    end = path.stat().st_size
    parts: dict[int, Part] = {}
    for directory in _read_directories(path, file, shift, end):
        wanted = directory[np.isin(directory["kind"], _KINDS) & (directory["size"] > 0)]
        for entry in wanted.tolist():
            _, begins, size, _, *key, bscan, index, _, kind, _ = entry
            at = shift + begins
            if at + _PART.size + size > end:
                raise ReadError(
                    f"'{path}' is cut short: a part of it should end at byte"
                    f" {at + _PART.size + size:,}, but the file has {end:,}. Copy or export it"
                    " again."
                )
            _check_part(path, file, at, kind)
            parts[at] = Part(tuple(key), bscan, index, kind, at + _PART.size, size)
    return tuple(parts.values())


def _read_directories(
    path: Path, file: BufferedReader, shift: int, end: int
) -> Iterator[npt.NDArray[np.void]]:
    """Yield the entries of each directory, the oldest first."""
    _, last, _ = _read_directory(path, file, shift + _FIRST)
    counts: dict[int, int] = {}
    while last:
        if last in counts:
            raise _damaged(path, "an end of its directories")
        counts[last], _, previous = _read_directory(path, file, shift + last)
        if sum(counts.values()) * _ENTRY.itemsize > end:
            raise _damaged(path, f"{sum(counts.values()):,} parts or more")
        last = previous
    for place, count in reversed(counts.items()):
        file.seek(shift + place + _DIRECTORY.size)
        content = file.read(count * _ENTRY.itemsize)
        yield np.frombuffer(content, _ENTRY, len(content) // _ENTRY.itemsize)


def _read_directory(path: Path, file: BufferedReader, at: int) -> tuple[int, int, int]:
    """Return the number of entries, and the places of the newest and of the previous directory."""
    file.seek(at)
    content = file.read(_DIRECTORY.size)
    if len(content) < _DIRECTORY.size or not content.startswith(_DIRECTORY_MARKS):
        raise _damaged(path, f"a directory at byte {at:,}")
    count, newest, previous, _ = _DIRECTORY.unpack(content)[-4:]
    return count, newest, previous


def _check_part(path: Path, file: BufferedReader, at: int, kind: int) -> None:
    file.seek(at)
    header = _PART.unpack(file.read(_PART.size))
    if not header[0].startswith(_PART_MARK) or header[-2] != kind:
        raise _damaged(path, f"a part at byte {at:,}")


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(
        f"'{path}' is cut short or damaged: it should have {what}. Copy or export it again."
    )

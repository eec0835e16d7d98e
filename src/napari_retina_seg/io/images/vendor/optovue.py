"""Optovue's ``.OCT``: raw numbers, which the text file beside it describes.

The layout is that found by OCT-Converter 0.7 (M. Graham, MIT licence).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage

_KIND = "an Optovue file"
_LONGEST = 2**20  # bytes of a description
_BYTES = 4  # of a value
_ROWS = re.compile(r"Window Height\D*?(\d{1,9})\b")
_COLUMNS = re.compile(r"Scan Length\D*?(\d{1,9})\b")
_COUNT = re.compile(r"Scan Usage\D*?(\d{1,9})\b")
_EYE = re.compile(r"Eye Scanned.*?\b(O[DS])\b")


@dataclass(frozen=True)
class _Scan:
    """A group of B-scans: where it begins in the file, and ``(slices, rows, columns)``."""

    at: int
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        return _BYTES * self.shape[0] * self.shape[1] * self.shape[2]


def count_optovue(path: Path) -> int:
    """Return how many scans a file holds.

    Raises
    ------
    ReadError
        As `read_optovue`.
    """
    return len(_find_scans(path, _describe(path)))


def read_optovue(path: Path, number: int) -> RetinaImage:
    """Read one scan of a file.

    Parameters
    ----------
    path : Path
        The file; its description is beside it, with the suffix ``.txt``.
    number : int
        Which scan, from 1.

    Returns
    -------
    RetinaImage
        float32, ``(rows, columns)`` of a single B-scan, else ``(slices, rows, columns)`` in stored
        order, lazy where that is large. Sizes are unknown. Of the description only the eye is kept.

    Raises
    ------
    ReadError
        If the description is missing, or its scans do not fill the file exactly.
    """
    text = _describe(path)
    scan = _find_scans(path, text)[number - 1]
    check_claim(f"'{path}'", scan.shape, itemsize=_BYTES)
    pixels = gather_slices(partial(_read, path, scan), scan.shape, np.float32)
    eyes = set(_EYE.findall(text))
    return RetinaImage(
        pixels if scan.shape[0] > 1 else pixels[0],
        modality=Modality.OCT,
        laterality=Laterality(eyes.pop()) if len(eyes) == 1 else Laterality.UNKNOWN,
        name=image_name(path),
        source=str(path),
        metadata={"manufacturer": "Optovue", "format": "OCT"},
        acquisition=Acquisition(device="Optovue"),
    )


def find_description(path: Path) -> Path:
    """Return the text file that describes a file.

    Raises
    ------
    ReadError
        If there is none.
    """
    beside = next((one for one in (path.with_suffix(".txt"), path.with_suffix(".TXT"))
                   if one.is_file()), None)  # fmt: skip
    if beside is None:
        raise ReadError(
            f"'{path}' is raw data of an Optovue device, which the text file of its name describes:"
            f" copy '{path.with_suffix('.txt').name}' beside it, or export it as DICOM, TIFF or"
            " PNG."
        )
    return beside


def _describe(path: Path) -> str:
    beside = find_description(path)
    with decoding(beside, "a description of an Optovue file"), beside.open("rb") as file:
        return file.read(_LONGEST).decode("latin-1")


def _find_scans(path: Path, text: str) -> list[_Scan]:
    """Return the scans: a height holds for those after it, a number follows each width."""
    scans, rows, at = [], 0, 0
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if found := _ROWS.search(line):
            rows = int(found[1])
        columns, slices = _COLUMNS.search(line), _COUNT.search(following)
        if columns and slices:
            scan = _Scan(at, (int(slices[1]), rows, int(columns[1])))
            scans += [scan] if scan.size else []
            at += scan.size
    size = path.stat().st_size
    if not scans or at != size:
        raise ReadError(
            f"'{path}' has {size:,} bytes, but the scans in its text file take {at:,}: copy both"
            " files again, or export it as DICOM, TIFF or PNG."
        )
    return scans


def _read(path: Path, scan: _Scan, index: int) -> npt.NDArray[np.float32]:
    slices, rows, columns = scan.shape
    with decoding(path, _KIND):
        stored = np.fromfile(
            path, "<f4", rows * columns, offset=scan.at + index * scan.size // slices
        )
        return np.rot90(stored.reshape(columns, rows))  # A-scan by A-scan, from the lower end

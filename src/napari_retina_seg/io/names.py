"""What images are called by the names of their files."""

from __future__ import annotations

import re
from pathlib import Path

from napari_retina_seg.io.images.content import SUFFIXES

# Longer ones come first.
_KNOWN = (
    ".nii.gz",
    ".ome.zarr",
    *SUFFIXES,
    ".zarr",
    ".mat",
    ".img",
    ".nii",
    ".csv",
    ".json",
    ".xml",
)


def image_name(path: Path) -> str:
    """Return the name of a file without its suffix, if that is one of a format that is read.

    A dot alone makes no suffix: archives call DICOM files by UIDs, of which ``1.2.840.1`` and
    ``1.2.840.2`` are two images.
    """
    name = path.name
    lower = name.lower()
    found = next((each for each in _KNOWN if lower.endswith(each) and lower != each), "")
    return name[: len(name) - len(found)]


def natural_key(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Return what files are sorted by, so that ``B2`` comes before ``B10``.

    Examples
    --------
    >>> [path.name for path in sorted(map(Path, ["B10.png", "B2.png"]), key=natural_key)]
    ['B2.png', 'B10.png']
    """
    parts = re.split(r"(\d+)", path.name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def image_suffix(path: Path) -> str:
    """Return what `image_name` leaves out of a file's name, as it is written there, or nothing."""
    return path.name[len(image_name(path)) :]

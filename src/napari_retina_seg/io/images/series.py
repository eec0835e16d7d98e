"""Volumes that are stored as one DICOM file for each slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.content import is_dicom_content
from napari_retina_seg.io.images.dicom_attributes import number_of, read_pixel_mm, value_of
from napari_retina_seg.io.images.dicom_file import read_attributes
from napari_retina_seg.io.images.dicom_slices import (
    Frame,
    Slices,
    are_apart,
    arrange,
    read_frames,
    read_said_distance,
)
from napari_retina_seg.io.images.files import count_images, read_file, read_numbered
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Length, Origin, RetinaImage

# What slices of one volume have in common. Some exporters give each its own frame of reference.
_COMMON = (
    "SeriesInstanceUID",
    "SOPClassUID",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "PhotometricInterpretation",
    "ImageLaterality",
)


@dataclass(frozen=True)
class ImageFiles:
    """The files of one image: a single one, or one for each slice of a series.

    Attributes
    ----------
    name : str
        What the image is called.
    files : tuple of Path
        In the order of their slices.
    number : int
        Which of the images of its file it is, from 1; 0 where the file holds one.
    """

    name: str
    files: tuple[Path, ...]
    number: int = 0

    @property
    def path(self) -> Path:
        """The file, or the folder of a series."""
        return self.files[0] if len(self.files) == 1 else self.files[0].parent

    def absolute(self) -> ImageFiles:
        """Return the same files, named so that they are found from any folder."""
        return replace(self, files=tuple(path.absolute() for path in self.files))

    @property
    def message(self) -> str:
        """A sentence for where the slices of a series become images of their own, or empty."""
        if len(self.files) == 1:
            return ""
        return (
            f"The {len(self.files)} slices of the series '{self.name}' are images of their own"
            " here: to work on the volume, export it as one file."
        )


def group_series(paths: Iterable[Path]) -> tuple[ImageFiles, ...]:
    """Put together the files that are slices of one volume.

    They are single frames of one DICOM series in one folder, of one size and orientation, each
    at a position of its own. Anything else is an image by itself: a series of photographs, for
    one, or files of which two lie at one position. A file of several images is one of each.
    """
    groups: dict[object, list[_Slice]] = {}
    for path in paths:
        for found in _read_slices(path):
            groups.setdefault(found.common or (path, found.of_file), []).append(found)
    images: list[tuple[_Slice, ...]] = []
    for slices in groups.values():
        frames = [one.frame for one in slices]
        if are_apart(frames):
            order = arrange(frames, None, None, one_file=False).order
            images.append(tuple(slices[k] for k in order))
        else:
            images += [(one,) for one in slices]
    return _named(images)


def read_files(image: ImageFiles) -> RetinaImage:
    """Read an image of one file, or the slices of a series into a volume.

    Raises
    ------
    ReadError
        If a file can't be read, or they don't fit together.
    """
    if image.number:
        return read_numbered(image.files[0], image.number)
    if len(image.files) == 1:
        return read_file(image.files[0])
    return replace(read_slices(image.files), name=image.name, source=str(image.path))


def read_slices(paths: Sequence[Path]) -> RetinaImage:
    """Read files into one volume: DICOM in the order of positions, then of numbers.

    Files that are no DICOM stay in the order in which they are given.

    Raises
    ------
    ReadError
        If a file can't be read, is a volume itself, or they are of different shapes.
    """
    first = read_file(paths[0])
    check_claim(
        f"The series of '{paths[0]}'", (len(paths), *first.pixels.shape),
        color=first.color, itemsize=first.pixels.dtype.itemsize,
    )  # fmt: skip
    images = [first, *(read_file(path) for path in paths[1:])]
    _check_alike(images)
    slices = _arrange(paths)
    images = [images[k] for k in slices.order]
    valid = None
    if any(image.valid is not None for image in images):
        everything = np.ones(first.grid, bool)
        valid = np.stack([everything if one.valid is None else one.valid for one in images])
    warnings = [warning for one in images for warning in one.warnings]
    distance = Length() if slices.distance is None else Length(1000 * slices.distance, Origin.FILE)
    return replace(
        first,
        pixels=np.stack([np.asarray(image.pixels) for image in images]),
        spacing=replace(first.spacing, slice=distance),
        valid=valid,
        placement=slices.placement,
        acquisition=None,  # that of the first slice is not the volume's
        warnings=tuple(dict.fromkeys([*warnings, *slices.warnings])),
    )


def _check_alike(images: Sequence[RetinaImage]) -> None:
    first = images[0]
    for other in images:
        if other.is_volume:
            raise ReadError(f"'{other.name}' is a volume itself: open it without stacking.")
        if other.pixels.shape != first.pixels.shape or other.color != first.color:
            raise ReadError(
                f"'{other.name}' has the shape {other.pixels.shape} and '{first.name}'"
                f" {first.pixels.shape}: files of one shape can be stacked, open these one by one."
            )


def _arrange(paths: Sequence[Path]) -> Slices:
    headers = []
    for path in paths:
        if not is_dicom_content(path):
            return Slices(tuple(range(len(paths))))
        with decoding(path, "DICOM"):
            headers.append(read_attributes(path, pixels=False, force=True))
    with decoding(paths[0], "DICOM"):
        frames = [read_frames(header)[0] for header in headers]
        first = headers[0]
        return arrange(frames, read_pixel_mm(first), read_said_distance(first), one_file=False)


@dataclass(frozen=True, eq=False)
class _Slice:
    """A file that may be one slice of a series, and what it has in common with the others."""

    path: Path
    frame: Frame = field(default_factory=Frame)
    common: tuple[object, ...] = ()
    number: str = ""
    of_file: int = 0


def _read_slices(path: Path) -> list[_Slice]:
    """Return a slice for each image of a file."""
    try:
        count = count_images(path)
    except ReadError:
        return [_Slice(path)]  # its error is reported when it is read
    return [_Slice(path, of_file=k + 1) for k in range(count)] if count > 1 else [_read_slice(path)]


def _read_slice(path: Path) -> _Slice:
    if not is_dicom_content(path):
        return _Slice(path)
    try:
        with decoding(path, "DICOM"):
            header = read_attributes(path, pixels=False, force=True)
            count = number_of(value_of(header, "NumberOfFrames") or 1)
            if count != 1 or not value_of(header, "SeriesInstanceUID"):
                return _Slice(path)
            return _Slice(
                path,
                read_frames(header)[0],
                (path.parent, *(str(value_of(header, keyword)) for keyword in _COMMON)),
                str(value_of(header, "SeriesNumber") or 1),
            )
    except ReadError:
        return _Slice(path)  # its error is reported when it is read


def _named(images: Sequence[tuple[_Slice, ...]]) -> tuple[ImageFiles, ...]:
    """Call a series as its folder, with its number where that folder holds more."""
    in_folder = Counter(slices[0].path.parent.resolve() for slices in images)
    taken: Counter[str] = Counter()
    found = []
    for slices in images:
        name, number = image_name(slices[0].path), slices[0].of_file
        name += f"-{number}" if number else ""
        if len(slices) > 1:
            folder = slices[0].path.parent.resolve()
            name = folder.name or "series"
            if in_folder[folder] > 1:
                name += f"-{slices[0].number}"
            taken[name] += 1
            name += f"-{taken[name]}" if taken[name] > 1 else ""
        found.append(ImageFiles(name, tuple(one.path for one in slices), number))
    return tuple(found)

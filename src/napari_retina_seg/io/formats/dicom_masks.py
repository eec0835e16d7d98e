"""Read DICOM Segmentations without their image or scheme."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.formats.dicom_planes import read_planes
from napari_retina_seg.io.formats.dicom_seg import read_dicom_card, read_dicom_seg
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.images.dicom_attributes import is_segmentation, read_spacing
from napari_retina_seg.io.images.dicom_file import check_claimed_size, read_attributes
from napari_retina_seg.io.images.dicom_slices import read_said_distance
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import SCHEMES, LabelScheme


@dataclass(frozen=True, eq=False)
class DicomMask:
    """Content of a stand-alone segmentation.

    Attributes
    ----------
    labels : array
        uint8 or uint16, ``(rows, columns)`` or ``(slices, rows, columns)``.
    ignore : array or None
        bool, shape of the labels: what is questionable.
    scheme : LabelScheme or None
        Whose classes the labels are; None if they are the numbers of unknown segments.
    spacing : Spacing
        Pixel sizes.
    name : str
        Of the file.
    warning : str
        A sentence if the segments may be classes of several schemes, or nothing.
    """

    labels: npt.NDArray[np.integer]
    ignore: npt.NDArray[np.bool_] | None
    scheme: LabelScheme | None
    spacing: Spacing
    name: str
    warning: str = ""


def is_dicom_mask(path: Path) -> bool:
    """Whether a DICOM file is a segmentation; one that can't be read is none.

    Parameters
    ----------
    path : Path
        A file whose content is DICOM.
    """
    try:
        with decoding(path, "DICOM"):
            keywords = ("SOPClassUID", "Modality")
            return is_segmentation(
                read_attributes(path, pixels=False, keywords=keywords, force=True)
            )
    except ReadError:
        return False


def read_dicom_mask(path: Path, order: tuple[int, ...] | None = None) -> DicomMask:
    """Read a segmentation, and find the scheme of its segments.

    Parameters
    ----------
    path : Path
        The file.
    order : tuple of int, optional
        For each slice of the image which of its frames it is, as `dicom_slices.slice_order` says;
        by default what the positions in the file say.

    Returns
    -------
    DicomMask
        With the scheme whose classes all segments are. Where they may be other classes in another
        scheme, e.g. because they are called "1" and "2", none is chosen.

    Raises
    ------
    ReadError
        If it can't be read, or its segments overlap.
    """
    name = image_name(path)
    if read_dicom_card(path) is not None:
        record = read_dicom_seg(path, order=order)
        return DicomMask(record.labels, record.ignore, record.scheme, record.spacing, name)
    fitting = _read_by_schemes(path, order)
    if len({_meaning(record) for record in fitting}) == 1:
        record = fitting[0]
        return DicomMask(record.labels, record.ignore, record.scheme, record.spacing, name)
    warning = _ask(path, fitting) if fitting else ""
    with decoding(path, "DICOM"):
        dataset = read_attributes(path, force=True)
        check_claimed_size(path, dataset)
        planes = read_planes(path, dataset, None, order)
        distance = read_said_distance(dataset) if len(planes) > 1 else None
        spacing = read_spacing(dataset, slice_mm=distance)
    labels = planes if len(planes) > 1 else planes[0]
    return DicomMask(labels, None, None, spacing, name, warning)


def _read_by_schemes(path: Path, order: tuple[int, ...] | None) -> list[MaskRecord]:
    """Read a segmentation by each scheme that has classes with its segments' names."""
    records = []
    for scheme in SCHEMES.values():
        try:
            records.append(read_dicom_seg(path, scheme, order=order))
        except ReadError:
            continue
    return records


def _meaning(record: MaskRecord) -> tuple[bytes, tuple[str, ...]]:
    """Return the values and names of a scheme, for comparison."""
    used = (value for value in np.unique(record.labels) if value)
    names = tuple(record.scheme.classes[value].abbreviation for value in used)
    return record.raster().tobytes(), names


def _ask(path: Path, fitting: list[MaskRecord]) -> str:
    schemes = " or ".join(f"'{record.scheme.name}'" for record in fitting)
    return (
        f"The segments of '{path}' may be classes of {schemes}: they are shown by their numbers."
        " Import the file into a project with the right classes."
    )

"""UIDs of DICOM images and of the references in segmentations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.images.content import is_dicom_content
from napari_retina_seg.io.images.dicom_attributes import is_segmentation
from napari_retina_seg.io.images.dicom_file import read_attributes

_OTHER_STUDIES = "StudiesContainingOtherReferencedInstancesSequence"
_WORDS = ("SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class DicomIds:
    """The series and instance UIDs of a DICOM image."""

    series: str
    instance: str


def read_header(path: Path, *keywords: str) -> Dataset | None:
    """Read the header of a file; None if it is not DICOM.

    Parameters
    ----------
    path : Path
        The file.
    *keywords : str
        Keywords of the attributes that are wanted; by default all.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    # Some devices leave out the mark at the start, which makes it no less an image with UIDs.
    if not is_dicom_content(path):
        return None
    with decoding(path, "DICOM"):
        return read_attributes(path, pixels=False, keywords=keywords or None, force=True)


def read_ids(path: Path) -> DicomIds | None:
    """Read the UIDs of an image; None if it is not DICOM, or has none.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    header = read_header(path, *_WORDS)
    return None if header is None else _ids(header)


def read_referenced_ids(path: Path) -> DicomIds | None:
    """Read the reference of a DICOM Segmentation; None unless it refers to exactly one image.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    wanted = ("SOPClassUID", "Modality", "ReferencedSeriesSequence", _OTHER_STUDIES)
    header = read_header(path, *wanted)
    if header is None or not is_segmentation(header):
        return None
    with decoding(path, "DICOM"):
        found = {
            DicomIds(str(series.get("SeriesInstanceUID", "")), str(image.ReferencedSOPInstanceUID))
            for study in (header, *(header.get(_OTHER_STUDIES) or ()))
            for series in study.get("ReferencedSeriesSequence") or ()
            for image in series.get("ReferencedInstanceSequence") or ()
        }
    return found.pop() if len(found) == 1 else None


def _ids(header: Dataset) -> DicomIds | None:
    series, instance = (str(header.get(word, "")) for word in _WORDS)
    return DicomIds(series, instance) if instance else None

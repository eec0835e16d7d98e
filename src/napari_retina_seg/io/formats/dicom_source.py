"""The image that a DICOM Segmentation refers to, with or without its patient and study."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.types.errors import WriteError

CREATOR = "napari-retina-seg"  # of the private block

_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
# By what the archive finds the image.
_REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Of patient and study: what a file must have and may leave empty. An archive refuses a file
# that has some of them and not others, or files it without a patient.
_IDENTITY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_UNEVEN = 0.01  # share of their distance by which slices may lie apart unevenly
_NOMINAL = 1000.0  # µm, in place of an unknown size


def make_source(
    record: MaskRecord, reference: Dataset | None, *, identified: bool = False
) -> Dataset:
    """Describe an image of the record's size, to which segments refer.

    Parameters
    ----------
    record : MaskRecord
        The mask.
    reference : Dataset or None
        Header of its image, if that is DICOM. Its UIDs are taken, and where its frames lie.
    identified : bool
        Whether patient and study are those of the image; else they are all empty.

    Returns
    -------
    Dataset
        Without pixels.

    Raises
    ------
    WriteError
        If the reference is of another size or has no UIDs.
    """
    source = Dataset()
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    source.SOPClassUID = _TOMOGRAPHY
    source.Modality = "OPT"
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(source, keyword, generate_uid())
    for keyword in _IDENTITY:
        known = reference.get(keyword) if identified and reference is not None else None
        setattr(source, keyword, "" if known is None else known)
    planes = record.planes
    source.NumberOfFrames, source.Rows, source.Columns = planes.shape
    source.FrameOfReferenceUID = generate_uid()
    source.SharedFunctionalGroupsSequence = _shared(record)
    source.PerFrameFunctionalGroupsSequence = _places(record)
    if reference is not None:
        _check_size(record, reference)
        _refer(source, record, reference)
    return source


def _check_size(record: MaskRecord, reference: Dataset) -> None:
    size = tuple(
        int(reference.get(keyword) or 1) for keyword in ("NumberOfFrames", "Rows", "Columns")
    )
    if size != record.planes.shape:
        raise WriteError(
            f"The mask of '{record.name}' has {' × '.join(map(str, record.planes.shape))} px, and"
            f" the DICOM image {' × '.join(map(str, size))}: refer to the image it was drawn on."
        )


def _refer(source: Dataset, record: MaskRecord, reference: Dataset) -> None:
    for keyword in _REFERENCES:
        if not reference.get(keyword):
            raise WriteError(
                f"The DICOM image of '{record.name}' has no {keyword}, by which it could be found:"
                " export the mask without a reference."
            )
        setattr(source, keyword, reference[keyword].value)
    source.Modality = "OPT" if source.SOPClassUID == _TOMOGRAPHY else "OP"
    places = _given_places(reference, len(record.planes))
    if places is not None:
        orientation, positions = places
        shared = source.SharedFunctionalGroupsSequence[0]
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = orientation
        _set_distance(shared.PixelMeasuresSequence[0], orientation, positions)
        frames = source.PerFrameFunctionalGroupsSequence
        for frame, position in zip(frames, positions, strict=True):
            frame.PlanePositionSequence[0].ImagePositionPatient = position
        source.FrameOfReferenceUID = reference.FrameOfReferenceUID


def _set_distance(measures: Dataset, orientation: Any, positions: list[Any]) -> None:
    """Derive the slice spacing from the positions; none if it is uneven."""
    along, down = np.array(orientation, float).reshape(2, 3)
    depths = np.sort(np.array(positions, float) @ np.cross(along, down))
    if len(depths) < 2:
        return
    gaps = np.diff(depths)
    mean = float(gaps.mean())
    if mean <= 0 or np.ptp(gaps) > _UNEVEN * mean:
        del measures.SpacingBetweenSlices
    else:
        measures.SpacingBetweenSlices = _short(mean)


def _given_places(reference: Dataset, frames: int) -> tuple[Any, list[Any]] | None:
    """Return orientation and positions, if all frames have a place of their own in one volume."""
    try:
        shared = reference.SharedFunctionalGroupsSequence[0]
        orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        positions = [
            group.PlanePositionSequence[0].ImagePositionPatient
            for group in reference.PerFrameFunctionalGroupsSequence
        ]
    except (AttributeError, IndexError):
        return None
    apart = len({tuple(map(float, position)) for position in positions}) == frames
    return (orientation, positions) if apart and reference.get("FrameOfReferenceUID") else None


def _shared(record: MaskRecord) -> Sequence:
    spacing = record.spacing
    distance = _mm(spacing.slice.um)
    measures = _item(
        PixelSpacing=[_mm(spacing.axial.um), _mm(spacing.lateral.um)],
        SliceThickness=distance,
        SpacingBetweenSlices=distance,
    )
    # Along a B-scan, then down into the eye.
    orientation = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    return Sequence(
        [
            _item(
                PixelMeasuresSequence=Sequence([measures]),
                PlaneOrientationSequence=Sequence([orientation]),
            )
        ]
    )


def _places(record: MaskRecord) -> Sequence:
    distance = _mm(record.spacing.slice.um)
    return Sequence(
        _item(
            PlanePositionSequence=Sequence(
                [_item(ImagePositionPatient=[0, 0, _short(index * distance)])]
            )
        )
        for index in range(len(record.planes))
    )


def _mm(um: float | None) -> float:
    return _short((um or _NOMINAL) / 1000)


def _short(number: float) -> float:
    """Round to what fits into the 16 characters of a DICOM decimal string."""
    return float(f"{number:.9g}")


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item

"""Metadata of an image from its DICOM header, checked for plausibility."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from napari_retina_seg.types.image import Laterality, Modality, Spacing
from napari_retina_seg.types.patient import patient_token

_OPHTHALMIC = "1.2.840.10008.5.1.4.1.1.77.1.5."
_MODALITY_BY_CLASS = {
    f"{_OPHTHALMIC}1": Modality.FUNDUS,  # photography, 8 bit
    f"{_OPHTHALMIC}2": Modality.FUNDUS,  # photography, 16 bit
    f"{_OPHTHALMIC}4": Modality.OCT,  # tomography
    f"{_OPHTHALMIC}5": Modality.FUNDUS,  # wide field, stereographic projection
    f"{_OPHTHALMIC}6": Modality.FUNDUS,  # wide field, 3D coordinates
}
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_MODALITY_BY_NAME = {"OP": Modality.FUNDUS, "OPT": Modality.OCT}
_LATERALITY = {"R": Laterality.RIGHT, "L": Laterality.LEFT}

# Pixels of a retina are some µm wide; 1 mm is what exporters write when they know nothing.
_PIXEL_MM = (1e-4, 0.5)
_SLICE_MM = (1e-4, 10.0)

_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def is_segmentation(dataset: Dataset) -> bool:
    """Whether a header is that of a DICOM Segmentation, of segments or of a label map."""
    by_class = str(value_of(dataset, "SOPClassUID")) in _SEGMENTATIONS
    return by_class or value_of(dataset, "Modality") == "SEG"


def read_modality(dataset: Dataset) -> Modality:
    """Return the modality by the SOP class, else by the Modality attribute."""
    by_class = _MODALITY_BY_CLASS.get(str(value_of(dataset, "SOPClassUID")))
    by_name = _MODALITY_BY_NAME.get(str(value_of(dataset, "Modality")))
    return by_class or by_name or Modality.UNKNOWN


def read_laterality(dataset: Dataset) -> Laterality:
    """Return the laterality in the header; both or unpaired is unknown."""
    anatomies = (first_item(group, "FrameAnatomySequence") for group in _groups(dataset))
    stated = [value_of(dataset, "ImageLaterality"), value_of(dataset, "Laterality")]
    stated += [value_of(anatomy, "FrameLaterality") for anatomy in anatomies]
    return _LATERALITY.get(next((str(side) for side in stated if side), ""), Laterality.UNKNOWN)


def read_patient(dataset: Dataset) -> str:
    """Return the token of the patient that the header states; see `patient_token`."""
    return patient_token(str(value_of(dataset, "PatientID") or ""))


def read_spacing(dataset: Dataset, *, slice_mm: float | None = None) -> Spacing:
    """Return pixel sizes in µm: rows are axial, columns lateral; implausible ones are ignored.

    Parameters
    ----------
    dataset : Dataset
        The header.
    slice_mm : float, optional
        From slice to slice in mm, as `dicom_slices` found it.
    """
    axial, lateral = read_pixel_mm(dataset) or (None, None)
    return Spacing.from_um(
        slice=_micrometres(slice_mm, _SLICE_MM),
        axial=_micrometres(axial, _PIXEL_MM),
        lateral=_micrometres(lateral, _PIXEL_MM),
    )


def read_pixel_mm(dataset: Dataset) -> tuple[float, float] | None:
    """Return the distances of rows and of columns in mm that a header states, plausible or not."""
    sources = [
        dataset,
        *(first_item(group, "PixelMeasuresSequence") for group in _groups(dataset)),
    ]
    for source in sources:
        stated = value_of(source, "PixelSpacing")
        if _is_pair(stated):
            rows, columns = number_of(stated[0]), number_of(stated[1])
            if rows is not None and columns is not None and min(rows, columns) > 0:
                return rows, columns
    return None


def read_rescale_slopes(dataset: Dataset) -> tuple[float, ...]:
    """Return the slopes from stored to real values, of all frames or of each; by default 1."""
    frames = value_of(dataset, "PerFrameFunctionalGroupsSequence") or ()
    groups = (first_item(dataset, "SharedFunctionalGroupsSequence"), *frames)
    items = (first_item(group, "PixelValueTransformationSequence") for group in groups)
    stated = (number_of(value_of(source, "RescaleSlope")) for source in (dataset, *items))
    return tuple(slope for slope in stated if slope) or (1.0,)


def read_device(dataset: Dataset) -> dict[str, Any]:
    """Return maker, model and kind of the device: free text could name a person."""
    kind = first_item(dataset, "AcquisitionDeviceTypeCodeSequence")
    stated = {
        "manufacturer": value_of(dataset, "Manufacturer"),
        "model": value_of(dataset, "ManufacturerModelName"),
        "device": value_of(kind, "CodeMeaning"),
    }
    texts = {key: str(value)[:64] for key, value in stated.items() if value}
    return {key: text for key, text in texts.items() if text.isprintable()}


def _groups(dataset: Dataset) -> Iterator[Dataset | None]:
    """Yield what holds for all frames, and what holds for the first."""
    yield first_item(dataset, "SharedFunctionalGroupsSequence")
    yield first_item(dataset, "PerFrameFunctionalGroupsSequence")


def value_of(dataset: Dataset | None, keyword: str) -> Any:
    """Return an attribute's value, or None where it is missing, empty or malformed."""
    try:
        return None if dataset is None else dataset.get(keyword)
    except Exception:  # noqa: BLE001 - values are parsed when asked for, and stumble in any way
        return None


def first_item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, or None where there is none."""
    items = value_of(dataset, keyword)
    try:
        return items[0] if isinstance(items[0], Dataset) else None
    except _BROKEN:
        return None


def number_of(value: Any) -> float | None:
    """Return a finite number, or None where a value is none."""
    try:
        number = float(value)
    except _BROKEN:
        return None
    return number if math.isfinite(number) else None


def _is_pair(sizes: Any) -> bool:
    try:
        return len(sizes) == 2 and not isinstance(sizes, str)
    except TypeError:
        return False


def _micrometres(mm: Any, limits: tuple[float, float]) -> float | None:
    size = number_of(mm)
    return size * 1000 if size is not None and limits[0] <= size <= limits[1] else None

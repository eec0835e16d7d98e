"""What a DICOM header says of an image, as far as it can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from napari_retina_seg.core.image import Laterality, Modality, Spacing

_OPHTHALMIC = "1.2.840.10008.5.1.4.1.1.77.1.5."
_MODALITY_BY_CLASS = {
    f"{_OPHTHALMIC}1": Modality.FUNDUS,  # photography, 8 bit
    f"{_OPHTHALMIC}2": Modality.FUNDUS,  # photography, 16 bit
    f"{_OPHTHALMIC}4": Modality.OCT,  # tomography
    f"{_OPHTHALMIC}5": Modality.FUNDUS,  # wide field, stereographic projection
    f"{_OPHTHALMIC}6": Modality.FUNDUS,  # wide field, 3D coordinates
}
_MODALITY_BY_NAME = {"OP": Modality.FUNDUS, "OPT": Modality.OCT}
_LATERALITY = {"R": Laterality.RIGHT, "L": Laterality.LEFT}

# Pixels of a retina are some µm wide; 1 mm is what exporters write when they know nothing.
_PIXEL_MM = (1e-4, 0.5)
_SLICE_MM = (1e-4, 10.0)

_BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def read_modality(dataset: Dataset) -> Modality:
    """Return what kind of picture the header says it is, by SOP class, then by modality."""
    by_class = _MODALITY_BY_CLASS.get(str(_value(dataset, "SOPClassUID")))
    by_name = _MODALITY_BY_NAME.get(str(_value(dataset, "Modality")))
    return by_class or by_name or Modality.UNKNOWN


def read_laterality(dataset: Dataset) -> Laterality:
    """Return which eye the header says it is; both or unpaired is unknown."""
    anatomies = (_first(group, "FrameAnatomySequence") for group in _groups(dataset))
    said = [_value(dataset, "ImageLaterality"), _value(dataset, "Laterality")]
    said += [_value(anatomy, "FrameLaterality") for anatomy in anatomies]
    return _LATERALITY.get(next((str(side) for side in said if side), ""), Laterality.UNKNOWN)


def read_spacing(dataset: Dataset, *, is_volume: bool) -> Spacing:
    """Return pixel sizes in µm: rows are axial, columns lateral; absurd ones are left out.

    The distance of slices is `SpacingBetweenSlices`, or else that of the slices' positions if
    these are even. A slice's thickness is not taken for it: they differ in sparse volumes.
    """
    sources = [dataset, *(_first(group, "PixelMeasuresSequence") for group in _groups(dataset))]
    pixels = [_value(source, "PixelSpacing") for source in sources]
    axial, lateral = next((sizes for sizes in pixels if _is_pair(sizes)), (None, None))
    distance = None
    if is_volume:
        said = (_number(_value(source, "SpacingBetweenSlices")) for source in sources)
        distance = next((size for size in said if size), None) or _even_distance(dataset)
    return Spacing.from_um(
        slice=_micrometres(distance, _SLICE_MM),
        axial=_micrometres(axial, _PIXEL_MM),
        lateral=_micrometres(lateral, _PIXEL_MM),
    )


def read_rescale_slope(dataset: Dataset) -> float:
    """Return the slope from stored to real values; 1 where none is stated."""
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    transformation = _first(shared, "PixelValueTransformationSequence")
    said = (_number(_value(source, "RescaleSlope")) for source in (dataset, transformation))
    return next((slope for slope in said if slope), 1.0)


def read_device(dataset: Dataset) -> dict[str, Any]:
    """Return maker, model and kind of the device: free text could name a person."""
    kind = _first(dataset, "AcquisitionDeviceTypeCodeSequence")
    said = {
        "manufacturer": _value(dataset, "Manufacturer"),
        "model": _value(dataset, "ManufacturerModelName"),
        "device": _value(kind, "CodeMeaning"),
    }
    texts = {key: str(value)[:64] for key, value in said.items() if value}
    return {key: text for key, text in texts.items() if text.isprintable()}


def _groups(dataset: Dataset) -> Iterator[Dataset | None]:
    """Yield what holds for all frames, and what holds for the first."""
    yield _first(dataset, "SharedFunctionalGroupsSequence")
    yield _first(dataset, "PerFrameFunctionalGroupsSequence")


def _value(dataset: Dataset | None, keyword: str) -> Any:
    """Return an attribute's value, or None where it is missing, empty or malformed."""
    try:
        return None if dataset is None else dataset.get(keyword)
    except _BROKEN:
        return None


def _first(dataset: Dataset | None, keyword: str) -> Dataset | None:
    items = _value(dataset, keyword)
    try:
        return items[0] if isinstance(items[0], Dataset) else None
    except _BROKEN:
        return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except _BROKEN:
        return None


def _is_pair(sizes: Any) -> bool:
    try:
        return len(sizes) == 2 and not isinstance(sizes, str)
    except TypeError:
        return False


def _micrometres(mm: Any, limits: tuple[float, float]) -> float | None:
    size = _number(mm)
    return size * 1000 if size is not None and limits[0] <= size <= limits[1] else None


def _even_distance(dataset: Dataset) -> float | None:
    """Return the distance in mm of consecutive frames, if it is the same throughout."""
    frames = _value(dataset, "PerFrameFunctionalGroupsSequence") or []
    planes = (_first(frame, "PlanePositionSequence") for frame in frames)
    positions = [_value(plane, "ImagePositionPatient") for plane in planes]
    try:
        steps = np.linalg.norm(np.diff(np.array(positions, np.float64), axis=0), axis=1)
    except _BROKEN:
        return None
    if not len(steps) or not math.isfinite(steps.sum()) or np.ptp(steps) > 0.05 * steps.mean():
        return None
    return float(steps.mean())

"""Pixel sizes in TIFF files: of OME, of ImageJ, or the resolution where it is no print's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import ParseError

import tifffile

from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.pixel_size import SLICE_UM, is_print, plausible_um

# Units of length of the OME schema (2016-06, UnitsLength) and of ImageJ, in lower case. "pixel",
# "reference frame" and inches are no unit of a retina's pixels.
_UM_PER = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e6),
    "dm": 1e5,
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 1e4),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1e3),
    **dict.fromkeys(("um", "µm", "μm", "\\u00b5m", "\\u03bcm", "micron", "microns"), 1.0),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
}
_SLICES = "ZI"  # axes along which a distance of slices is meant; time and channels have none


def read_tiff_spacing(tiff: tifffile.TiffFile) -> Spacing:
    """Return the pixel sizes that a TIFF states, for its axes as they are stored.

    OME comes first, then ImageJ, whose unit says what the resolution tags count. Without either,
    only a resolution per centimetre is taken, and only if it is none of a print: resolutions per
    inch are those of prints, screens and film scanners.

    Parameters
    ----------
    tiff : tifffile.TiffFile
        An open file, of one series.

    Returns
    -------
    Spacing
        Axial is the size from row to row; what is unknown or can't be a retina's stays unknown.
    """
    has_slices = bool(tiff.series) and any(axis in _SLICES for axis in tiff.series[0].axes)
    if tiff.is_ome:
        return _ome_spacing(tiff.ome_metadata or "", has_slices)
    if tiff.imagej_metadata:
        return _imagej_spacing(tiff, tiff.imagej_metadata, has_slices)
    metadata = tiff.shaped_metadata[0] if tiff.shaped_metadata else {}
    if "PhysicalSizeX" in metadata or "PhysicalSizeY" in metadata:  # as `mask_spacing` writes them
        return _physical_spacing(metadata, has_slices)
    return _resolution_spacing(tiff)


def _ome_spacing(xml: str, has_slices: bool) -> Spacing:
    try:
        images = tifffile.xml2dict(xml)["OME"]["Image"]
        pixels = (images[0] if isinstance(images, list | tuple) else images)["Pixels"]
    except (ParseError, KeyError, TypeError):
        return Spacing()
    return _physical_spacing(pixels, has_slices)


def _physical_spacing(pixels: Mapping[str, Any], has_slices: bool) -> Spacing:
    """Return the sizes that OME's attributes say."""

    def size(axis: str) -> float | None:
        unit = str(pixels.get(f"PhysicalSize{axis}Unit", "µm"))  # the schema's default
        return _in_um(pixels.get(f"PhysicalSize{axis}"), unit)

    return _spacing(size("Z") if has_slices else None, size("Y"), size("X"))


def _imagej_spacing(tiff: tifffile.TiffFile, known: Mapping[str, Any], has_slices: bool) -> Spacing:
    unit = str(known.get("unit", ""))
    columns, rows = _um_per_pixel(tiff, unit, str(known.get("yunit", unit)))
    if _um_per(unit) == _UM_PER["cm"] and is_print(rows, columns):
        # ImageJ passes on the resolution of a picture that was made for print.
        return Spacing()
    distance = _in_um(known.get("spacing"), str(known.get("zunit", unit))) if has_slices else None
    return _spacing(None if distance is None else abs(distance), rows, columns)


def _resolution_spacing(tiff: tifffile.TiffFile) -> Spacing:
    unit = tiff.pages.first.tags.valueof("ResolutionUnit")
    if unit != tifffile.RESUNIT.CENTIMETER:
        return Spacing()
    columns, rows = _um_per_pixel(tiff, "cm", "cm")
    return Spacing() if is_print(rows, columns) else _spacing(None, rows, columns)


def _um_per_pixel(tiff: tifffile.TiffFile, *units: str) -> list[float | None]:
    """Return width and height of a pixel by the resolution tags, pixels per unit."""
    tags = tiff.pages.first.tags
    sizes: list[float | None] = []
    for name, unit in zip(("XResolution", "YResolution"), units, strict=True):
        ratio = tags.valueof(name)
        valid = isinstance(ratio, tuple) and len(ratio) == 2 and all(ratio)
        sizes.append(_in_um(ratio[1] / ratio[0], unit) if valid else None)
    return sizes


def _in_um(value: Any, unit: str) -> float | None:
    per = _um_per(unit)
    try:
        return None if per is None or value is None else float(value) * per
    except (TypeError, ValueError, OverflowError):
        return None


def _um_per(unit: str) -> float | None:
    return _UM_PER.get(unit.strip().lower())


def _spacing(distance: float | None, rows: float | None, columns: float | None) -> Spacing:
    return Spacing.from_um(
        slice=plausible_um(distance, SLICE_UM),
        axial=plausible_um(rows),
        lateral=plausible_um(columns),
    )

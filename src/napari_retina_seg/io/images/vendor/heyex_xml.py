"""XML exports of the Heidelberg Spectralis: an XML file, and a picture of each B-scan beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.pictures import read_picture
from napari_retina_seg.io.images.vendor.geometry import Positions, arrange, place
from napari_retina_seg.io.images.vendor.lines import known_lines
from napari_retina_seg.io.names import image_name
from napari_retina_seg.io.xml_files import read_xml
from napari_retina_seg.types.acquisition import Acquisition, DeviceLines, EnFace, ScanPattern
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing
from napari_retina_seg.types.patient import patient_token
from napari_retina_seg.types.pixel_size import plausible_um

_KIND = "a Heidelberg XML export"
_EYES = {"R": Laterality.RIGHT, "L": Laterality.LEFT, "OD": Laterality.RIGHT, "OS": Laterality.LEFT}
_SAME = 1e-3  # by which the sizes of pixels of two B-scans may differ


def read_heyex_xml(path: Path) -> RetinaImage:
    """Read an XML export and the pictures of its B-scans.

    Parameters
    ----------
    path : Path
        The XML file; the pictures are in its folder.

    Returns
    -------
    RetinaImage
        The B-scans in the order of their numbers, ``(rows, columns)`` if there is one. The near
        infrared picture is the en-face image. Nothing is kept that could identify the person.

    Raises
    ------
    ReadError
        If a B-scan is missing or of another size than the XML states, or there are none.
    """
    with decoding(path, _KIND):
        root = read_xml(path)
        series = _find_series(path, root)
        scans = [_Picture.read(path, one) for one in _of_type(series, "OCT")]
        scans.sort(key=lambda one: one.number)
        pixels = _read_scans(path, scans)
        image = _assemble(path, series, scans, pixels)
        return replace(image, patient=patient_token(root.findtext(".//PatientID") or ""))


def listed_pictures(path: Path) -> tuple[Path, ...]:
    """Return the pictures that an XML export lists and that lie beside it.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    with decoding(path, _KIND):
        urls = [url.text or "" for url in read_xml(path).iter("ExamURL")]
        return tuple(found for url in urls if (found := _find_picture(path, url)) is not None)


@dataclass(frozen=True, eq=False)
class _Picture:
    """What the XML says about one picture; lengths in mm, NaN where it does not say them."""

    file: Path
    number: int
    shape: tuple[int, int]
    sizes: tuple[float, float]
    start: tuple[float, float]
    end: tuple[float, float]
    quality: float
    lines: dict[str, npt.NDArray[np.float32]]

    @classmethod
    def read(cls, path: Path, element: ET.Element) -> _Picture:
        context = element.find("OphthalmicAcquisitionContext")
        context = ET.Element("nothing") if context is None else context
        url = element.findtext("ImageData/ExamURL") or ""
        file = _find_picture(path, url)
        if file is None:
            name = re.split(r"[\\/]", url)[-1]
            raise ReadError(
                f"'{path}' names the picture '{name}', which is not in its folder: copy the whole"
                " export, XML and pictures."
            )
        columns = int(_number(context, "Width"))
        return cls(
            file=file,
            number=int(element.findtext("ImageNumber") or 0),
            shape=(int(_number(context, "Height")), columns),
            sizes=(_number(context, "ScaleY"), _number(context, "ScaleX")),
            start=(_number(context, "Start/Coord/Y"), _number(context, "Start/Coord/X")),
            end=(_number(context, "End/Coord/Y"), _number(context, "End/Coord/X")),
            quality=_number(context, "ImageQuality"),
            lines=_read_lines(path, element, columns),
        )


def _find_series(path: Path, root: ET.Element) -> ET.Element:
    """Return the one series with B-scans, all of whose pictures are listed."""
    found = [series for series in root.iter("Series") if _of_type(series, "OCT")]
    if not found:
        raise ReadError(f"'{path}' lists no B-scans: export an OCT examination.")
    if len(found) > 1:
        raise ReadError(
            f"'{path}' lists the B-scans of {len(found)} examinations: export them one by one."
        )
    (series,) = found
    stated, listed = series.findtext("NumImages"), len(series.findall("Image"))
    if stated is not None and int(stated) != listed:
        raise ReadError(
            f"'{path}' is damaged: it states {stated} images and lists {listed}. Export it again."
        )
    return series


def _of_type(series: ET.Element, kind: str) -> list[ET.Element]:
    return [one for one in series.findall("Image")
            if (one.findtext("ImageType/Type") or "").strip().upper() == kind]  # fmt: skip


def _find_picture(path: Path, url: str) -> Path | None:
    """Return the file that a URL of another computer names, whatever the case of its letters."""
    name = re.split(r"[\\/]", url.strip())[-1]
    try:
        exact = confined(path.parent, name)
        if exact.is_file():
            return exact
        beside = (one for one in path.parent.iterdir() if one.name.lower() == name.lower())
        return next((confined(path.parent, one.name) for one in beside if one.is_file()), None)
    except OutsideError:
        return None


def _number(context: ET.Element, place: str) -> float:
    text = context.findtext(place)
    return float(text) if text and text.strip() else float("nan")


def _read_lines(
    path: Path, element: ET.Element, columns: int
) -> dict[str, npt.NDArray[np.float32]]:
    lines = {}
    for line in element.iterfind("Segmentation/SegLine"):
        name = (line.findtext("Name") or "line").strip()[:32]
        heights = np.array((line.findtext("Array") or "").split(), np.float64)
        if len(heights) != columns:
            raise ReadError(
                f"'{path}' is damaged: the line {name} of a B-scan with {columns} columns has"
                f" {len(heights)} heights. Export it again."
            )
        with np.errstate(over="ignore"):
            lines[name] = heights.astype(np.float32)
    return lines


def _read_scans(path: Path, scans: Sequence[_Picture]) -> npt.NDArray[Any]:
    """Return ``(slices, rows, columns)``, all of the size that the XML states."""
    numbers, shapes = {one.number for one in scans}, {one.shape for one in scans}
    files = {one.file for one in scans}
    if len(numbers) < len(scans) or len(files) < len(scans):
        raise ReadError(f"'{path}' lists a B-scan twice: export it again.")
    if len(shapes) > 1:
        raise ReadError(
            f"'{path}' lists B-scans of {len(shapes)} sizes: export the examinations one by one."
        )
    (shape,) = shapes
    check_claim(f"'{path}'", (len(scans), *shape))
    pictures = [_read_scan(one) for one in scans]
    if len({one.dtype for one in pictures}) > 1:
        raise ReadError(f"The B-scans of '{path}' are of several pixel types: export it again.")
    return np.stack(pictures)


def _read_scan(scan: _Picture) -> npt.NDArray[Any]:
    image = read_picture(scan.file)
    if image.color or image.is_volume or image.grid != scan.shape:
        found = " × ".join(map(str, image.pixels.shape))
        stated = " × ".join(map(str, scan.shape))
        raise ReadError(
            f"'{scan.file}' is {found} px, but its XML says {stated} px in grey: export it again."
        )
    return np.asarray(image.pixels)


def _assemble(
    path: Path, series: ET.Element, scans: Sequence[_Picture], pixels: npt.NDArray[Any]
) -> RetinaImage:
    laterality = _laterality(series)
    (axial, lateral), warnings = _sizes(scans)
    positions = Positions(
        np.array([one.start for one in scans]),
        np.array([one.end for one in scans]),
        pixels.shape[2],
        lateral and lateral / 1000,
    )
    arranged = arrange(positions, ScanPattern.UNKNOWN, None)
    face, face_warnings = _read_face(path, series, positions, arranged.pattern, laterality)
    quality = tuple(one.quality if one.quality >= 0 else None for one in scans)
    return RetinaImage(
        pixels if len(scans) > 1 else pixels[0],
        modality=Modality.OCT,
        spacing=Spacing.from_um(slice=arranged.slice_um, axial=axial, lateral=lateral),
        laterality=laterality,
        name=image_name(path),
        source=str(path),
        metadata={"manufacturer": "Heidelberg Engineering", "format": "XML export"},
        warnings=(*warnings, *arranged.warnings, *face_warnings),
        acquisition=Acquisition(
            arranged.pattern,
            "Heidelberg Spectralis",
            face,
            _lines(scans, pixels.shape),
            () if set(quality) == {None} else quality,
        ),
    )


def _sizes(
    scans: Sequence[_Picture],
) -> tuple[tuple[float | None, float | None], tuple[str, ...]]:
    """Return height and width of a pixel in µm, None where B-scans differ or don't say them."""
    stated = np.array([one.sizes for one in scans])
    first = stated[0]
    if not np.allclose(stated, first, rtol=_SAME, equal_nan=True):
        return (None, None), ("The sizes of pixels differ from B-scan to B-scan: they count as"
                              " unknown.",)  # fmt: skip
    return (plausible_um(1000 * first[0]), plausible_um(1000 * first[1])), ()


def _lines(scans: Sequence[_Picture], shape: tuple[int, ...]) -> DeviceLines | None:
    names = tuple(dict.fromkeys(name for one in scans for name in one.lines))
    if not names:
        return None
    heights = np.full((shape[0], len(names), shape[2]), np.nan, np.float32)
    for index, one in enumerate(scans):
        for name, line in one.lines.items():
            heights[index, names.index(name)] = line
    return known_lines(names, heights, shape[1])


def _read_face(
    path: Path,
    series: ET.Element,
    positions: Positions,
    pattern: ScanPattern,
    laterality: Laterality,
) -> tuple[EnFace | None, tuple[str, ...]]:
    listed = _of_type(series, "LOCALIZER")
    if not listed:
        return None, ()
    try:
        picture = _Picture.read(path, listed[0])
        image = read_picture(picture.file)
        if image.is_volume or image.grid != picture.shape:
            raise ReadError(f"'{picture.file}' is of another size than its XML says.")
    except ReadError as error:
        return None, (f"Without its en-face image: {error}",)
    axial, lateral = (plausible_um(1000 * mm) for mm in picture.sizes)
    sizes_mm = axial and axial / 1000, lateral and lateral / 1000
    paths, warnings = place(positions, pattern, laterality, picture.shape, sizes_mm)
    pixels = np.asarray(image.pixels)
    if image.color:
        pixels = pixels[..., :3]
    return EnFace(pixels, Spacing.from_um(axial=axial, lateral=lateral), paths), warnings


def _laterality(series: ET.Element) -> Laterality:
    """Return the eye of the series, unless its images name another."""
    named = {text.strip().upper() for one in series.iter("Laterality") if (text := one.text)}
    return _EYES.get(named.pop(), Laterality.UNKNOWN) if len(named) == 1 else Laterality.UNKNOWN

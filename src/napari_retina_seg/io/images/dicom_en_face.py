"""Where the B-scans of a DICOM OPT file lie on the photograph that they refer to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.images.content import is_dicom_content
from napari_retina_seg.io.images.dicom_attributes import first_item, number_of, value_of
from napari_retina_seg.io.images.dicom_file import read_attributes
from napari_retina_seg.io.images.vendor.geometry import Positions, arrange
from napari_retina_seg.types.acquisition import Acquisition, EnFace, LinePath, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Length, Origin, RetinaImage, Spacing

_MOST_BESIDE = 500  # files in whose headers a photograph is looked for
_SAME = 1e-3  # by which the sizes of pixels of two frames may differ


def with_acquisition(
    path: Path,
    dataset: Dataset,
    image: RetinaImage,
    order: tuple[int, ...],
    read: Callable[[Path], RetinaImage],
) -> RetinaImage:
    """Add what an OPT file says of its frames: their pattern, and the photograph they lie on.

    Locations of frames are pairs of row and column on another image (PS3.3 C.8.17.10), which is
    looked for among the files beside this one. Straight ones alone are read.

    Parameters
    ----------
    path : Path
        The file.
    dataset : Dataset
        Its header.
    image : RetinaImage
        Its pixels and sizes.
    order : tuple of int
        For each slice, which frame it is.
    read : callable
        Reads a photograph.

    Returns
    -------
    RetinaImage
        With an `Acquisition`, sizes that are unknown where frames differ in them, and a distance
        of B-scans by their places where the file states none.
    """
    frames = value_of(dataset, "PerFrameFunctionalGroupsSequence") or []
    if len(frames) != len(order):
        frames = []
    image = _without_differing_sizes(image, frames)
    referred, ends = _read_locations([frames[k] for k in order] if frames else [])
    if not len(ends):
        return image
    face, warning = _read_face(path, referred, image.laterality, read)
    paths = tuple(LinePath((a, b), (c, d)) for a, b, c, d in (ends - 0.5).tolist())
    pattern, distance = _arrange(ends, image.grid[1], face)
    spacing = image.spacing
    if spacing.slice.um is None and distance is not None and image.is_volume:
        spacing = replace(spacing, slice=Length(distance, Origin.FILE))
    return replace(
        image,
        spacing=spacing,
        warnings=(*image.warnings, *warning),
        acquisition=Acquisition(
            pattern,
            " ".join(image.metadata.get(key, "") for key in ("manufacturer", "model")).strip(),
            None if face is None else replace(face, paths=paths),
        ),
    )


def _without_differing_sizes(image: RetinaImage, frames: list[Dataset]) -> RetinaImage:
    stated = (value_of(first_item(one, "PixelMeasuresSequence"), "PixelSpacing") for one in frames)
    try:
        sizes = [tuple(map(float, one)) for one in stated if one is not None]
    except (TypeError, ValueError):
        sizes = [(math.nan, math.nan)]
    if not sizes or (len(set(map(len, sizes))) == 1 and np.allclose(sizes, sizes[0], rtol=_SAME)):
        return image
    return replace(
        image,
        spacing=Spacing(slice=image.spacing.slice),
        warnings=(*image.warnings, "The sizes of pixels differ from B-scan to B-scan: they count as"
                                   " unknown."),
    )  # fmt: skip


def _read_locations(frames: list[Dataset]) -> tuple[str, npt.NDArray[np.float64]]:
    """Return the image that all frames refer to, and ``(slices, 4)``: rows and columns of ends."""
    lines = [first_item(frame, "OphthalmicFrameLocationSequence") for frame in frames]
    referred = {str(value_of(line, "ReferencedSOPInstanceUID") or "") for line in lines}
    ends = [_pair(value_of(line, "ReferenceCoordinates")) for line in lines]
    known = [one for one in ends if one is not None]
    if len(referred) != 1 or len(known) < len(ends):
        return "", np.empty((0, 4))
    return referred.pop(), np.array(known, np.float64)


def _pair(stated: Any) -> list[float] | None:
    try:
        numbers = [number_of(one) for one in stated]
    except TypeError:
        return None
    known = [one for one in numbers if one is not None]
    return known if len(known) == len(numbers) == 4 and known[:2] != known[2:] else None


def _read_face(
    path: Path, uid: str, eye: Laterality, read: Callable[[Path], RetinaImage]
) -> tuple[EnFace | None, tuple[str, ...]]:
    found = _find_beside(path, uid) if uid else None
    if found is None:
        return None, (("Without its en-face image, which is not in the folder of this file.",)
                      if uid else ())  # fmt: skip
    try:
        image = read(found)
    except ReadError as error:
        return None, (f"Without its en-face image: {error}",)
    if image.is_volume or {eye, image.laterality} == {Laterality.LEFT, Laterality.RIGHT}:
        return None, ("Without its en-face image: the image it refers to is of another eye, or is"
                      " a volume.",)  # fmt: skip
    pixels = np.asarray(image.pixels)
    return EnFace(pixels[..., :3] if image.color else pixels, image.spacing), ()


def _find_beside(path: Path, uid: str) -> Path | None:
    """Return the DICOM file of an instance in the folder of another."""
    try:
        others = sorted(one for one in path.parent.iterdir() if one != path and one.is_file())
    except OSError:
        return None
    for other in islice(filter(is_dicom_content, others), _MOST_BESIDE):
        try:
            with decoding(other, "DICOM"):
                header = read_attributes(
                    other, pixels=False, keywords=("SOPInstanceUID",), force=True
                )
        except ReadError:
            continue
        if str(value_of(header, "SOPInstanceUID")) == uid:
            return other
    return None


def _arrange(
    ends: npt.NDArray[np.float64], columns: int, face: EnFace | None
) -> tuple[ScanPattern, float | None]:
    """Return how B-scans lie, and their distance in µm if the photograph's sizes are known."""
    sizes = (None, None) if face is None else (face.spacing.axial.um, face.spacing.lateral.um)
    is_known = None not in sizes
    scale = np.array(sizes, np.float64) / 1000 if is_known else np.full(2, 0.01)
    arranged = arrange(
        Positions(ends[:, :2] * scale, ends[:, 2:] * scale, columns, None),
        ScanPattern.UNKNOWN,
        None,
    )
    return arranged.pattern, arranged.slice_um if is_known else None

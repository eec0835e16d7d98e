"""Raw cubes of the Zeiss Cirrus (``.img``), which have no header: their names say what they are.

The order of the bytes is that found by the readers of Johns Hopkins (A. Lang's ``octCirrusReader``)
and of others: B-scan by B-scan, row by row, each turned by 180 degrees.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.acquisition import Acquisition, ScanPattern
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Laterality, Modality, RetinaImage, Spacing

_KIND = "a Zeiss cube"
_NAME = re.compile(r"(Macular|Optic Disc) Cube (\d+)x(\d+)_(?:.*_)?(O[DS])_(?:.*_)?cube_z$")
_SCANS = {("Macular", 512, 128), ("Macular", 200, 200), ("Optic Disc", 200, 200)}
_ROWS = 1024
_WIDTH_UM, _HEIGHT_UM, _DEPTH_UM = 6000, 6000, 2000
_BY_NAME = (
    "The file has no header: B-scans, eye and pixel sizes (a cube of 6 × 6 × 2 mm) are those of the"
    " scan in its name."
)


def read_zeiss(path: Path) -> RetinaImage:
    """Read a cube whose name says which scan it is and whose size is exactly that scan's.

    Parameters
    ----------
    path : Path
        ``…Macular Cube 512x128_…_OD_…_cube_z.img``, or with ``200x200`` or ``Optic Disc``.

    Returns
    -------
    RetinaImage
        uint8 ``(slices, rows, columns)`` in stored order, lazy where that is large.

    Raises
    ------
    ReadError
        If the name is another, or the size is not that of the scan.
    """
    found = _NAME.search(path.stem)
    scan = (found[1], int(found[2]), int(found[3])) if found else None
    if found is None or scan not in _SCANS:
        raise ReadError(
            f"'{path}' is a raw file without a header, as Zeiss devices write them, and its name is"
            " not that of a cube as exported ('… Macular Cube 512x128_…_OD_…_cube_z.img'): export"
            " it as DICOM."
        )
    columns, slices = int(found[2]), int(found[3])
    size, expected = path.stat().st_size, slices * _ROWS * columns
    if size != expected:
        raise ReadError(
            f"'{path}' has {size:,} bytes, but a scan of its name has {expected:,}: copy or export"
            " it again."
        )
    shape = slices, _ROWS, columns
    check_claim(f"'{path}'", shape)
    with decoding(path, _KIND):
        pixels = gather_slices(partial(_read, path, (_ROWS, columns)), shape, np.uint8)
    return RetinaImage(
        pixels,
        modality=Modality.OCT,
        spacing=Spacing.from_um(
            slice=_HEIGHT_UM / slices, axial=_DEPTH_UM / _ROWS, lateral=_WIDTH_UM / columns
        ),
        laterality=Laterality(found[4]),
        name=image_name(path),
        source=str(path),
        metadata={"manufacturer": "Carl Zeiss Meditec", "format": "raw cube"},
        warnings=(_BY_NAME,),
        acquisition=Acquisition(ScanPattern.RASTER, "Zeiss Cirrus"),
    )


def _read(path: Path, shape: tuple[int, int], index: int) -> npt.NDArray[np.uint8]:
    count = shape[0] * shape[1]
    with decoding(path, _KIND):
        stored = np.fromfile(path, np.uint8, count, offset=index * count).reshape(shape)
        return stored[::-1, ::-1]

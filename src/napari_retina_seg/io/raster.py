"""PNG, JPEG, BMP, GIF and the PPM family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, ImageSequence

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io.assemble import assemble
from napari_retina_seg.io.guard import check_size, decoding

_PNG_DEPTH_AT = 24  # the byte that holds the bits per channel
_COLOR_MODES = ("LA", "RGB", "RGBA")


def read_raster(path: Path, kind: str) -> RetinaImage:
    """Read one picture; the frames of a grey animated GIF become slices.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Which of Pillow's formats it is: ``PNG``, ``JPEG``, ``BMP``, ``GIF`` or ``PPM``.

    Returns
    -------
    RetinaImage
        uint8 or uint16, turned upright as the camera says; alpha is kept, a palette becomes
        colours. The resolution in the file is that of a print, so the spacing stays unknown.

    Raises
    ------
    ReadError
        If it is damaged, cut short, or too large.
    """
    # A camera may add a second picture to a JPEG, which Pillow then calls MPO.
    formats = (kind, "MPO") if kind == "JPEG" else (kind,)
    with decoding(path, kind), path.open("rb") as file:
        try:
            picture = Image.open(file, formats=formats)
        except Image.DecompressionBombError as error:
            raise ReadError(
                f"'{path}' claims to be larger than any photograph: crop it, or check the file."
            ) from error
        with picture:
            frames = _grey_frames(path, picture) if kind == "GIF" else None
            if frames is None:
                pixels, color = _pixels(_upright(picture))
                if kind in ("PNG", "PPM") and color:
                    pixels = _deep_colors(path, kind, pixels)
            else:
                pixels, color = frames, False
    return assemble(path, pixels, color=color)


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - cameras write broken EXIF around good pixels
        return picture


def _pixels(picture: Image.Image) -> tuple[npt.NDArray[Any], bool]:
    """Return uint8 or uint16 pixels, and whether their last axis holds channels."""
    if picture.mode == "1":
        return np.asarray(picture.convert("L")), False
    if picture.mode == "L":
        return np.asarray(picture), False
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16), False
    if picture.mode not in _COLOR_MODES:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return np.asarray(picture), True


def _deep_colors(path: Path, kind: str, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return 16-bit colours where the file has them: Pillow reads only their upper half."""
    content = np.fromfile(path, np.uint8)
    if kind == "PNG" and content[_PNG_DEPTH_AT] != 16:
        return pixels
    deep = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3:
        return pixels
    order = cv2.COLOR_BGRA2RGBA if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(deep, order))


def _grey_frames(path: Path, picture: Image.Image) -> npt.NDArray[np.uint8] | None:
    """Return the frames of a GIF as ``(slices, rows, columns)`` if there are many, all grey."""
    count = int(getattr(picture, "n_frames", 1))
    check_size(path, (count, picture.height, picture.width))
    if count == 1:
        return None
    slices = []
    for frame in ImageSequence.Iterator(picture):
        colors = np.asarray(frame.convert("RGB"))
        if (colors != colors[..., :1]).any():
            picture.seek(0)
            return None
        slices.append(colors[..., 0])
    return np.stack(slices)

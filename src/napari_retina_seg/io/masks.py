"""Class masks in files: values that other programs read, with the scheme's colours as a palette."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ReadError, WriteError
from napari_retina_seg.core.image import Spacing
from napari_retina_seg.core.labels import SCHEMES, LabelScheme
from napari_retina_seg.io import read_image
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.guard import decoding
from napari_retina_seg.io.mask_spacing import png_density, tiff_density, tiff_sizes

SUFFIXES = (".png", ".tif", ".tiff")

Labels = npt.NDArray[np.uint8]


def save_mask(
    path: Path, labels: Labels, scheme: LabelScheme, spacing: Spacing | None = None
) -> None:
    """Write a mask, PNG or TIFF by its suffix; a volume becomes a multi-page TIFF.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    labels : array
        Class values, ``(rows, columns)`` or ``(slices, rows, columns)`` uint8.
    scheme : LabelScheme
        Whose colours become the palette.
    spacing : Spacing, optional
        Pixel sizes, which the file then states.

    Raises
    ------
    WriteError
        If the suffix does not fit, or the file can't be written; nothing is left behind then.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or (labels.ndim == 3 and suffix == ".png"):
        raise WriteError(
            f"'{path}' can't hold this mask: save a single mask as .png or .tif, a volume as .tif."
        )
    write_atomically(path, encode_mask(labels, scheme, suffix, spacing))


def encode_mask(
    labels: Labels, scheme: LabelScheme, suffix: str, spacing: Spacing | None = None
) -> bytes:
    """Return the file that `save_mask` writes: a PNG for ``.png``, else a TIFF."""
    encode = _palette_png if suffix == ".png" else _palette_tiff
    return encode(labels, scheme, spacing or Spacing())


def read_mask(path: Path) -> tuple[Labels, LabelScheme] | None:
    """Read a mask that `save_mask` wrote, known by its palette.

    Returns
    -------
    tuple of array and LabelScheme, or None
        None for any other file, one that can't be read included: `read_image` says why.
    """
    found = {".png": _read_png, ".tif": _read_tiff, ".tiff": _read_tiff}.get(path.suffix.lower())
    try:
        values, palette = found(path) if found else (None, None)
    except Exception:  # noqa: BLE001 - the libraries raise anything on foreign files
        return None
    if values is None or palette is None:
        return None
    for scheme in SCHEMES.values():
        if np.array_equal(palette, _padded(scheme)) and values.max(initial=0) < len(scheme):
            return values, scheme
    return None


def read_classes(path: Path) -> npt.NDArray[Any]:
    """Read the class values of anybody's mask.

    A palette's indices are the values, and the two values of a 1-bit file are 0 and 1; of any
    other file the grey values are.

    Parameters
    ----------
    path : Path
        Any image file that `read_image` reads.

    Returns
    -------
    array
        ``(rows, columns)``, whole numbers.

    Raises
    ------
    ReadError
        If it can't be read, has colours, several slices or values that are no whole numbers.
    """
    image = read_image(path)
    with decoding(path, "mask"):
        stored = _stored_values(path)
    if stored is not None:
        return stored
    if image.color or image.is_volume:
        found = "colours" if image.color else f"{image.n_slices} slices"
        raise ReadError(
            f"The mask '{path}' holds {found}: save it as one plane of class values, 0, 1, 2, …,"
            " grey or with a palette."
        )
    plane = image.plane()
    values = plane.astype(np.int64)
    if not np.array_equal(values, plane):
        raise ReadError(f"The mask '{path}' has values that are no whole numbers: save classes.")
    return values


def read_region(path: Path) -> npt.NDArray[np.bool_]:
    """Read which pixels a mask marks: those that are not 0, or not black.

    Parameters
    ----------
    path : Path
        Any image file that `read_image` reads, or a mask that `save_mask` wrote.

    Returns
    -------
    array
        ``(rows, columns)`` or ``(slices, rows, columns)`` bool.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    known = read_mask(path)
    if known is not None:
        return known[0] > 0
    image = read_image(path)
    if not image.is_volume:
        with decoding(path, "mask"):
            stored = _stored_values(path)  # a palette may give 0 any colour
        if stored is not None:
            return np.asarray(stored != 0)
    marked = np.nan_to_num(np.asarray(image.pixels)) != 0
    return np.asarray(marked[..., :3].any(axis=-1) if image.color else marked)


def _stored_values(path: Path) -> npt.NDArray[Any] | None:
    """Return indices of a palette, or 0 and 1 of a 1-bit file; None for any other file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.format == "TIFF":
                # Pillow knows of fewer compressions than tifffile.
                return _stored_in_tiff(path) if picture.mode in ("P", "1") else None
            if picture.mode == "1":
                return np.asarray(picture).astype(np.uint8)
            if picture.mode != "P" or (picture.format == "GIF" and _is_grey(picture)):
                return None
            return np.asarray(picture)
    except UnidentifiedImageError:
        return None


def _stored_in_tiff(path: Path) -> npt.NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        values = page.asarray()
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        return np.asarray(1 - values.astype(np.uint8) if inverted else values.astype(np.uint8))


def _is_grey(picture: Any) -> bool:
    """Whether a palette only says grey values, as each GIF of a grey image must."""
    colors = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
    return bool((colors == colors[:, :1]).all())


def _padded(scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    # A full palette keeps 8 bits: two colours are packed into one, which many programs read as
    # 0 and 255.
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(scheme)] = scheme.palette
    return palette


def _palette_png(labels: Labels, scheme: LabelScheme, spacing: Spacing) -> bytes:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(labels))
    picture.putpalette(_padded(scheme).tobytes())
    file = BytesIO()
    # Level 3 takes half the time of 6 for a few bytes more.
    picture.save(file, format="PNG", compress_level=3, **png_density(spacing))
    return file.getvalue()


def _palette_tiff(labels: Labels, scheme: LabelScheme, spacing: Spacing) -> bytes:
    import tifffile

    file = BytesIO()
    tifffile.imwrite(
        file,
        labels,
        photometric="palette",
        colormap=_padded(scheme).T.astype(np.uint16) * 257,
        compression="zlib",
        metadata={"axes": "ZYX"[-labels.ndim :], **tiff_sizes(spacing)},
        **tiff_density(spacing),
    )
    return file.getvalue()


def _read_png(path: Path) -> tuple[Any, Any]:
    from PIL import Image

    with Image.open(path) as picture:
        if picture.mode != "P":
            return None, None
        palette = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
        return np.array(picture), np.pad(palette, ((0, 256 - len(palette)), (0, 0)))


def _read_tiff(path: Path) -> tuple[Any, Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.dtype != np.uint8:
            return None, None
        return file.asarray(), (np.asarray(page.colormap) // 257).astype(np.uint8).T

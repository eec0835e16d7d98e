"""Read and write class masks: class values with the scheme's colours as a palette.

Of a scheme that is not the program's own the file also states the classes.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.images.assemble import reduce_channels
from napari_retina_seg.io.images.content import is_tiff_content
from napari_retina_seg.io.images.files import read_stored
from napari_retina_seg.io.mask_spacing import png_density, tiff_density, tiff_sizes
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, RetinaSegError, WriteError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

SCHEME_KEY = "napari_retina_seg_scheme"  # of the text in a PNG that says what its values mean
SUFFIXES = (".png", ".tif", ".tiff")
_ENTRIES = 256  # of a palette
_PNG_START, _PNG_COLOR_TYPE_AT, _PNG_PALETTE = b"\x89PNG", 25, 3
_SAVE_AS = "save it as one plane of class values, 0, 1, 2, …, grey or with a palette."

IGNORED_COLOR = (128, 128, 128)

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
        Class values, ``(rows, columns)`` or ``(slices, rows, columns)`` uint8; `IGNORE` where
        nothing is known.
    scheme : LabelScheme
        Scheme with the colours of the palette.
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
    """Read a mask that `save_mask` wrote, known by its palette, or one of a training folder.

    Returns
    -------
    tuple of array and LabelScheme, or None
        Class values, and `IGNORE` where nothing is known. None for any other file, one that
        can't be read included: `read_image` says why.
    """
    if not _may_be_mask(path):
        return None
    try:
        stored = read_stored(path)
    except RetinaSegError:
        return None
    values, palette = stored.values, stored.palette
    if values.dtype != np.uint8 or stored.alpha is not None:
        return None
    if palette is None:
        stated = read_scheme(path)
        if stated is None or values.ndim != 2 or not _are_classes(values, stated):
            return None
        return np.array(values), stated
    colors = np.pad(palette[:, :3], ((0, _ENTRIES - len(palette)), (0, 0)))
    for scheme in (*SCHEMES.values(), read_scheme(path)):
        if scheme is None or not _are_classes(values, scheme):
            continue
        if np.array_equal(colors, _padded(scheme, values)):
            return np.array(values), scheme
    return None


def _are_classes(values: Labels, scheme: LabelScheme) -> bool:
    return bool(((values < len(scheme)) | (values == IGNORE)).all())


def _may_be_mask(path: Path) -> bool:
    """Whether a file has a palette or states a scheme; most images need no decoding to see it."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_PNG_COLOR_TYPE_AT + 1)
        if head.startswith(_PNG_START):
            return head[_PNG_COLOR_TYPE_AT] == _PNG_PALETTE or read_scheme(path) is not None
        if not is_tiff_content(path):
            return False
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            return bool(tiff.pages.first.photometric == tifffile.PHOTOMETRIC.PALETTE)
    except Exception:  # noqa: BLE001 - the libraries raise anything on foreign files
        return False


def encode_grey_png(raster: Labels, scheme: LabelScheme) -> bytes:
    """Return ``(rows, columns)`` class values as a grey PNG, which says what they mean.

    Every library reads the values of a grey PNG, ``cv2.imread(path, 0)`` too, which turns those
    of a palette into the brightness of its colours.
    """
    from PIL import Image

    file = BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(raster))
    picture.save(file, format="PNG", pnginfo=_png_text(scheme))
    return file.getvalue()


def _png_text(scheme: LabelScheme) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(SCHEME_KEY, _scheme_json(scheme))
    return info


def _scheme_json(scheme: LabelScheme) -> str:
    return json.dumps(to_jsonable_python(scheme))


def read_scheme(path: Path) -> LabelScheme | None:
    """Read what a mask file of this program says of its values; None where it says nothing."""
    try:
        text = _read_scheme_text(path)
        return TypeAdapter(LabelScheme).validate_json(text) if isinstance(text, str) else None
    except (OSError, SyntaxError, ValueError, RetinaSegError):
        return None


def _read_scheme_text(path: Path) -> object:
    if is_tiff_content(path):
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            shaped = tiff.shaped_metadata
        return shaped[0].get(SCHEME_KEY) if shaped else None
    from PIL import Image

    with without_pillow_limit(), Image.open(path) as picture:  # pixels are not read here
        return picture.info.get(SCHEME_KEY)


def read_classes(path: Path) -> npt.NDArray[Any]:
    """Read the class values of a mask from any program.

    A palette's indices are the values, and those of 1, 2 or 4 bits are counted from 0; of any
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
        If it can't be read, has colours, several slices or values that are not whole numbers.
    """
    values = read_class_values(path)
    if values.ndim != 2:
        raise ReadError(f"The mask '{path}' holds {len(values)} slices: {_SAVE_AS}")
    return values


def read_class_values(path: Path) -> npt.NDArray[Any]:
    """Read the class values of a mask from any program, a plane or a volume.

    Parameters
    ----------
    path : Path
        Any image file that `read_image` reads; see `read_classes`.

    Returns
    -------
    array
        ``(rows, columns)`` or ``(slices, rows, columns)``, whole numbers.

    Raises
    ------
    ReadError
        If it can't be read, has colours or values that are not whole numbers.
    """
    stored = read_stored(path)
    values = stored.values
    if stored.color:
        values, color = reduce_channels(values)
        if color:
            raise ReadError(f"The mask '{path}' holds colours: {_SAVE_AS}")
    return np.array(as_whole_numbers(path, values), order="C")


def as_whole_numbers(path: Path, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values of a mask as whole numbers, which a file may hold as real ones.

    Raises
    ------
    ReadError
        If they are not whole.
    """
    if values.dtype.kind != "f":
        return values
    with np.errstate(invalid="ignore"):  # NaN and infinities are no whole numbers
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        raise ReadError(f"The mask '{path}' has values that are not whole numbers: save classes.")
    return whole


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
        return np.asarray((known[0] > 0) & (known[0] != IGNORE))
    stored = read_stored(path)  # of a palette the indices: it may give 0 any colour
    marked = np.asarray(np.nan_to_num(stored.values) != 0)
    if not stored.color:
        return marked
    channels = 1 if marked.shape[-1] == 2 else 3
    return np.asarray(marked[..., :channels].any(axis=-1))


def _padded(scheme: LabelScheme, labels: Labels) -> npt.NDArray[np.uint8]:
    # A full palette keeps 8 bits: two colours are packed into one, which many programs read as
    # 0 and 255.
    palette = np.zeros((_ENTRIES, 3), np.uint8)
    palette[: len(scheme)] = scheme.palette
    if len(scheme) <= IGNORE and (labels == IGNORE).any():
        palette[IGNORE] = IGNORED_COLOR
    return palette


def own_png_text(scheme: LabelScheme) -> dict[str, Any]:
    """Return Pillow's option for a PNG that states classes, if its palette does not tell them."""
    return {} if SCHEMES.get(scheme.name) == scheme else {"pnginfo": _png_text(scheme)}


def own_tiff_text(scheme: LabelScheme) -> dict[str, str]:
    """Return tifffile's metadata for a TIFF that states classes, if its palette does not."""
    return {} if SCHEMES.get(scheme.name) == scheme else {SCHEME_KEY: _scheme_json(scheme)}


def _palette_png(labels: Labels, scheme: LabelScheme, spacing: Spacing) -> bytes:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(labels))
    picture.putpalette(_padded(scheme, labels).tobytes())
    file = BytesIO()
    # Level 3 takes half the time of 6 for a few bytes more.
    options = {**own_png_text(scheme), **png_density(spacing)}
    picture.save(file, format="PNG", compress_level=3, **options)
    return file.getvalue()


def _palette_tiff(labels: Labels, scheme: LabelScheme, spacing: Spacing) -> bytes:
    import tifffile

    file = BytesIO()
    tifffile.imwrite(
        file,
        labels,
        photometric="palette",
        colormap=_padded(scheme, labels).T.astype(np.uint16) * 257,
        compression="zlib",
        metadata={"axes": "ZYX"[-labels.ndim :], **own_tiff_text(scheme), **tiff_sizes(spacing)},
        **tiff_density(spacing),
    )
    return file.getvalue()

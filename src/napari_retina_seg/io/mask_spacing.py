"""Store the pixel size in mask files, so that they align with their image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io.images.content import is_tiff_content
from napari_retina_seg.types.image import Origin, Spacing
from napari_retina_seg.types.pixel_size import is_print, plausible_um

ORIGIN = "PixelSizeOrigin"  # what the files call who stated the size

_INCH_UM = 25_400.0


def spacing_origin(spacing: Spacing) -> str:
    """Return the origin of the sizes: ``user`` if the user stated any of them, else ``file``."""
    origins = (spacing.slice.origin, spacing.axial.origin, spacing.lateral.origin)
    return (Origin.USER if Origin.USER in origins else Origin.FILE).value


def png_density(spacing: Spacing) -> dict[str, Any]:
    """Return the arguments by which Pillow writes a pixel size, as PNG's chunk pHYs.

    It holds whole pixels per metre, which is exact to 0.05 % for pixels up to 1 mm.
    """
    axial, lateral = spacing.axial.um, spacing.lateral.um
    if axial is None or lateral is None:
        return {}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(ORIGIN, spacing_origin(spacing))
    return {"dpi": (_INCH_UM / lateral, _INCH_UM / axial), "pnginfo": info}


def tiff_density(spacing: Spacing) -> dict[str, Any]:
    """Return the arguments by which tifffile writes a pixel size as resolution tags."""
    axial, lateral = spacing.axial.um, spacing.lateral.um
    if axial is None or lateral is None:
        return {}
    return {"resolution": (1e4 / lateral, 1e4 / axial), "resolutionunit": "CENTIMETER"}


def tiff_sizes(spacing: Spacing) -> dict[str, Any]:
    """Return what is known of the sizes in OME's words, for tifffile's description as JSON."""
    known = (("X", spacing.lateral), ("Y", spacing.axial), ("Z", spacing.slice))
    sizes = {f"PhysicalSize{axis}": size.um for axis, size in known if size.um is not None}
    return sizes | ({ORIGIN: spacing_origin(spacing)} if sizes else {})


def read_mask_spacing(path: Path) -> Spacing:
    """Return the pixel size that the file of a mask states, PNG or TIFF.

    Parameters
    ----------
    path : Path
        A mask that `save_mask` wrote, or of another program. Of a PNG the resolution is taken
        unless it is that of a print or a screen.
    """
    try:
        return _tiff_spacing(path) if is_tiff_content(path) else _png_spacing(path)
    except Exception:  # noqa: BLE001 - the libraries raise anything on foreign files
        return Spacing()


def _tiff_spacing(path: Path) -> Spacing:
    import tifffile

    from napari_retina_seg.io.images.tiff_spacing import read_tiff_spacing

    with tifffile.TiffFile(path) as tiff:
        metadata = tiff.shaped_metadata[0] if tiff.shaped_metadata else {}
        return _with_origin(read_tiff_spacing(tiff), metadata.get(ORIGIN))


def _png_spacing(path: Path) -> Spacing:
    from PIL import Image

    with without_pillow_limit(), Image.open(path, formats=("PNG",)) as picture:
        density, origin = picture.info.get("dpi"), picture.info.get(ORIGIN)
    if not density or not all(density):
        return Spacing()
    lateral, axial = (_INCH_UM / float(dots) for dots in density)
    if is_print(lateral, axial):
        return Spacing()
    found = Spacing.from_um(axial=plausible_um(axial), lateral=plausible_um(lateral))
    return _with_origin(found, origin)


def _with_origin(spacing: Spacing, origin: object) -> Spacing:
    if origin != Origin.USER.value:
        return spacing
    sizes = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)
    return Spacing.from_um(slice=sizes[0], axial=sizes[1], lateral=sizes[2], origin=Origin.USER)

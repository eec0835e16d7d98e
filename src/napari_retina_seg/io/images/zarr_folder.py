"""OME-Zarr (OME-NGFF 0.4 and 0.5) as images: a folder of chunks, and what its axes are."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io._decoding import check_claim, decoding
from napari_retina_seg.io.images.content import is_zarr
from napari_retina_seg.io.images.vendor.slices import gather_slices
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage, Spacing
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_KIND = "OME-Zarr"
_UM_PER = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "meter": 1e6}
_MASK = "image-label"  # the key of what OME-NGFF says of a mask's values
_GROUP_FILES = (".zattrs", "zarr.json")
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*")


def read_zarr(path: Path) -> RetinaImage:
    """Read the largest resolution of an OME-Zarr.

    Parameters
    ----------
    path : Path
        The folder, whose axes are ``y, x`` or ``z, y, x``: slices, rows, columns. Axes of time and
        channels may be before them if they are of length 1.

    Returns
    -------
    RetinaImage
        ``(rows, columns)``, or ``(slices, rows, columns)``, lazy where that is large; sizes are the
        stated scale where an axis has a unit of length.

    Raises
    ------
    ReadError
        If it is a mask, damaged, or of other axes, or the package zarr is not installed.
    """
    from napari_retina_seg.imaging.modality import guess_modality

    _check_image(path)
    zarr = _import_zarr(path)
    with decoding(path, _KIND):
        group = zarr.open_group(str(path), mode="r")
        described = _describe(path, dict(group.attrs))
        axes, dataset = described["axes"], described["datasets"][0]
        if not _PATH.fullmatch(dataset["path"]) or ".." in dataset["path"]:
            raise ReadError(f"'{path}' refers to pixels outside of its folder: export it again.")
        array = group[dataset["path"]]
        names = [axis["name"] for axis in axes]
        raster = _check_axes(path, names, array.shape)
        chunk = array.shards or array.chunks
        transformed = (described.get("coordinateTransformations"),
                       dataset.get("coordinateTransformations"))  # fmt: skip
        spacing = _spacing(axes, transformed, is_volume=len(raster) == 3)
        missing = array.nchunks - array.nchunks_initialized
    for shape in (raster, chunk):
        check_claim(f"'{path}'", shape, itemsize=array.dtype.itemsize)
    count, rows, columns = (*(1,) * (3 - len(raster)), *raster)
    shape = count, rows, columns
    first = (0,) * (len(array.shape) - len(raster))
    read = partial(_read_plane, path, array, first, is_volume=len(raster) == 3)
    pixels = gather_slices(read, shape, array.dtype.newbyteorder("="))
    return RetinaImage(
        pixels if len(raster) == 3 else pixels[0],
        modality=guess_modality(read(count // 2)),
        spacing=spacing,
        name=image_name(path),
        source=str(path),
        metadata={"format": _KIND},
        warnings=_warnings(missing),
    )


def is_mask_zarr(path: Path) -> bool:
    """Whether an OME-Zarr says that it is a mask."""
    return _MASK in _attributes(path)


def zarr_files(path: Path) -> tuple[Path, ...]:
    """Return the files of an OME-Zarr that are read as its image, sorted.

    Those are what describes it and the chunks of the largest resolution. Masks that other programs
    add, smaller resolutions, and hidden files of the system are not among them.
    """
    first: dict[str, Any] = (_attributes(path).get("multiscales") or ({},))[0]
    stated = [str(one.get("path", "")) for one in first.get("datasets") or ()]
    is_inside = stated and _PATH.fullmatch(stated[0]) and ".." not in stated[0]
    level = path / stated[0] if is_inside else path
    files = (*(path / name for name in _GROUP_FILES), path / ".zgroup", *level.rglob("*"))
    return tuple(sorted({one for one in files if one.is_file() and not _is_hidden(one)}))


def _is_hidden(file: Path) -> bool:
    return file.name.startswith(".") and file.name not in (".zattrs", ".zgroup", ".zarray")


def _attributes(path: Path) -> dict[str, Any]:
    """Return what the group says of itself; empty if that can't be read."""
    for name in _GROUP_FILES:
        try:
            found = json.loads((path / name).read_bytes())
        except (OSError, ValueError):
            continue
        attributes = found if name == ".zattrs" else found.get("attributes", {})
        described = attributes.get("ome", attributes)  # 0.5 and 0.4
        return described if isinstance(described, dict) else {}
    return {}


def _check_image(path: Path) -> None:
    if not is_zarr(path):
        raise ReadError(f"'{path}' is a folder, but no OME-Zarr: choose an image file in it.")
    if is_mask_zarr(path):
        raise ReadError(f"'{path}' is a mask, not an image: choose the image it was drawn on.")


def _import_zarr(path: Path) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ReadError(
            f"'{path}' is an OME-Zarr, which needs the package zarr: install it with"
            " 'pip install napari-retina-seg[zarr]'."
        ) from error
    return zarr


def _describe(path: Path, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of the first image."""
    described = attributes.get("ome", attributes)  # 0.5 and 0.4
    first: dict[str, Any] = (described.get("multiscales") or ({},))[0]
    axes = first.get("axes")
    if not axes or not all(isinstance(axis, dict) for axis in axes):
        raise ReadError(
            f"'{path}' does not describe an image with its axes, as OME-Zarr 0.4 and 0.5 do: choose"
            " the folder of an image in it, or save it in one of these versions."
        )
    return first


def _check_axes(path: Path, names: list[str], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``(rows, columns)`` or ``(slices, rows, columns)``."""
    space = [name for name in names if name not in ("t", "c")]
    count = len(shape) - len(space)
    if space not in (["y", "x"], ["z", "y", "x"]) or names[count:] != space:
        raise ReadError(
            f"'{path}' has the axes {', '.join(names)}: save it as z, y, x (slices, rows, columns)"
            " or y, x."
        )
    if math.prod(shape[:count]) != 1:
        sizes = ", ".join(f"{size} along {name}" for name, size in
                          zip(names, shape[:count], strict=False))  # fmt: skip
        raise ReadError(
            f"'{path}' holds several times or channels ({sizes}): save one of them, as z, y, x or"
            " y, x."
        )
    return tuple(shape[count:])


def _spacing(axes: list[dict[str, Any]], transformed: Any, *, is_volume: bool) -> Spacing:
    """Return the sizes in µm of axes that have a unit; scales of image and array multiply."""
    scale = np.ones(len(axes))
    for transforms in transformed:
        for one in transforms or ():
            if one["type"] == "scale":
                scale = scale * np.asarray(one["scale"], np.float64)
    um = {axis["name"]: float(size) * _UM_PER.get(str(axis.get("unit")), math.nan)
          for axis, size in zip(axes, scale, strict=True)}  # fmt: skip
    return Spacing.from_um(
        slice=plausible_um(um["z"], SLICE_UM) if is_volume else None,
        axial=plausible_um(um["y"]),
        lateral=plausible_um(um["x"]),
    )


def _read_plane(
    path: Path, array: Any, first: tuple[int, ...], index: int, *, is_volume: bool
) -> npt.NDArray[Any]:
    with decoding(path, _KIND):
        plane = np.asarray(array[(*first, index) if is_volume else first or ...])
        return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def _warnings(missing: int) -> tuple[str, ...]:
    if missing <= 0:
        return ()
    return (
        f"{missing} parts of the OME-Zarr are not stored and read as empty, as parts without signal"
        " may be: if it was copied, check that all of it was.",
    )

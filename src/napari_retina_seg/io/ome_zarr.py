"""Masks of volumes as OME-Zarr, written slice by slice."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.atomic import atomic_folder
from napari_retina_seg.types.annotation import IGNORE, Annotation
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelClass, LabelScheme

SUFFIX = ".zarr"
_VERSION = "0.4"  # of OME-NGFF, whose arrays are Zarr of format 2
_LABELS, _HEIGHTS = "0", "boundaries"
_AXES = ("z", "y", "x")
_LEVEL = 1  # of zlib: masks are mostly runs


@dataclass(frozen=True)
class MaskZarr:
    """An OME-Zarr that takes the mask of one slice after another.

    Attributes
    ----------
    folder : Path
        Where it is written.
    shape : tuple of int
        ``(slices, rows, columns)``.
    scheme : LabelScheme
        Its classes.
    """

    folder: Path
    shape: tuple[int, int, int]
    scheme: LabelScheme

    def write(self, index: int, mask: Annotation | None) -> None:
        """Write the mask of a slice, ``(rows, columns)``; None is one that shows nothing."""
        _, rows, columns = self.shape
        labels = np.full((rows, columns), IGNORE, np.uint8) if mask is None else mask.raster()
        _write_chunk(self.folder / _LABELS / f"{index}/0/0", labels)
        if self.scheme.surfaces:
            heights = None if mask is None else mask.boundaries
            if heights is None:
                heights = np.full((len(self.scheme.surfaces), columns), np.nan, np.float32)
            _write_chunk(self.folder / _HEIGHTS / f"{index}/0/0", heights.astype("<f4"))


@contextmanager
def writing_mask(
    folder: Path,
    shape: tuple[int, int, int],
    scheme: LabelScheme,
    spacing: Spacing,
    provenance: dict[str, str],
) -> Iterator[MaskZarr]:
    """Write an OME-Zarr (OME-NGFF 0.4), which appears when the block ends, whole or not at all.

    The array ``0`` holds class values, 255 where nothing is known, and ``image-label`` their
    colours and names. Of layers the array ``boundaries``, ``(slices, surfaces, columns)`` float32,
    holds the heights in px from the top, NaN where there is none.

    Parameters
    ----------
    folder : Path
        Its name; nothing may be in it.
    shape : tuple of int
        ``(slices, rows, columns)``.
    scheme : LabelScheme
        Classes and surfaces.
    spacing : Spacing
        Pixel sizes; an axis of unknown size has the scale 1 and no unit.
    provenance : dict
        What is said of the model.

    Raises
    ------
    WriteError
        If something is in the folder already, or it can't be written.
    """
    with atomic_folder(folder) as new:
        _write_json(new / ".zgroup", {"zarr_format": 2})
        _write_json(new / ".zattrs", _describe(scheme, spacing, provenance))
        _begin_array(new / _LABELS, shape, np.dtype("u1"), 0)
        if scheme.surfaces:
            slices, _, columns = shape
            heights = slices, len(scheme.surfaces), columns
            _begin_array(new / _HEIGHTS, heights, np.dtype("<f4"), "NaN")
        yield MaskZarr(new, shape, scheme)


def _describe(scheme: LabelScheme, spacing: Spacing, provenance: dict[str, str]) -> dict[str, Any]:
    sizes = [size.um for size in (spacing.slice, spacing.axial, spacing.lateral)]
    axes = [{"name": name, "type": "space", **({} if um is None else {"unit": "micrometer"})}
            for name, um in zip(_AXES, sizes, strict=True)]  # fmt: skip
    scale = {"type": "scale", "scale": [1.0 if um is None else um for um in sizes]}
    return {
        "multiscales": [{
            "version": _VERSION,
            "name": scheme.name,
            "axes": axes,
            "datasets": [{"path": _LABELS, "coordinateTransformations": [scale]}],
        }],
        "image-label": {
            "version": _VERSION,
            "colors": [{"label-value": one.value, "rgba": _rgba(one)} for one in scheme.classes],
            "properties": [{"label-value": one.value, "name": one.name, "code": one.code}
                           for one in scheme.classes],
        },
        "napari_retina_seg": {
            **provenance,
            "ignore_value": IGNORE,
            "boundaries": [surface.name for surface in scheme.surfaces],
        },
    }  # fmt: skip


def _rgba(one: LabelClass) -> list[int]:
    return [*bytes.fromhex(one.color.removeprefix("#")), 0 if one.value == 0 else 255]


def _begin_array(
    folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any], fill: int | str
) -> None:
    _write_json(folder / ".zarray", {
        "zarr_format": 2, "shape": shape, "chunks": (1, *shape[1:]), "dtype": dtype.str,
        "compressor": {"id": "zlib", "level": _LEVEL}, "fill_value": fill, "order": "C",
        "filters": None, "dimension_separator": "/",
    })  # fmt: skip


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _write_chunk(path: Path, values: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zlib.compress(np.ascontiguousarray(values).tobytes(), _LEVEL))

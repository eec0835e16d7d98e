"""Masks as NIfTI-1, which programs for volumes read."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_retina_seg.core.errors import ReadError, WriteError
from napari_retina_seg.core.image import Spacing
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.exchange.card import KEY, Card, make_card, parse_card, restore
from napari_retina_seg.io.exchange.record import MaskRecord
from napari_retina_seg.io.guard import check_size, decoding

SUFFIXES = (".nii", ".nii.gz")

_COMMENT = 6  # NIfTI's code for an extension of plain text
_MM_PER = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}


def write_nifti(path: Path, record: MaskRecord) -> None:
    """Write a mask as ``(columns, rows, slices)``; the card is an extension of the header.

    The affine has the spacing in mm on its diagonal, 1 where it is unknown, and then no unit. It
    says how large a voxel is, and nothing of how the eye lies in the head.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``; a file of this name is replaced.
    record : MaskRecord
        The mask.

    Raises
    ------
    WriteError
        If the suffix is another, or it can't be written.
    """
    import nibabel

    if not path.name.lower().endswith(SUFFIXES):
        raise WriteError(f"'{path}' is no name of a NIfTI file: end it in .nii or .nii.gz.")
    lengths = [record.spacing.lateral.um, record.spacing.axial.um]
    lengths += [record.spacing.slice.um] if record.is_volume else []
    image = nibabel.Nifti1Image(
        np.ascontiguousarray(record.planes.transpose(2, 1, 0)),
        np.diag([*(um / 1000 if um else 1.0 for um in lengths), *[1.0] * (4 - len(lengths))]),
    )
    image.header.set_xyzt_units("mm" if all(lengths) else "unknown")
    card = f"{KEY} {make_card(record).text}"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, card.encode()))
    content = image.to_bytes()
    compressed = path.name.lower().endswith(".gz")
    write_atomically(path, gzip.compress(content, mtime=0) if compressed else content)


def read_nifti(
    path: Path, scheme: LabelScheme | None = None, remap: Mapping[int, int] | None = None
) -> MaskRecord:
    """Read a mask of two or three axes, in the order in which `write_nifti` puts them.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    scheme : LabelScheme, optional
        The classes if the file does not say them, e.g. after another program saved it.
    remap : mapping, optional
        What values stand for in the file of another program, e.g. ``{255: 1}``.

    Returns
    -------
    MaskRecord
        With the voxel's size as spacing where its unit is stated.

    Raises
    ------
    ReadError
        If it can't be read, or its values are none of the classes.
    """
    if not path.is_file():
        raise ReadError(f"There is no file '{path}': check its name and folder.")
    with decoding(path, "NIfTI"):
        record, card, spacing = _read(path, scheme, remap)
    if card is not None:
        return record
    from dataclasses import replace

    return replace(record, spacing=spacing)


def _read(
    path: Path, scheme: LabelScheme | None, remap: Mapping[int, int] | None
) -> tuple[MaskRecord, Card | None, Spacing]:
    import nibabel

    image = nibabel.Nifti1Image.from_filename(path)
    shape = (*image.shape, 1, 1)[: max(3, len(image.shape))]
    if len(shape) > 3:
        raise ReadError(f"'{path}' has {len(shape)} axes: save one mask, of at most three.")
    check_size(path, shape)
    values = np.asanyarray(image.dataobj).reshape(shape).transpose(2, 1, 0)
    card = _find_card(path, image.header.extensions)
    plane = values[0] if len(values) == 1 else values
    record = restore(path, plane, card, scheme, remap=remap)
    return record, card, _spacing(image.header, is_volume=record.is_volume)


def _find_card(path: Path, extensions: Any) -> Card | None:
    for extension in extensions:
        content = extension.get_content()
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        if text.startswith(f"{KEY} "):
            return parse_card(path, text.removeprefix(KEY).rstrip("\0"))
    return None


def _spacing(header: Any, *, is_volume: bool) -> Spacing:
    mm = _MM_PER.get(header.get_xyzt_units()[0])
    if mm is None:
        return Spacing()
    sizes = [float(size) * mm * 1000 for size in header.get_zooms()[:3]]
    lateral, axial, distance = ([size if size > 0 else None for size in sizes] + [None])[:3]
    return Spacing.from_um(slice=distance if is_volume else None, axial=axial, lateral=lateral)

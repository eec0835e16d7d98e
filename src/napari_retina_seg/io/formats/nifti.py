"""Masks as NIfTI-1; NIfTI-2 is read, too."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.class_values import count_class_values
from napari_retina_seg.io._decoding import check_size, decoding
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import KEY, Card, make_card, parse_card, restore
from napari_retina_seg.io.formats.nifti_geometry import (
    order_voxels,
    place_voxels,
    reorder,
    voxel_affine,
)
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.images.assemble import assemble
from napari_retina_seg.io.images.content import is_image_content
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.image import Placement, RetinaImage, Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

SUFFIXES = (".nii", ".nii.gz")

_GZIP = b"\x1f\x8b"
_MARK, _MARK_AT = b"n+1\0", 344  # what a header of NIfTI-1 in one file ends with
_MARK_2, _MARK_2_AT = b"n+2\0", 4  # and what that of NIfTI-2 has at its beginning
_COMMENT = 6  # NIfTI's code for an extension of plain text
_MM_PER = {"mm": 1.0, "micron": 1e-3, "meter": 1e3}


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI by content, or by suffix and not another type."""
    is_called_so = path.name.lower().endswith(SUFFIXES)
    return (is_called_so and not is_image_content(path)) or _has_mark(path)


def _has_mark(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with _open(path) as file:
            head = file.read(_MARK_AT + len(_MARK))
        return head[_MARK_AT:] == _MARK or head.startswith(_MARK_2, _MARK_2_AT)
    except (OSError, EOFError, ValueError, zlib.error):
        return False


def _open(path: Path) -> IO[bytes]:
    """Open a file, decompressed if needed, whatever its suffix."""
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    return cast("IO[bytes]", gzip.open(path)) if is_packed else path.open("rb")


def write_nifti(path: Path, record: MaskRecord) -> None:
    """Write a mask as ``(columns, rows, slices)``; the card is an extension of the header.

    The affine is that of the image where it is known, so that the mask lies on it in programs
    such as SimpleITK; see `voxel_affine`. Without sizes there is no unit.

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
        raise WriteError(f"'{path}' is not a name for a NIfTI file: end it in .nii or .nii.gz.")
    affine = voxel_affine(record.placement, record.spacing)
    image = nibabel.Nifti1Image(np.ascontiguousarray(record.planes.transpose(2, 1, 0)), affine)
    code = "scanner" if record.placement is not None else "aligned"
    image.header.set_sform(affine, code)
    image.header.set_qform(affine, code)
    image.header.set_xyzt_units("mm" if _has_sizes(record) else "unknown")
    placed = record.placement and tuple(map(tuple, record.placement.affine.tolist()))
    card = make_card(record).model_copy(update={"placement": placed})
    content = f"{KEY} {card.text}".encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, content))
    compressed = path.name.lower().endswith(".gz")
    encoded = image.to_bytes()
    write_atomically(path, gzip.compress(encoded, mtime=0) if compressed else encoded)


def _has_sizes(record: MaskRecord) -> bool:
    spacing = record.spacing
    needed = [spacing.lateral.um, spacing.axial.um]
    needed += [spacing.slice.um] if record.is_volume else []
    return record.placement is not None or None not in needed


def read_nifti(
    path: Path,
    scheme: LabelScheme | None = None,
    remap: Mapping[int, int] | None = None,
    placements: Sequence[Placement] = (),
) -> MaskRecord:
    """Read a mask of two or three axes, in any order of its voxels.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    scheme : LabelScheme, optional
        The classes if the file does not say them, e.g. after another program saved it.
    remap : mapping, optional
        What values stand for in the file of another program, e.g. ``{255: 1}``.
    placements : sequence of Placement
        Where the image may lie in the patient; see `order_voxels`.

    Returns
    -------
    MaskRecord
        With the voxel's size as spacing where its unit is stated.

    Raises
    ------
    ReadError
        If it can't be read, its voxels are not the pixels of the image in another order, or its
        values are none of the classes.
    """
    values, spacing, card = read_voxels(path, placements)
    if card is not None and values.shape != (*(1,) * (3 - len(card.shape)), *card.shape):
        raise ReadError(
            f"'{path}' has {' × '.join(map(str, values.shape))} voxels, and the mask in it had"
            f" {' × '.join(map(str, card.shape))}: save it on the grid it was drawn on."
        )
    record = restore(path, values[0] if len(values) == 1 else values, card, scheme, remap=remap)
    placement = Placement(np.array(card.placement)) if card and card.placement else None
    return replace(record, placement=placement, spacing=card.spacing if card else spacing)


def read_voxels(
    path: Path, placements: Sequence[Placement] = ()
) -> tuple[npt.NDArray[Any], Spacing, Card | None]:
    """Read the voxels of a file, with or without a card.

    Returns
    -------
    values : array
        ``(slices, rows, columns)``, whole or real numbers.
    spacing : Spacing
        The voxel's size where its unit is stated.
    card : Card or None
        What the file says of its classes.

    Raises
    ------
    ReadError
        As `read_nifti`.
    """
    if not path.is_file():
        raise ReadError(f"There is no file '{path}': check its name and folder.")
    with decoding(path, "NIfTI"), _open(path) as file:
        return _read(path, file, placements)


def _read(
    path: Path, file: IO[bytes], placements: Sequence[Placement]
) -> tuple[npt.NDArray[Any], Spacing, Card | None]:
    image, shape = _open_image(path, file)
    header = image.header
    card = _find_card(path, header.extensions)
    if card is not None and card.placement is not None:
        placements = (Placement(np.array(card.placement)), *placements)
    stated = bool(int(header["qform_code"]) or int(header["sform_code"]))
    affine = np.asarray(image.affine, np.float64) if stated else None
    order = order_voxels(path, shape, affine, placements)
    values = reorder(np.asanyarray(image.dataobj).reshape(shape), order)
    return values, _spacing(header, order, is_volume=len(values) > 1), card


def _open_image(path: Path, file: IO[bytes]) -> tuple[Any, tuple[int, ...]]:
    """Return nibabel's image and its three axes, if its file has room for them."""
    import nibabel

    is_second = file.read(_MARK_2_AT + len(_MARK_2)).endswith(_MARK_2)
    file.seek(0)
    kind = nibabel.Nifti2Image if is_second else nibabel.Nifti1Image
    image = kind.from_file_map({"image": nibabel.FileHolder(fileobj=file)})
    axes = len(image.shape)
    while axes > 3 and image.shape[axes - 1] == 1:
        axes -= 1
    shape = (*image.shape[:axes], 1, 1)[: max(3, axes)]
    if len(shape) > 3:
        raise ReadError(f"'{path}' has {len(shape)} axes: save one of at most three.")
    header = image.header
    is_scaled = header.get_slope_inter() not in ((None, None), (1.0, 0.0))
    check_size(path, shape, itemsize=8 if is_scaled else header.get_data_dtype().itemsize)
    return image, shape


def read_nifti_image(path: Path) -> RetinaImage:
    """Read an image, whose axes are taken as ``(columns, rows, slices)``.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.

    Returns
    -------
    RetinaImage
        ``(rows, columns)`` or ``(slices, rows, columns)``, with sizes where their unit is stated
        and the position in the patient where it is known in mm.

    Raises
    ------
    ReadError
        If it can't be read, or is a mask.
    """
    with decoding(path, "NIfTI"), _open(path) as file:
        image, shape = _open_image(path, file)
        header = image.header
        if _find_card(path, header.extensions) is not None:
            raise ReadError(f"'{path}' is a mask, not an image: choose the image it was drawn on.")
        values = np.asanyarray(image.dataobj).reshape(shape).transpose(2, 1, 0)
        order = order_voxels(path, shape, None, ())
        pixels = values if len(values) > 1 else values[0]
        found = assemble(
            path, pixels, color=False, spacing=_spacing(header, order, is_volume=len(values) > 1)
        )
        is_placed = bool(int(header["qform_code"]) or int(header["sform_code"]))
        if is_placed and header.get_xyzt_units()[0] == "mm":
            return replace(found, placement=place_voxels(np.asarray(image.affine, np.float64)))
        return found


def may_be_mask(path: Path) -> bool:
    """Whether a file has a card, or a few whole numbers from 0 to 255, as masks do.

    It also may be one if it can't be read: reading it says why.
    """
    try:
        with decoding(path, "NIfTI"), _open(path) as file:
            image, shape = _open_image(path, file)
            if _find_card(path, image.header.extensions) is not None:
                return True
            values = np.asanyarray(image.dataobj).reshape(shape)
    except ReadError:
        return True
    is_grey = values.dtype.kind in "biuf"  # no colours or complex numbers
    return is_grey and count_class_values(RetinaImage(values.transpose())) > 0


def _find_card(path: Path, extensions: Any) -> Card | None:
    for extension in extensions:
        content = extension.get_content()
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        if text.startswith(f"{KEY} "):
            return parse_card(path, text.removeprefix(KEY).rstrip("\0"))
    return None


def _spacing(header: Any, order: npt.NDArray[np.float64], *, is_volume: bool) -> Spacing:
    mm = _MM_PER.get(header.get_xyzt_units()[0])
    if mm is None:
        return Spacing()
    zooms = [float(size) * mm * 1000 for size in (*header.get_zooms(), 0.0, 0.0)[:3]]
    distance, axial, lateral = (float(size) for size in np.abs(order[:, :3]) @ zooms)
    return Spacing.from_um(
        slice=plausible_um(distance, SLICE_UM) if is_volume else None,
        axial=plausible_um(axial),
        lateral=plausible_um(lateral),
    )

"""Map the voxels of a NIfTI file to the pixels of an image.

NIfTI counts to the right, to the front and to the head (RAS, nifti1.h), DICOM and SimpleITK to the
left, to the back and to the head (LPS). Its arrays are ``(columns, rows, slices)`` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.errors import ImageError, ReadError
from napari_retina_seg.types.image import Placement, Spacing

Matrix = npt.NDArray[np.float64]

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_INDEX = np.eye(4)[[2, 1, 0, 3]]  # from (column, row, slice) to (slice, row, column), both ways
_STRAIGHT = 1e-3  # how far a direction may be off an axis of the world
_HALF = 0.5  # pixels


def voxel_affine(placement: Placement | None, spacing: Spacing) -> Matrix:
    """Return NIfTI's affine of an array ``(columns, rows, slices)``, in mm.

    Parameters
    ----------
    placement : Placement or None
        Where the image lies in the patient. None is an image that says nothing of it: its first
        pixel is at 0, columns run to the left and rows to the back, as SimpleITK reads a PNG or
        TIFF, so that a mask lies on its image there.
    spacing : Spacing
        The pixel sizes for images without a placement; unknown ones become 1.
    """
    if placement is not None:
        return np.asarray(_RAS @ placement.affine @ _INDEX)
    lengths = (spacing.lateral.um, spacing.axial.um, spacing.slice.um)
    return np.asarray(_RAS @ np.diag([*(1.0 if um is None else um / 1000 for um in lengths), 1.0]))


def place_voxels(affine: Matrix) -> Placement | None:
    """Return where an array ``(columns, rows, slices)`` lies by its affine; None if it can't be."""
    try:
        return Placement(_RAS @ affine @ _INDEX)
    except ImageError:
        return None


def order_voxels(
    path: Path, shape: tuple[int, ...], affine: Matrix | None, placements: Sequence[Placement]
) -> Matrix:
    """Find which pixel each voxel is.

    Parameters
    ----------
    path : Path
        The file, for messages.
    shape : tuple of int
        Of its array, three axes.
    affine : array or None
        ``(4, 4)``, from voxel indices to RAS in mm; None if the file states no orientation, so
        that its voxels are in the order of the image.
    placements : sequence of Placement
        Where the image may lie. If the voxels lie on none, the image is taken for one without a
        position: its first pixel is at 0, columns run along x and rows along y.

    Returns
    -------
    array
        ``(3, 4)`` whole numbers: from voxel indices to ``(slice, row, column)``.

    Raises
    ------
    ReadError
        If the voxels are not the pixels of the image in another order.
    """
    if affine is None:
        return np.asarray(_INDEX[:3])
    for placement in placements:
        found = _on_pixels(shape, np.linalg.inv(_RAS @ placement.affine) @ affine)
        if found is not None:
            return found
    found = _from_origin(shape, affine)
    if found is None:
        raise ReadError(
            f"'{path}' can't be aligned with the image: its axes are rotated"
            " against those of the image, or it starts elsewhere. Save the mask on the grid of the"
            " image it was drawn on."
        )
    return found


def reorder(values: npt.NDArray[Any], order: Matrix) -> npt.NDArray[Any]:
    """Return an array of voxels as ``(slices, rows, columns)``."""
    linear = order[:, :3]
    turned = values.transpose([int(np.flatnonzero(row)[0]) for row in linear])
    steps = tuple(slice(None, None, int(row.sum())) for row in linear)
    return turned[steps]


def _on_pixels(shape: tuple[int, ...], index: Matrix) -> Matrix | None:
    """Return a map to pixels as whole numbers, if every voxel lies in a pixel of its own."""
    whole = np.rint(index[:3])
    linear = np.abs(whole[:, :3])
    if not (np.array_equal(linear.sum(0), [1] * 3) and np.array_equal(linear.sum(1), [1] * 3)):
        return None
    last = np.array(shape) - 1
    # A voxel's place is linear in its index, so that the corners are off by most.
    corners = np.array(np.meshgrid(*([0, n] for n in last))).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    first = (whole[:, :3] @ np.diag(last)).min(axis=1)  # the least index, before the offset
    expected = np.column_stack([whole[:, :3], -first])
    off = np.abs(index[:3] @ corners - expected @ corners)
    return expected if off.max() < _HALF else None


def _from_origin(shape: tuple[int, ...], affine: Matrix) -> Matrix | None:
    """Return the map of an image without a position, whose first pixel is at the world's 0."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not lengths.all():
        return None
    along = affine[:3, :3] / lengths
    if np.abs(along - np.rint(along)).max() > _STRAIGHT or abs(np.linalg.det(along)) < _HALF:
        return None
    frame = np.rint(along) @ np.diag(lengths)  # without what is not straight by rounding
    first = np.linalg.solve(frame, -affine[:3, 3])
    last = np.array(shape) - 1
    at_end = np.abs(first - last) < _HALF
    if not (at_end | (np.abs(first) < _HALF)).all():
        return None
    signs = np.where(at_end & (last > 0), -1.0, 1.0)
    world = np.abs(np.rint(along)) @ np.diag(signs)  # rows x, y, z are columns, rows, slices
    order = world[::-1]
    offset = -np.minimum(order @ last, 0)
    return np.column_stack([order, offset])

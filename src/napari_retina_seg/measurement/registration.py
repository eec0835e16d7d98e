"""Where the slices and columns of a volume lie on its en-face image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.acquisition import LinePath
from napari_retina_seg.types.image import RetinaImage

_TOLERANCE = 0.25  # of the distance between slices, by which one may lie beside its place
_LEAST_TOLERANCE = 1.0  # px of the en-face image


def en_face_affine(image: RetinaImage) -> npt.NDArray[np.float64] | None:
    """Return the affine map from slice and column of a raster to its en-face image.

    Parameters
    ----------
    image : RetinaImage
        A volume.

    Returns
    -------
    array or None
        ``(3, 3)``: maps ``(slice, column, 1)``, the indices of an A-scan, to ``(row, column, 1)``
        in px of the en-face image. None where it is not known where the B-scans lie, or they do
        not lie side by side at even distances: no affine map is right for all of them then.

    Examples
    --------
    >>> from napari_retina_seg.imaging.phantom import phantom_volume
    >>> en_face_affine(phantom_volume(slices=2, rows=64, columns=64).image) is None
    True
    """
    face = None if image.acquisition is None else image.acquisition.en_face
    if face is None or not face.paths or not image.is_raster:
        return None
    if not all(isinstance(path, LinePath) for path in face.paths):
        return None
    columns = image.grid[1]
    ends = np.array([path.points(columns)[[0, -1]] for path in face.paths])
    slices = np.arange(len(ends))
    places = np.array([(k, column, 1.0) for k in slices for column in (0, columns - 1)])
    seen = ends.reshape(-1, 2)
    fitted, *_ = np.linalg.lstsq(places, seen, rcond=None)
    away = np.hypot(*(places @ fitted - seen).T)
    step = np.hypot(*fitted[0])
    if away.max() > max(_LEAST_TOLERANCE, _TOLERANCE * step):
        return None
    affine = np.eye(3)
    affine[:2] = fitted.T
    return affine if abs(np.linalg.det(affine)) > 1e-9 else None

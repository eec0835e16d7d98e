"""Which way the slices and columns of a scan run, and what the sides of a grid are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retina_seg.types.acquisition import LinePath
from napari_retina_seg.types.image import Laterality, Placement, RetinaImage

ASSUMED = "assumed: horizontal scans, first column at the left of the fundus"
FROM_FILE = "file"
_ALONG = 0.7  # cosine from which an axis counts as running along one of the patient's


@dataclass(frozen=True)
class Orientation:
    """How the en-face picture of a scan lies in the eye.

    Attributes
    ----------
    first_is_superior : bool or None
        Whether the first slice, or row of a photograph, is the uppermost; None if unknown.
    first_is_left : bool or None
        Whether the first column is at the left of the fundus as seen by the examiner, which is
        the temporal side of a right eye; None if unknown.
    origin : str
        Where this is known from.
    """

    first_is_superior: bool | None = None
    first_is_left: bool | None = True
    origin: str = ASSUMED

    def sides(self, laterality: Laterality) -> dict[str, str]:
        """Return what the sides ``first``, ``last`` (slices), ``left``, ``right`` are called.

        Parameters
        ----------
        laterality : Laterality
            Which eye; nasal and temporal are not said without it.
        """
        names = {
            "first": "first-slice side",
            "last": "last-slice side",
            "left": "first-column side",
            "right": "last-column side",
        }
        if self.first_is_superior is not None:
            down = ("superior", "inferior")
            names["first"], names["last"] = down if self.first_is_superior else down[::-1]
        if self.first_is_left is not None and laterality is not Laterality.UNKNOWN:
            across = ("temporal", "nasal")
            swapped = (laterality is Laterality.LEFT) == self.first_is_left
            names["left"], names["right"] = across[::-1] if swapped else across
        return names


PHOTOGRAPH = Orientation(first_is_superior=True)


def scan_orientation(image: RetinaImage) -> Orientation:
    """Return the orientation of a scan: by its file, or as is usual.

    Where B-scans lie on the en-face image says most, which shows the fundus upright; then the
    placement in the patient. Without both, B-scans are taken to run from the left of the fundus
    to its right, as in macular rasters; whether the first is the upper one is not known. A
    placement at 0 along the world's axes is what programs write that know none.

    Parameters
    ----------
    image : RetinaImage
        An OCT scan.
    """
    acquisition = image.acquisition
    if acquisition is not None and acquisition.en_face is not None:
        paths = [path for path in acquisition.en_face.paths if isinstance(path, LinePath)]
        if paths and len(paths) == image.n_slices:
            return _by_paths(paths)
    if image.placement is None or _is_default(image.placement):
        return Orientation()
    return _by_placement(image.placement)


def _by_paths(paths: list[LinePath]) -> Orientation:
    middles = np.array([np.add(path.start, path.end) / 2 for path in paths])
    across = np.subtract(paths[0].end, paths[0].start)
    down = middles[-1] - middles[0]
    return Orientation(*_directions(down[0], np.hypot(*down), across[1], np.hypot(*across)))


def _is_default(placement: Placement) -> bool:
    """Whether its first pixel is at 0, and columns, rows and slices run along LPS or RAS."""
    axes = placement.affine[:3, 2::-1]
    along = axes / np.linalg.norm(axes, axis=0)
    is_straight = any(np.allclose(along, np.diag((sign, sign, 1))) for sign in (1, -1))
    return is_straight and not placement.affine[:3, 3].any()


def _by_placement(placement: Placement) -> Orientation:
    """In DICOM's axes x goes to the patient's left, which the examiner sees on the right."""
    slices, columns = placement.affine[:3, 0], placement.affine[:3, 2]
    lengths = float(np.linalg.norm(slices)), float(np.linalg.norm(columns))
    return Orientation(*_directions(-slices[2], lengths[0], columns[0], lengths[1]))


def _directions(
    down: float, slices: float, right: float, columns: float
) -> tuple[bool | None, bool | None, str]:
    """Return whether slices go down and columns to the right, if they do either at all."""
    superior = bool(down > 0) if slices and abs(down) >= _ALONG * slices else None
    left = bool(right > 0) if columns and abs(right) >= _ALONG * columns else None
    return superior, left, FROM_FILE

"""Which way the slices and columns of a scan run, and what the sides of a grid are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retina_seg.types.image import Laterality, Placement

ASSUMED = "assumed: horizontal scans, first column at the left of the fundus"
STATED = "stated by the user"
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


def scan_orientation(placement: Placement | None) -> Orientation:
    """Return the orientation of a scan: by its placement in the patient, or as is usual.

    Without a placement B-scans are taken to run from the left of the fundus to its right, as in
    macular rasters; whether the first is the upper one is not known.

    Parameters
    ----------
    placement : Placement or None
        In DICOM's axes, x to the patient's left and z to the head. The fundus is seen by the
        examiner, the patient's left on the right.
    """
    if placement is None:
        return Orientation()
    axes = placement.affine[:3, :3]
    slices, columns = (axes[:, k] / np.linalg.norm(axes[:, k]) for k in (0, 2))
    superior = None if abs(slices[2]) < _ALONG else bool(slices[2] < 0)
    left = None if abs(columns[0]) < _ALONG else bool(columns[0] > 0)
    return Orientation(superior, left, FROM_FILE)

"""`RetinaImage`: pixels with their metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.acquisition import Acquisition, ScanPattern
from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.spacing import Length, Origin, Spacing

__all__ = [
    "Laterality",
    "Length",
    "Modality",
    "Origin",
    "Placement",
    "RetinaImage",
    "Spacing",
]


class Modality(StrEnum):
    """Modality of an image."""

    OCT = "oct"
    FUNDUS = "fundus"
    UNKNOWN = "unknown"


class Laterality(StrEnum):
    """Laterality: OD right, OS left."""

    RIGHT = "OD"
    LEFT = "OS"
    UNKNOWN = "unknown"

    @property
    def fellow(self) -> Laterality:
        """The other eye."""
        others = {Laterality.RIGHT: Laterality.LEFT, Laterality.LEFT: Laterality.RIGHT}
        return others.get(self, self)


@dataclass(frozen=True, eq=False)
class Placement:
    """Affine map from voxels to patient coordinates.

    Attributes
    ----------
    affine : array
        ``(4, 4)`` float64. Maps the homogeneous index ``(slice, row, column, 1)`` of a pixel's
        centre to patient coordinates in mm, in DICOM's axes: x to the left, y to the back, z to
        the head (LPS; DICOM PS3.3 C.7.6.2.1).

    Raises
    ------
    ImageError
        If it is no invertible affine map.
    """

    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.affine)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise ImageError(f"A placement is a finite (4, 4) matrix: received {matrix.shape}.")
        if not np.array_equal(matrix[3], (0, 0, 0, 1)) or abs(np.linalg.det(matrix)) < 1e-15:
            raise ImageError(f"A placement is an invertible affine map: received {matrix}.")

    def resized(self, spacing: Spacing) -> Placement:
        """Return the placement of pixels of another size, about the same first pixel.

        Parameters
        ----------
        spacing : Spacing
            The sizes that hold; a direction of unknown size keeps its own.
        """
        matrix = self.affine.copy()
        for axis, size in enumerate((spacing.slice, spacing.axial, spacing.lateral)):
            if size.um is not None:
                matrix[:3, axis] *= size.um / 1000 / np.linalg.norm(matrix[:3, axis])
        return Placement(matrix)


@dataclass(frozen=True, eq=False)
class RetinaImage:
    """An OCT B-scan, an OCT volume, or one or many fundus photographs.

    Attributes
    ----------
    pixels : array
        ``(rows, columns)`` or ``(slices, rows, columns)``, with a last axis of 3 or 4 if
        `color`. Any real dtype; numpy, or lazy (dask) with the same indexing.
    color : bool
        Whether the last axis holds red, green, blue (and alpha).
    modality : Modality
        OCT or fundus, guessed or stated.
    spacing : Spacing
        Pixel sizes in µm, with their origin.
    laterality : Laterality
        Which eye.
    patient : str
        Whether two images are of one patient, not who it is; see `patient_token`. Empty if the
        file does not say it.
    name : str
        What to call it on screen.
    source : str
        Path of the file it came from, or a sentence for generated images.
    metadata : dict
        Other metadata of the file, for display only.
    valid : array or None
        bool, ``(rows, columns)`` or ``(slices, rows, columns)``: False where the file holds no
        data (padding, NaN, markers of invalid pixels). None means that all pixels hold data.
    placement : Placement or None
        Position and orientation in the patient, where the file states them.
    warnings : tuple of str
        Warnings about the file, to be shown to the user.
    acquisition : Acquisition or None
        Of OCT: scan pattern, en-face image, and the device's own layer lines and quality values,
        where the file states them.
    """

    pixels: Any
    color: bool = False
    modality: Modality = Modality.UNKNOWN
    spacing: Spacing = field(default_factory=Spacing)
    laterality: Laterality = Laterality.UNKNOWN
    name: str = "image"
    source: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    valid: npt.NDArray[np.bool_] | None = None
    placement: Placement | None = None
    warnings: tuple[str, ...] = ()
    acquisition: Acquisition | None = None
    patient: str = ""

    def __post_init__(self) -> None:
        shape, dtype = tuple(self.pixels.shape), np.dtype(self.pixels.dtype)
        if dtype.kind not in "buif":
            raise ImageError(
                f"'{self.name}' holds {dtype} values: an image needs whole or real numbers."
            )
        if self.color and (len(shape) < 3 or shape[-1] not in (3, 4)):
            raise ImageError(
                f"'{self.name}' has the shape {shape}: a colour image ends in 3 (RGB) or 4 (RGBA)."
            )
        if len(shape) - self.color not in (2, 3):
            raise ImageError(
                f"'{self.name}' has the shape {shape}: expected (rows, columns) or"
                " (slices, rows, columns), with a last axis of 3 or 4 for colour."
            )
        modality = member(Modality, self.modality, "modality", ImageError)
        object.__setattr__(self, "modality", modality)
        laterality = member(Laterality, self.laterality, "laterality", ImageError)
        object.__setattr__(self, "laterality", laterality)
        if 0 in shape:
            raise ImageError(f"'{self.name}' has the shape {shape}: there are no pixels in it.")
        raster = shape[: len(shape) - self.color]
        if self.valid is not None and (self.valid.dtype != bool or self.valid.shape != raster):
            raise ImageError(
                f"The valid pixels of '{self.name}' are bool {raster}: received"
                f" {self.valid.dtype} {self.valid.shape}."
            )
        if self.acquisition is not None:
            self.acquisition.check_fits(self.name, self.n_slices, raster)

    @property
    def is_volume(self) -> bool:
        """Whether there is a slice axis."""
        return len(self.pixels.shape) - self.color == 3

    @property
    def n_slices(self) -> int:
        """Number of slices; 1 for a single image."""
        return int(self.pixels.shape[0]) if self.is_volume else 1

    @property
    def pattern(self) -> ScanPattern:
        """How the B-scans lie on the retina, where the file states it."""
        return ScanPattern.UNKNOWN if self.acquisition is None else self.acquisition.pattern

    @property
    def is_raster(self) -> bool:
        """Whether several B-scans lie side by side, as far as is known: only those make a map."""
        return self.n_slices > 1 and self.pattern in (ScanPattern.RASTER, ScanPattern.UNKNOWN)

    @property
    def grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of one slice."""
        rows, columns = self.pixels.shape[1:3] if self.is_volume else self.pixels.shape[:2]
        return int(rows), int(columns)

    def plane(self, index: int = 0) -> npt.NDArray[Any]:
        """Return one slice as numpy, ``(rows, columns)`` or ``(rows, columns, 3 or 4)``."""
        if not 0 <= index < self.n_slices:
            there = f"its slices are 0 to {self.n_slices - 1}"
            if self.n_slices == 1:
                there = "it is a single image" if not self.is_volume else "it has slice 0 alone"
            raise ImageError(f"'{self.name}' has no slice {index}: {there}.")
        return np.asarray(self.pixels[index] if self.is_volume else self.pixels)

    def valid_plane(self, index: int = 0) -> npt.NDArray[np.bool_] | None:
        """Return ``(rows, columns)``: which pixels of a slice hold data; None if all do."""
        if self.valid is None or not self.is_volume:
            return self.valid
        return np.asarray(self.valid[index])

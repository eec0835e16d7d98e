"""How a device scanned an eye: the pattern, the en-face image, and what it found itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.choices import member
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.spacing import Spacing

Point = tuple[float, float]


class ScanPattern(StrEnum):
    """How the B-scans of an acquisition lie on the retina."""

    RASTER = "raster"
    LINE = "line"
    CIRCLE = "circle"
    RADIAL = "radial"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LinePath:
    """A straight B-scan on an en-face image.

    Attributes
    ----------
    start, end : tuple of float
        ``(row, column)`` in px of the en-face image, whose pixels have their centres at whole
        numbers: the outer edges of the B-scan's first and last column.
    """

    start: Point
    end: Point

    def points(self, columns: int) -> npt.NDArray[np.float64]:
        """Return ``(columns, 2)``: row and column, in px, of the centre of each A-scan."""
        share = _centers(columns)[:, np.newaxis]
        return np.asarray((1 - share) * np.array(self.start) + share * np.array(self.end))


@dataclass(frozen=True)
class CirclePath:
    """A B-scan along a full circle on an en-face image.

    Attributes
    ----------
    start : tuple of float
        ``(row, column)`` in px, as in `LinePath`: where the first column begins and the last ends.
    center : tuple of float
        ``(row, column)`` of the circle's centre.
    clockwise : bool
        Whether it runs clockwise in the displayed image, whose rows go down.
    """

    start: Point
    center: Point
    clockwise: bool

    def points(self, columns: int) -> npt.NDArray[np.float64]:
        """Return ``(columns, 2)``: row and column, in px, of the centre of each A-scan."""
        down, right = self.start[0] - self.center[0], self.start[1] - self.center[1]
        turn = 2 * math.pi * _centers(columns) * (1 if self.clockwise else -1)
        rows = self.center[0] + down * np.cos(turn) + right * np.sin(turn)
        return np.stack([rows, self.center[1] + right * np.cos(turn) - down * np.sin(turn)], axis=1)


ScanPath = LinePath | CirclePath


@dataclass(frozen=True, eq=False)
class EnFace:
    """The image of the retina from the front that a device took with its B-scans.

    Attributes
    ----------
    pixels : array
        ``(rows, columns)``, or ``(rows, columns, 3)`` for RGB.
    spacing : Spacing
        Size of a pixel: `axial` from row to row, `lateral` from column to column.
    paths : tuple of LinePath or CirclePath
        Where each B-scan lies on it, in the order of the slices; empty if that is unknown.
    """

    pixels: npt.NDArray[Any]
    spacing: Spacing = field(default_factory=Spacing)
    paths: tuple[ScanPath, ...] = ()

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] != 3):
            raise ImageError(
                "An en-face image is (rows, columns) or (rows, columns, 3): received the shape"
                f" {shape}."
            )

    def nearest(self, row: float, column: float, columns: int) -> tuple[int, int, float]:
        """Find the A-scan that lies nearest to a point.

        Parameters
        ----------
        row, column : float
            The point, in px of the en-face image.
        columns : int
            How many A-scans a B-scan has.

        Returns
        -------
        tuple
            The index of the B-scan, its column, and the distance in px of the en-face image.

        Raises
        ------
        ImageError
            If it is not known where the B-scans lie.
        """
        if not self.paths:
            raise ImageError("It is not known where the B-scans lie on this en-face image.")
        points = np.stack([path.points(columns) for path in self.paths])
        distances = np.hypot(points[..., 0] - row, points[..., 1] - column)
        index, nearest = np.unravel_index(int(distances.argmin()), distances.shape)
        return int(index), int(nearest), float(distances[index, nearest])


@dataclass(frozen=True, eq=False)
class DeviceLines:
    """Layer lines that the device drew itself, or a person in its program.

    Attributes
    ----------
    names : tuple of str
        As the device calls them, e.g. ``ILM``, ``RNFL``, ``BM``.
    heights : array
        float32 rows in px, ``(lines, columns)`` or ``(slices, lines, columns)`` as in
        `Annotation.boundaries`; NaN where there is no line.
    """

    names: tuple[str, ...]
    heights: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = self.heights.shape
        if self.heights.dtype != np.float32 or len(shape) not in (2, 3):
            raise ImageError(
                "Lines of a device are float32 (lines, columns) or (slices, lines, columns):"
                f" received {self.heights.dtype} {shape}."
            )
        if shape[-2] != len(self.names):
            raise ImageError(f"There are {shape[-2]} lines, but {len(self.names)} names of lines.")


@dataclass(frozen=True, eq=False)
class Acquisition:
    """What a device's file says about an OCT scan besides its pixels.

    Attributes
    ----------
    pattern : ScanPattern
        How the B-scans lie. Only those of a raster are parallel and have a distance.
    device : str
        Make and format, for display, e.g. ``Heidelberg Spectralis``.
    en_face : EnFace or None
        The image from the front, and where the B-scans lie on it.
    lines : DeviceLines or None
        Layer lines in the file.
    quality : tuple of (float or None)
        The device's quality value of each B-scan (Heidelberg: dB), None where it has none; empty
        if there are none at all.
    """

    pattern: ScanPattern = ScanPattern.UNKNOWN
    device: str = ""
    en_face: EnFace | None = None
    lines: DeviceLines | None = None
    quality: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        pattern = member(ScanPattern, self.pattern, "scan pattern", ImageError)
        object.__setattr__(self, "pattern", pattern)

    def check_fits(self, name: str, slices: int, raster: tuple[int, ...]) -> None:
        """Raise `ImageError` if it does not belong to an image.

        Parameters
        ----------
        name : str
            The image, for the message.
        slices : int
            Number of its B-scans.
        raster : tuple of int
            ``(rows, columns)`` or ``(slices, rows, columns)``.
        """
        paths = () if self.en_face is None else self.en_face.paths
        for what, values in (("positions", paths), ("quality values", self.quality)):
            if len(values) not in (0, slices):
                raise ImageError(f"'{name}' has {slices} B-scans, but {len(values)} {what}.")
        if self.lines is None:
            return
        *leading, _, columns = self.lines.heights.shape
        if (*leading, columns) != (*raster[:-2], raster[-1]):
            raise ImageError(
                f"The device's lines are of the shape {self.lines.heights.shape}, but '{name}' is"
                f" {raster}."
            )


def _centers(columns: int) -> npt.NDArray[np.float64]:
    """Return the middles of `columns` equal parts of a path, as shares of its length."""
    return (np.arange(columns) + 0.5) / columns

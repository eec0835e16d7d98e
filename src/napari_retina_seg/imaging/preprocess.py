"""Map images to the network's input, and results exactly back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_retina_seg.imaging.fov import FieldOfView, detect_fov
from napari_retina_seg.imaging.illumination import correct_illumination
from napari_retina_seg.imaging.invalid_pixels import combine_valid, fill_invalid
from napari_retina_seg.imaging.pixels import (
    SMALLEST,
    check_plane,
    has_colors,
    resize,
    to_float,
    to_grey,
    to_rgb,
)
from napari_retina_seg.types.errors import ImageError, UnfitImageError
from napari_retina_seg.types.image import Spacing

Plane = npt.NDArray[Any]
Tensor = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=SMALLEST, le=16384)]

_SCALE_LIMITS = (0.1, 4.0)  # beyond these a stated pixel size is taken for a mistake


@dataclass(frozen=True, eq=False)
class Geometry:
    """Geometry of the network's input on the image, and its inverse.

    Attributes
    ----------
    grid : tuple of int
        ``(rows, columns)`` of the image.
    box : tuple of int
        First row, first column, end row, end column of the part that was taken.
    working : tuple of int
        ``(rows, columns)`` to which that part was scaled.
    field : FieldOfView or None
        Outside of it nothing is predicted.
    valid : array or None
        ``grid`` bool: False where the image holds no data, and nothing is predicted either.
    """

    grid: tuple[int, int]
    box: tuple[int, int, int, int]
    working: tuple[int, int]
    field: FieldOfView | None = None
    valid: Mask | None = None

    @property
    def box_grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of the box."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def restore(self, plane: Tensor, outside: float) -> Tensor:
        """Bring one ``working`` plane of probabilities to ``grid``.

        Parameters
        ----------
        plane : array
            ``working`` float32.
        outside : float
            What to say outside the box and the field of view.
        """
        top, left, bottom, right = self.box
        restored = np.full(self.grid, outside, np.float32)
        restored[top:bottom, left:right] = resize(plane, self.box_grid)
        for part in self._parts():
            np.copyto(restored, outside, where=~part)
        return restored

    def restore_mask(self, plane: Tensor, threshold: float) -> npt.NDArray[np.uint8]:
        """Return where `restore` (with 0 outside) exceeds a threshold, in less time and memory."""
        top, left, bottom, right = self.box
        mask = np.zeros(self.grid, np.uint8)
        np.greater(
            resize(plane, self.box_grid), threshold, out=mask.view(bool)[top:bottom, left:right]
        )
        for part in self._parts():
            mask &= part
        return mask

    @property
    def predicted(self) -> Mask:
        """``grid`` bool: where there is retina with data, so that something is predicted."""
        return np.asarray(np.logical_and.reduce([np.ones(self.grid, bool), *self._parts()]))

    def _parts(self) -> list[Mask]:
        """Return the masks whose intersection can be predicted."""
        parts = [] if self.field is None else [self.field.core]
        return parts if self.valid is None else [*parts, self.valid]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's input ``(rows, columns, channels)`` float32, and its geometry."""

    tensor: Tensor
    geometry: Geometry


@dataclass(frozen=True)
class OctPreprocessing:
    """Bring a B-scan to one physical scale and one range of brightness.

    Attributes
    ----------
    axial_um, lateral_um : float
        Pixel size to which an image of known, plausible spacing is scaled.
    rows, columns : int
        Where the spacing is not known, an image that is over a quarter larger is shrunk to this
        size: the common devices image 1.9 to 2.3 mm of depth however finely they sample it.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    kind: Literal["oct"] = "oct"
    axial_um: Positive = 3.87
    lateral_um: Positive = 11.8
    rows: Size = 496
    columns: Size = 768

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return 1

    def prepare(self, plane: Plane, spacing: Spacing, *, valid: Mask | None = None) -> Prepared:
        """Prepare one B-scan, ``(rows, columns)`` or with three channels that are all grey.

        Raises
        ------
        UnfitImageError
            If it has colours.
        ImageError
            If there is nothing to see in it.
        """
        plane, valid = _without_invalid(plane, valid, is_bscan=True)
        if has_colors(plane):
            raise UnfitImageError(
                "The image has colours, but OCT models segment grey B-scans: choose a model for"
                " fundus photographs, or open the original scan instead of a screenshot."
            )
        grey = to_grey(to_float(plane))
        check_plane(grey)
        grid = grey.shape[0], grey.shape[1]
        working = self._working(grid, spacing)
        tensor = resize(rescale_intensity(grey, valid), working)[..., np.newaxis]
        return Prepared(tensor, Geometry(grid, (0, 0, *grid), working, valid=valid))

    def _working(self, grid: tuple[int, int], spacing: Spacing) -> tuple[int, int]:
        axial, lateral = spacing.axial.um, spacing.lateral.um
        if axial is not None and lateral is not None:
            scales = axial / self.axial_um, lateral / self.lateral_um
            if all(_SCALE_LIMITS[0] <= scale <= _SCALE_LIMITS[1] for scale in scales):
                return _scaled(grid[0], scales[0]), _scaled(grid[1], scales[1])
        rows, columns = (
            usual if size > 1.25 * usual else size
            for size, usual in zip(grid, (self.rows, self.columns), strict=True)
        )
        return rows, columns


def _scaled(size: int, scale: float) -> int:
    # Two exports of one device differ in the third digit: that is no reason to resample.
    return size if abs(scale - 1) < 0.05 else max(SMALLEST, round(size * scale))


@dataclass(frozen=True)
class FundusPreprocessing:
    """Bring a photograph to one field-of-view diameter and even illumination.

    Attributes
    ----------
    diameter : int
        Diameter of the field of view in the network's input, px.
    background : float
        Standard deviation of the illumination that is taken out, in diameters.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    kind: Literal["fundus"] = "fundus"
    diameter: Size = 1152
    background: Positive = 0.03

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return 3

    def prepare(
        self,
        plane: Plane,
        spacing: Spacing,
        *,
        valid: Mask | None = None,
        field: FieldOfView | None = None,
    ) -> Prepared:
        """Prepare one photograph, ``(rows, columns)`` or with colours; spacing plays no part.

        Parameters
        ----------
        plane : array
            Its pixels.
        spacing : Spacing
            Of its pixels.
        valid : array, optional
            ``(rows, columns)`` bool, False where there is no data.
        field : FieldOfView, optional
            Where the retina is, if it is known; by default it is found in the pixels.
        """
        del spacing
        colors, inside, geometry = self.scale(plane, valid, field)
        return Prepared(self.correct(colors, inside), geometry)

    def scale(
        self, plane: Plane, valid: Mask | None = None, field: FieldOfView | None = None
    ) -> tuple[Tensor, Mask, Geometry]:
        """Bring a photograph to one diameter, its illumination as it is.

        Parameters
        ----------
        plane, valid, field
            As of `prepare`.

        Returns
        -------
        tuple
            Its colours ``(rows, columns, 3)`` float32, where it shows retina, and the geometry.
        """
        plane, valid = _without_invalid(plane, valid)
        if plane.dtype.kind == "f":
            plane = to_float(plane)
        field = field or find_field(plane)
        if field.grid != plane.shape[:2]:
            raise ImageError(
                f"The image has {plane.shape[0]} × {plane.shape[1]} px and its field of view"
                f" {field.grid[0]} × {field.grid[1]}: give one of the size of the image."
            )
        scale = self.diameter / field.diameter
        if not field.found:
            scale = min(scale, 1.0)  # a crop of unknown scale: it keeps its own
        top, left, bottom, right = box = field.box
        working = (
            max(SMALLEST, round((bottom - top) * scale)),
            max(SMALLEST, round((right - left) * scale)),
        )
        geometry = Geometry(field.grid, box, working, field, valid)
        # Scaling before converting keeps a 12-megapixel photograph cheap.
        colors = to_rgb(to_float(resize(plane[top:bottom, left:right], working)))
        inside = field.scaled(box, working).core
        if valid is not None:
            part = np.ascontiguousarray(valid[top:bottom, left:right]).view(np.uint8)
            inside = inside & (resize(part * 255, working) > 252)
        return colors, inside, geometry

    def correct(self, colors: Tensor, inside: Mask) -> Tensor:
        """Return the network's input for colours of its scale, ``(rows, columns, channels)``."""
        return correct_illumination(colors, inside, self.background * self.diameter)


@dataclass(frozen=True)
class ResizePreprocessing:
    """Scale the whole image to a fixed size and divide by its type's largest value.

    This is what the published systems do.

    Attributes
    ----------
    rows, columns : int or None
        Size of the network's input; by default the image's own.
    color : bool
        Three channels, or one.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    kind: Literal["resize"] = "resize"
    rows: Size | None = None
    columns: Size | None = None
    color: bool = False

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return 3 if self.color else 1

    def prepare(self, plane: Plane, spacing: Spacing, *, valid: Mask | None = None) -> Prepared:
        """Prepare one image; spacing plays no part."""
        del spacing
        plane, valid = _without_invalid(plane, valid, is_bscan=not self.color)
        largest = np.iinfo(plane.dtype).max if plane.dtype.kind in "ui" else None
        values = to_float(plane)
        values /= largest if largest else max(float(values.max()), 1e-12)
        pixels = to_rgb(values) if self.color else to_grey(values)[..., np.newaxis]
        grid = pixels.shape[0], pixels.shape[1]
        working = (self.rows or grid[0], self.columns or grid[1])
        tensor = resize(pixels, working).reshape(*working, -1)
        return Prepared(tensor, Geometry(grid, (0, 0, *grid), working, valid=valid))


Preprocessing = OctPreprocessing | FundusPreprocessing | ResizePreprocessing


def find_field(plane: Plane) -> FieldOfView:
    """Find the field of view of a photograph of any type and number of channels."""
    finite = to_float(plane) if plane.dtype.kind == "f" else plane
    return detect_fov(finite[..., :3] if finite.ndim == 3 else finite)


def prepare_plane(
    how: Preprocessing,
    plane: Plane,
    spacing: Spacing,
    *,
    valid: Mask | None = None,
    field: FieldOfView | None = None,
) -> Prepared:
    """Prepare a plane; a field of view that is given counts for photographs, whatever the model."""
    if isinstance(how, FundusPreprocessing):
        return how.prepare(plane, spacing, valid=valid, field=field)
    prepared = how.prepare(plane, spacing, valid=valid)
    if field is None:
        return prepared
    return replace(prepared, geometry=replace(prepared.geometry, field=field))


def _without_invalid(
    plane: Plane, stated: Mask | None, *, is_bscan: bool = False
) -> tuple[Plane, Mask | None]:
    """Replace pixels that hold no data by their neighbours; return also which pixels hold some."""
    check_plane(plane)
    valid = combine_valid(plane, stated, is_bscan=is_bscan)
    if valid is None:
        return plane, None
    if not valid.any():
        raise ImageError(
            "The image holds no data, only padding or markers of invalid pixels: there is nothing"
            " to segment. Check the file."
        )
    filled = fill_invalid(plane, valid)
    check_plane(filled)
    return filled, valid


def rescale_intensity(values: Tensor, valid: Mask | None = None) -> Tensor:
    """Map the 1st and the 99.5th percentile of the valid pixels to 0 and 1, and clip."""
    seen = values[::2, ::2]
    if valid is not None:
        seen = seen[valid[::2, ::2]] if valid[::2, ::2].any() else values[valid]
    low, high = np.percentile(seen, [1, 99.5])
    if low == high:
        low, high = values.min(), values.max()
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)

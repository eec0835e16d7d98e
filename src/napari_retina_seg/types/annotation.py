"""`Annotation`: a mask with its boundaries, by a person or a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.errors import ImageError

IGNORE = 255  # in the files of masks: no class, but what counts for nothing


@dataclass(frozen=True, eq=False)
class Annotation:
    """A mask with its boundaries, on the image's own grid.

    Attributes
    ----------
    labels : array
        uint8 class values, ``(rows, columns)`` or ``(slices, rows, columns)``.
    boundaries : array or None
        float32 heights in px, ``(boundaries, columns)`` or ``(slices, boundaries, columns)``, NaN
        where unknown; for schemes with surfaces.
    ignore : array or None
        bool, shape of the labels: True where nothing is known, because the image holds no data or a
        grader marked the place as questionable. It becomes `IGNORE` in files.
    probabilities : array or None
        ``(classes, rows, columns)`` or ``(slices, classes, rows, columns)``, float16 where a model
        made them; masks by people have none.

    Raises
    ------
    ImageError
        If the shape or dtype of one does not fit.
    """

    labels: npt.NDArray[np.uint8]
    boundaries: npt.NDArray[np.float32] | None = None
    ignore: npt.NDArray[np.bool_] | None = None
    probabilities: npt.NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        labels = self.labels
        if labels.dtype != np.uint8 or labels.ndim not in (2, 3):
            raise ImageError(
                "Labels are uint8 of shape (rows, columns) or (slices, rows, columns): received"
                f" {labels.dtype} {labels.shape}."
            )
        *slices, rows, columns = labels.shape
        _check("Ignored pixels", self.ignore, np.bool_, labels.shape)
        _check("Boundaries", self.boundaries, np.float32, (*slices, None, columns))
        _check("Probabilities", self.probabilities, np.floating, (*slices, None, rows, columns))

    @property
    def is_volume(self) -> bool:
        """Whether there is a slice axis."""
        return self.labels.ndim == 3

    def raster(self) -> npt.NDArray[np.uint8]:
        """Return the labels as they go into files, with `IGNORE` where they are ignored."""
        if self.ignore is None or not self.ignore.any():
            return self.labels
        return np.where(self.ignore, np.uint8(IGNORE), self.labels)

    def equals(self, other: Annotation) -> bool:
        """Whether labels, boundaries and ignored pixels are equal; NaN equals NaN."""
        return all(
            _same(one, two)
            for one, two in (
                (self.labels, other.labels),
                (self.boundaries, other.boundaries),
                (self.ignore, other.ignore),
            )
        )


def _same(one: npt.NDArray[Any] | None, two: npt.NDArray[Any] | None) -> bool:
    if one is None or two is None:
        return one is two
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def _check(
    what: str, array: npt.NDArray[Any] | None, dtype: type, shape: tuple[int | None, ...]
) -> None:
    if array is None:
        return
    fits = len(array.shape) == len(shape) and all(
        size in (None, have) for size, have in zip(shape, array.shape, strict=True)
    )
    if not np.issubdtype(array.dtype, dtype) or not fits:
        expected = ", ".join("n" if size is None else str(size) for size in shape)
        raise ImageError(
            f"{what} of this mask are {dtype.__name__} of shape ({expected}): received"
            f" {array.dtype} {array.shape}."
        )

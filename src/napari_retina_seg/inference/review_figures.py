"""What a prediction says about how much its correction would teach; see `metrics.expected_gain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.editing.open_places import find_open_places
from napari_retina_seg.metrics.expected_gain import ReviewFigures
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme

Array = npt.NDArray[np.float64]

_WRONG = 0.1  # share of a column's layers expected to be wrong, above which it is uncertain
_SURE = 0.75  # probability of its class below which a drawn pixel is uncertain
_GRID = 3  # rows and columns of fields in which the share of drawn pixels is a feature
_EMPTY = 1e-6
_SLICES = 32  # of a volume, evenly spread, that are looked at: neighbours say the same


def find_review_figures(
    image: RetinaImage, drawn: Annotation, scheme: LabelScheme
) -> ReviewFigures:
    """Compute what speaks for correcting an image soon.

    Of layers a column counts as uncertain if nothing is drawn in it or, by the probabilities, more
    than a tenth of its drawn pixels are expected to be wrong; of other classes a drawn pixel does
    if the probability of its class is below 0.75. Features are statistics of brightness and of the
    mask, each in units that do not depend on the size of the image.

    Parameters
    ----------
    image : RetinaImage
        The image.
    drawn : Annotation
        A prediction of it with probabilities.
    scheme : LabelScheme
        Its classes.

    Raises
    ------
    ImageError
        If a slice can't be read.
    """
    count = image.n_slices
    chosen = np.unique(np.linspace(0, count - 1, min(count, _SLICES)).round().astype(int)).tolist()
    planes = [_Plane(image, drawn, scheme, index) for index in chosen]
    planes = [each for each in planes if each.labels.any()] or planes[:1]
    places = find_open_places(drawn.labels, scheme, drawn.ignore)
    columns = sum(place.last - place.first + 1 for place in places)
    return ReviewFigures(
        uncertain=float(np.mean([each.uncertain() for each in planes])),
        implausible=min(1.0, columns / (count * drawn.labels.shape[-1])),
        place=places[0].text if places else "",
        features=tuple(np.mean([each.features() for each in planes], axis=0).round(5).tolist()),
    )


class _Plane:
    """One slice with its prediction."""

    def __init__(
        self, image: RetinaImage, drawn: Annotation, scheme: LabelScheme, index: int
    ) -> None:
        part = index if drawn.is_volume else ...
        self.labels = drawn.labels[part]
        assert drawn.probabilities is not None  # noqa: S101 - see `find_review_figures`
        self.sure = drawn.probabilities[part].max(axis=0).astype(np.float32)
        self.scheme = scheme
        self.grey = _grey(image.plane(index), color=image.color)
        valid = image.valid_plane(index)
        self.valid = np.ones(self.labels.shape, bool) if valid is None else valid

    def uncertain(self) -> float:
        drawn = self.labels > 0
        if not drawn.any():
            return 1.0
        if not self.scheme.surfaces:
            return float((self.sure[drawn] < _SURE).mean())
        seen = self.valid.any(axis=0)
        if not seen.any():
            return 1.0
        wrong = np.where(drawn, 1 - self.sure, 0).sum(axis=0)
        is_sure = (wrong <= _WRONG * drawn.sum(axis=0)) & drawn.any(axis=0)
        return float((~is_sure)[seen].mean())

    def features(self) -> Array:
        values = self.grey[self.valid]
        if not values.size:
            values = self.grey.ravel()
        spread = max(float(values.std()), _EMPTY)
        sharpness = cv2.Laplacian(self.grey, cv2.CV_32F, ksize=1)[self.valid].std() / spread
        looks = [float(values.mean()), spread, float(sharpness), *_shares(self.labels > 0)]
        for one in self.scheme.classes[1:]:
            drawn = self.labels == one.value
            looks += self._class_features(drawn, float(values.mean()), spread)
        return np.nan_to_num(np.array(looks, np.float64))

    def _class_features(
        self, drawn: npt.NDArray[np.bool_], mean: float, spread: float
    ) -> list[float]:
        """Return share, evenness along the columns, contrast and height of a class."""
        rows = drawn.shape[0]
        thick = drawn.sum(axis=0)
        if not thick.any():
            return [0.0] * 4
        contrast = (float(self.grey[drawn].mean()) - mean) / spread
        height = float(np.nonzero(drawn)[0].mean()) / rows
        return [float(thick.mean()) / rows, float(thick.std()) / rows, contrast, height]


def _grey(plane: npt.NDArray[Any], *, color: bool) -> npt.NDArray[np.float32]:
    """Return brightness, 0 … 1 of a type of whole numbers."""
    whole = np.iinfo(plane.dtype).max if plane.dtype.kind in "ui" else 1.0
    values = np.nan_to_num(np.asarray(plane[..., :3] if color else plane, np.float32) / whole)
    return np.ascontiguousarray(values.mean(axis=-1) if color else values, np.float32)


def _shares(drawn: npt.NDArray[np.bool_]) -> Sequence[float]:
    """Return the share of drawn pixels in each field of a grid."""
    return [
        float(field.mean()) if field.size else 0.0
        for rows in np.array_split(drawn, _GRID)
        for field in np.array_split(rows, _GRID, axis=1)
    ]

"""Measure how well a mask fits an image, compared with shifted and rotated copies.

The fit is the correlation ratio η (Fisher 1925): how much of the variance of the locally
normalised grey levels the classes explain. It needs no knowledge of how bright a class is, so that
it serves layers, lesions and vessels of any camera. Of two classes it is the correlation
coefficient, whose sign says whether the foreground is brighter or darker than what lies around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_retina_seg.datasets.labelled import Labels
from napari_retina_seg.imaging.invalid_pixels import Mask
from napari_retina_seg.imaging.pixels import Plane, resize, to_float, to_grey

Grey = npt.NDArray[np.float32]

SIDE = 256  # px along the longer side: enough for the vessels of a photograph
_SIGMA = SIDE / 48  # px, of the local mean
_FLOOR = 0.3  # of the spread of all detail: what is fainter is taken for flat
_REACH = 0.25  # of either side: how far a mask is shifted
_FAR = 12  # px from which on a shifted mask stands for any other mask
_ABOVE = 254  # class of the background above the foreground, which looks unlike that below
_LEAST_SPREAD = 0.01  # of fits by chance
_LAYERED = 3  # classes in a column that make it one of layers

Turn = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
TURNS: dict[str, Turn] = {
    "mirrored left to right": lambda mask: mask[:, ::-1],
    "mirrored top to bottom": lambda mask: mask[::-1],
    "turned by 180°": lambda mask: mask[::-1, ::-1],
}
SQUARE_TURNS: dict[str, Turn] = {
    **TURNS,
    "turned by 90° to the left": np.rot90,
    "turned by 90° to the right": lambda mask: np.rot90(mask, -1),
    "mirrored along its diagonal": lambda mask: mask.T,
    "mirrored along its other diagonal": lambda mask: mask[::-1, ::-1].T,
}


@dataclass(frozen=True, eq=False)
class ComparedImage:
    """An image with its mask, downsampled for comparison.

    Attributes
    ----------
    detail : array
        ``(rows, columns)`` float16: grey levels less their local mean, by their local contrast.
    mask : array
        ``(rows, columns)`` uint8: classes, or, of two classes, 255 times the share of foreground.
    shape : tuple of int
        Of the image in px.
    binary : bool
        Whether there are two classes.
    layered : bool
        Whether most columns that have foreground have several classes.
    """

    detail: npt.NDArray[np.float16]
    mask: npt.NDArray[np.uint8]
    shape: tuple[int, int]
    binary: bool
    layered: bool

    @property
    def scale(self) -> float:
        """Pixels of the image in one of the pattern."""
        return float(max(self.shape) / max(self.mask.shape))

    @property
    def turns(self) -> dict[str, Turn]:
        """The rotations and reflections possible for this shape."""
        return SQUARE_TURNS if self.shape[0] == self.shape[1] else TURNS


def make_pattern(pixels: Plane, labels: Labels, valid: Mask | None = None) -> ComparedImage | None:
    """Downsample an image with its mask.

    Parameters
    ----------
    pixels : array
        ``(rows, columns)`` or ``(rows, columns, 3)``, of which the green channel counts: vessels
        are darkest there.
    labels : array
        ``(rows, columns)`` uint8 classes.
    valid : array, optional
        ``(rows, columns)`` bool: which pixels hold data; the others count for no class.

    Returns
    -------
    ComparedImage or None
        None where nothing can be compared: sizes differ, or there is one class only.
    """
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    values = np.unique(labels)
    if pixels.shape[:2] != shape or len(values) < 2:
        return None
    factor = min(1.0, SIDE / max(shape))
    size = (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))
    binary = len(values) == 2
    if binary:
        share = (labels == values[1]).astype(np.float32)
        mask = np.rint(255 * resize(share, size)).astype(np.uint8)
    else:
        mask = _shrink_classes(labels, values, size)
    grey = to_float(pixels[..., 1] if pixels.ndim == 3 else pixels)
    detail = _normalise(resize(to_grey(grey), size))
    if valid is not None:
        detail[resize(valid.astype(np.float32), size) < 1] = 0
    return ComparedImage(
        detail.astype(np.float16), mask, shape, binary, not binary and _layered(labels)
    )


def _shrink_classes(labels: Labels, values: Labels, size: tuple[int, int]) -> Labels:
    """Keep the class that has most of each pixel."""
    most = np.full(size, -1, np.float32)
    mask = np.zeros(size, np.uint8)
    for value in values:
        share = resize((labels == value).astype(np.float32), size)
        better = share > most
        mask[better], most[better] = value, share[better]
    return mask


def _normalise(grey: Grey) -> Grey:
    detail = grey - cv2.GaussianBlur(grey, (0, 0), _SIGMA)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 2 * _SIGMA))
    flat = _FLOOR * float(detail.std()) + np.finfo(np.float32).tiny
    return np.asarray(detail / (contrast + flat), np.float32)


def _layered(labels: Labels) -> bool:
    columns = labels[:, :: max(1, labels.shape[1] // 64)]
    classes = np.array([len(np.unique(column)) - 1 for column in columns.T])
    drawn = classes[classes > 0]
    return bool(len(drawn) and np.median(drawn) >= _LAYERED)


def _channels(mask: npt.NDArray[np.uint8], *, binary: bool) -> npt.NDArray[np.float32]:
    """Return the share of each class in each pixel, ``(classes, rows, columns)``."""
    if binary:
        share = mask.astype(np.float32) / 255
        return np.stack([1 - share, share])
    split = _split_background(mask)
    return np.stack([split == value for value in np.unique(split)]).astype(np.float32)


def _split_background(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Separate the background above the foreground (vitreous) from that below."""
    split = mask.copy()
    split[np.maximum.accumulate(mask, axis=0) == 0] = _ABOVE
    return split


def fit(image: ComparedImage, mask: ComparedImage) -> float:
    """Return how well the mask of one pattern fits the image of another of the same shape.

    Returns
    -------
    float
        -1 to 1; negative only if there are two classes and the foreground is the darker one.
    """
    return _fit(image, mask.mask, binary=mask.binary)


def fit_turned(pattern: ComparedImage, turn: Turn) -> float:
    """Return how well the mask fits its image after it is turned."""
    return _fit(pattern, np.ascontiguousarray(turn(pattern.mask)), binary=pattern.binary)


def _fit(image: ComparedImage, mask: npt.NDArray[np.uint8], *, binary: bool) -> float:
    detail = image.detail.astype(np.float32).ravel()
    if binary:
        share = mask.ravel().astype(np.float32) / 255
        marked = float(share @ detail)
        sums = np.array([float(detail.sum()) - marked, marked])
        sizes = np.array([len(share) - float(share.sum()), float(share.sum())])
    else:
        classes = _split_background(mask).ravel()
        sums, sizes = np.bincount(classes, detail, 256), np.bincount(classes, minlength=256)
    squares = np.array([float(detail @ detail)])
    return float(_ratio(sums[:, None], sizes[:, None], squares, binary=binary)[0])


def _ratio(
    sums: npt.NDArray[np.floating],
    sizes: npt.NDArray[np.floating],
    squares: npt.NDArray[np.floating],
    *,
    binary: bool,
) -> npt.NDArray[np.floating]:
    """Return η from sums of grey levels and sizes by class, first axis, and sums of squares."""
    sizes = np.maximum(sizes, 1e-6)
    total = np.square(sums.sum(0)) / sizes.sum(0)
    explained = (np.square(sums) / np.maximum(sizes, 0.5)).sum(0) - total
    share = np.sqrt(np.clip(explained / np.maximum(squares - total, 1e-6), 0, 1))
    if binary:
        share = share * np.sign(sums[1] / sizes[1] - sums[0] / sizes[0])
    return np.asarray(share)


def standing(pattern: ComparedImage) -> float:
    """Return how far the fit of a mask stands out from those of turned and shifted copies of it.

    Returns
    -------
    float
        In standard deviations of theirs; about 0 for the mask of another image. Only the mean of
        many images is meaningful where what was drawn is faint.
    """
    mask, binary = pattern.mask, pattern.binary
    columns = range(_FAR, mask.shape[1] - _FAR + 1, _FAR)
    copies = [np.roll(mask, column, 1) for column in columns]
    copies += [np.ascontiguousarray(turn(mask)) for turn in TURNS.values()]
    fits = [abs(_fit(pattern, copy, binary=binary)) for copy in copies]
    own = abs(_fit(pattern, mask, binary=binary))
    return float((own - np.mean(fits)) / (np.std(fits) + _LEAST_SPREAD))


@dataclass(frozen=True)
class Shifts:
    """How well shifted masks fit.

    Attributes
    ----------
    best : float
        The best fit of any shift.
    rows, columns : int
        By how many px of the image the mask must be moved, down and to the right, to fit best.
    chance : float
        The mean fit of masks that are shifted far, which fit by chance.
    spread : float
        The standard deviation of these.
    """

    best: float
    rows: int
    columns: int
    chance: float
    spread: float


def fit_shifted(pattern: ComparedImage, *, darker: bool = False) -> Shifts:
    """Find how well the mask fits its image after it is shifted.

    Parameters
    ----------
    pattern : ComparedImage
        Image and mask.
    darker : bool
        Whether the foreground, of two classes, is to be darker than what lies around it: then the
        sign of its fit is turned.
    """
    detail = pattern.detail.astype(np.float32)
    channels = _channels(pattern.mask, binary=pattern.binary)
    reach = tuple(max(1, int(_REACH * side)) for side in detail.shape)
    correlate = _Correlator(detail.shape, reach)
    ones = np.ones_like(detail)
    image, whole = correlate.transform(detail), correlate.transform(ones)
    masks = [correlate.transform(channel) for channel in channels]
    sums = np.stack([correlate(image, mask) for mask in masks])
    sizes = np.stack([correlate(whole, mask) for mask in masks])
    squares = correlate(correlate.transform(np.square(detail)), whole)
    fits = _ratio(sums, sizes, squares, binary=pattern.binary)
    fits = -fits if darker else fits
    row, column = np.unravel_index(int(fits.argmax()), fits.shape)
    down, right = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    far = fits[np.maximum(abs(down), abs(right)) >= min(_FAR, *reach)]
    return Shifts(
        best=float(fits[row, column]),
        rows=round((int(row) - reach[0]) * pattern.scale),
        columns=round((int(column) - reach[1]) * pattern.scale),
        chance=float(far.mean()),
        spread=float(far.std()),
    )


class _Correlator:
    """Sums of an image's product with a shifted mask, for all shifts, by Fourier transforms."""

    def __init__(self, shape: tuple[int, ...], reach: tuple[int, ...]) -> None:
        self._reach = reach
        # Room for the shifts, so that nothing comes in again on the other side.
        sizes = [side + far for side, far in zip(shape, reach, strict=True)]
        self._size = [fft.next_fast_len(size, real=True) for size in sizes]

    def transform(self, values: Grey) -> npt.NDArray[np.complex64]:
        return np.asarray(fft.rfft2(values, self._size))

    def __call__(
        self, image: npt.NDArray[np.complex64], mask: npt.NDArray[np.complex64]
    ) -> npt.NDArray[np.float32]:
        sums = np.roll(fft.irfft2(image * np.conj(mask), self._size), self._reach, (0, 1))
        rows, columns = self._reach
        return np.asarray(sums[: 2 * rows + 1, : 2 * columns + 1], np.float32)

"""Find the pixels of an image that hold no data, and fill them for a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.image import Modality, RetinaImage

Plane = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_HUGE = 1e30  # beyond it a value is a marker such as FLT_MAX, and squares overflow float32
_MOST_MARKERS = 4  # that are looked for at either end of the range
_LEAST_DATA = 0.05  # share of the pixels that must be left as data
_LEAST_VALUES = 32  # distinct values of a natural image; drawings have fewer
_LEAST_COUNT = 4  # px that hold a marker; less is a hot pixel
_FAR = 1.0  # gap to the other values, in their range, that alone makes a value a marker
_ISOLATED = 0.1  # gap that makes it one where it fills areas
_AREA = 16  # px of a connected area
_CONVEX = 0.98  # share of its convex hull that an area of padding fills
_GRAPHIC = 0.0005  # share of an image that a burnt-in bar or margin takes at least
_FRINGE = 8  # px beside a drawn area that JPEG, which works in blocks of 8, may have blurred
_LOSSY = 0.05  # of the range, by which lossy compression changes what is drawn in one value
_HANGING = 0.95  # share of a drawn margin that reaches from the edge without a gap
_TALL = 6  # heights over widths of what is drawn along the left or the right edge, at least
_SOLID = 0.98  # share of its box that a bar fills


def combine_valid(
    plane: Plane, stated: Mask | None = None, *, is_bscan: bool = False
) -> Mask | None:
    """Return which pixels hold data, by the file and by the pixels themselves.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, channels)``, any real dtype.
    stated : array, optional
        ``(rows, columns)`` bool: what the file says.
    is_bscan : bool
        Whether it is an OCT B-scan; see `find_invalid`.

    Returns
    -------
    array or None
        ``(rows, columns)`` bool, False where there is no data; None if there is data everywhere.
    """
    found = find_invalid(plane, stated, is_bscan=is_bscan)
    if found is None:
        return None if stated is None or stated.all() else stated
    return ~found if stated is None else stated & ~found


def find_invalid(
    plane: Plane, stated: Mask | None = None, *, is_bscan: bool = False
) -> Mask | None:
    """Find pixels that hold a marker instead of a measurement.

    These are NaN, infinities and values beyond 1e30; a value at either end of the range that is
    repeated exactly and lies apart from all others, such as -9999 or 65535 in a 12-bit scan. A
    saturated scan's largest value is none: the values below it occur too. Of a B-scan also
    columns of one value, and margins and bars that are drawn in the largest value, or near it where
    lossy compression has changed it: areas that fill their box or reach the edge without a gap,
    which saturated tissue does not.

    Parameters
    ----------
    plane : array
        ``(rows, columns)`` or ``(rows, columns, channels)``, any real dtype. A coloured pixel is
        marked if all of its first three channels hold the marker, or one is not finite.
    stated : array, optional
        ``(rows, columns)`` bool: False where the file says that there is no data; the other
        values are looked at alone.
    is_bscan : bool
        Whether it is an OCT B-scan. The surround of a photograph is black, which is outside of
        the field of view and not without data.

    Returns
    -------
    array or None
        ``(rows, columns)`` bool, True where there is no data; None if there are no such pixels.
    """
    if plane.dtype.kind == "b" or (plane.ndim == 3 and plane.dtype == np.uint8):
        return None
    grey = plane[..., 0] if plane.ndim == 3 else plane
    invalid = np.zeros(grey.shape, bool)
    if plane.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            usable = np.abs(plane) < _HUGE  # false for NaN too
        invalid |= ~(usable if plane.ndim == 2 else usable[..., :3].all(axis=2))
    known = invalid if stated is None else invalid | ~stated
    markers = _find_markers(grey[~known] if known.any() else grey, grey, is_bscan)
    for value in markers:
        invalid |= _holds(plane, value)
    if is_bscan and not _is_drawing(grey):
        drawn = _drawn_areas(grey, invalid if stated is None else invalid | ~stated)
        invalid |= drawn | _constant_columns(grey)
    return invalid if invalid.any() else None


def find_no_data(image: RetinaImage) -> Mask | None:
    """Find all pixels of an image or a volume that hold no data, by its file and by their values.

    Returns
    -------
    array or None
        bool, ``(rows, columns)`` or ``(slices, rows, columns)``, True where there is no data; None
        if there is data everywhere.
    """
    is_bscan = image.modality is Modality.OCT
    shape = (image.n_slices, *image.grid) if image.is_volume else image.grid
    invalid = np.zeros(shape, bool)
    for index, part in enumerate(invalid.reshape(-1, *image.grid)):
        valid = combine_valid(image.plane(index), image.valid_plane(index), is_bscan=is_bscan)
        if valid is not None:
            part[:] = ~valid
    return invalid if invalid.any() else None


def valid_range(
    image: RetinaImage, indices: Sequence[int] | None = None
) -> tuple[float, float] | None:
    """Return the least and the largest value of the pixels that hold data.

    Parameters
    ----------
    image : RetinaImage
        A grey image or volume.
    indices : sequence of int, optional
        The slices to look at; by default the first, the middle and the last.

    Returns
    -------
    tuple of float or None
        None if all pixels hold data, or none does.
    """
    last = image.n_slices - 1
    wanted = sorted({0, last // 2, last}) if indices is None else indices
    is_bscan = image.modality is Modality.OCT
    low, high, marked = np.inf, -np.inf, False
    for index in wanted:
        plane = image.plane(index)
        valid = combine_valid(plane, image.valid_plane(index), is_bscan=is_bscan)
        marked |= valid is not None
        seen = plane if valid is None else plane[valid]
        if seen.size:
            low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    return (low, high) if marked and low < high else None


def fill_invalid(values: Plane, valid: Mask | None) -> Plane:
    """Give pixels without data the value of the nearest that has some.

    Parameters
    ----------
    values : array
        ``(rows, columns)`` or ``(rows, columns, channels)``.
    valid : array or None
        ``(rows, columns)`` bool.

    Returns
    -------
    array
        A copy; or `values` themselves, if all or none are valid.
    """
    if valid is None or valid.all() or not valid.any():
        return values
    _, nearest = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # The labels of valid pixels are their own, so that they translate a label to a pixel.
    position = np.zeros(int(nearest.max()) + 1, np.intp)
    position[nearest[valid]] = np.flatnonzero(valid)
    flat = values.reshape(valid.size, -1)
    return np.asarray(flat[position[nearest.ravel()]].reshape(values.shape))


@dataclass(frozen=True)
class _End:
    """The value at one end of a range, and how far it lies from the others."""

    value: Any
    count: int
    gap: float
    span: float


def _find_markers(values: Plane, grey: Plane, is_bscan: bool) -> list[Any]:
    """Return the values that are markers, outermost first."""
    markers: list[Any] = []
    rest = values.ravel()
    least = _LEAST_DATA * rest.size
    for sign in (1, -1):
        for _ in range(_MOST_MARKERS):
            end = _inspect_end(rest, sign)
            if end is None or rest.size - end.count < least or not _is_marker(end, grey, is_bscan):
                break
            markers.append(end.value)
            rest = rest[rest != end.value]
    if markers and len(np.unique(rest)) < _LEAST_VALUES:
        return []
    return markers


def _inspect_end(values: Plane, sign: int) -> _End | None:
    if not values.size:
        return None
    value, other = (values.max(), values.min()) if sign > 0 else (values.min(), values.max())
    if value == other:
        return None
    inner = values[values != value]
    nearest = inner.max() if sign > 0 else inner.min()
    # As Python's numbers: differences of small integer types would overflow.
    gap, span = abs(value.item() - nearest.item()), abs(nearest.item() - other.item())
    return _End(value, values.size - inner.size, gap, span)


def _is_marker(end: _End, grey: Plane, is_bscan: bool) -> bool:
    if end.count < _LEAST_COUNT or not end.span:
        return False
    if end.value == 0 and not is_bscan:
        return False  # the black surround of a photograph
    if end.gap > _FAR * end.span:
        return True
    lone_negative = end.value < 0 <= end.value + end.gap
    if not (end.gap > _ISOLATED * end.span or lone_negative):
        return False
    held = grey == end.value
    # A dark background that was cut off at a threshold is 0, too.
    return _is_padding(held) if end.value == 0 else _fills_areas(held)


def _fills_areas(held: Mask) -> bool:
    """Whether most of some pixels lie in connected areas."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(held.astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return bool(areas[areas >= _AREA].sum() > 0.5 * areas.sum())


def _is_padding(held: Mask) -> bool:
    """Whether pixels form few areas with straight edges, as those of tissue and noise are not."""
    outlines, _ = cv2.findContours(held.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hulls = np.zeros(held.shape, np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(hulls, cv2.convexHull(outline), 1)
    return bool(np.count_nonzero(held) >= _CONVEX * np.count_nonzero(hulls))


def _holds(plane: Plane, value: Any) -> Mask:
    same = plane == value
    return np.asarray(same if plane.ndim == 2 else same[..., :3].all(axis=2))


def _is_drawing(grey: Plane) -> bool:
    """Whether there are few values: areas of one value mean nothing there."""
    thin = grey[:: max(1, grey.shape[0] // 128), :: max(1, grey.shape[1] // 128)]
    return len(np.unique(thin)) < _LEAST_VALUES


def _constant_columns(grey: Plane) -> Mask:
    constant = (grey == grey[:1]).all(axis=0)
    return np.broadcast_to(constant, grey.shape)


def _drawn_areas(grey: Plane, known: Mask) -> Mask:
    """Find margins and bars in the largest value that is left, or near it after compression."""
    found = np.zeros(grey.shape, bool)
    rest = grey[~known]
    if not rest.size:
        return found
    brightest, darkest = float(rest.max()), float(rest.min())
    # Columns of one value may be part of a bar that compression has changed elsewhere.
    alone = ~known & ~_constant_columns(grey)
    for tolerance, allowed, drawn_part in (
        (0.0, alone, _exact_part),
        (_LOSSY, ~known, _bar_part),
        (2 * _LOSSY, ~known, _margin_part),
    ):
        bright = (grey >= brightest - tolerance * (brightest - darkest)) & allowed
        for piece in _large_pieces(bright):
            found[piece.box] |= drawn_part(piece)
    return found | _fringe(grey, found, rest.max()) if found.any() else found


@dataclass(frozen=True, eq=False)
class _Piece:
    """A connected area: its pixels in the box around it, and the edges that it reaches."""

    box: tuple[slice, slice]
    pixels: Mask
    edges: frozenset[str]


def _large_pieces(bright: Mask) -> Iterator[_Piece]:
    least = max(_AREA, _GRAPHIC * bright.size)
    if np.count_nonzero(bright) < least:
        return
    pieces, labels, stats, _ = cv2.connectedComponentsWithStats(
        bright.astype(np.uint8), connectivity=4
    )
    rows, columns = bright.shape
    for piece in range(1, pieces):
        left, top, width, height, area = map(int, stats[piece])
        if area < least or min(width, height) < 2:
            continue
        reached = top == 0, top + height == rows, left == 0, left + width == columns
        names = ("top", "bottom", "left", "right")
        box = slice(top, top + height), slice(left, left + width)
        edges = frozenset(name for name, is_it in zip(names, reached, strict=True) if is_it)
        yield _Piece(box, labels[box] == piece, edges)


def _exact_part(piece: _Piece) -> Mask:
    """Return all of an area of exactly one value that fills its box, or is a margin."""
    filled = float(piece.pixels.mean())
    at_edge = bool(piece.edges & {"top", "bottom"}) and min(piece.pixels.shape) >= 4
    return piece.pixels & (filled >= _SOLID or (at_edge and filled >= 0.3))


def _bar_part(piece: _Piece) -> Mask:
    """Return the box that an area of about one value fills but for ragged lines around it."""
    pixels = piece.pixels
    inner = np.ix_(pixels.mean(axis=1) > 0.5, pixels.mean(axis=0) > 0.5)
    filled, nothing = pixels[inner], np.zeros_like(pixels)
    if not filled.size or min(filled.shape) < 2 or filled.mean() < _SOLID:
        return nothing
    if filled.sum() < 0.75 * pixels.sum():
        return nothing
    nothing[inner] = True
    return nothing


def _margin_part(piece: _Piece) -> Mask:
    """Return what reaches an edge without a gap, if that is most of an area of about one value.

    Saturated tissue has gaps; but layers run to the left and right without any, so that an area
    along those edges has to be much taller than wide.
    """
    height, width = piece.pixels.shape
    found = np.zeros_like(piece.pixels)
    for edge in piece.edges:
        is_beside = edge in {"left", "right"}
        if height < _TALL * width if is_beside else min(height, width) < 4:
            continue
        turns = {"top": 0, "left": 3, "bottom": 2, "right": 1}[edge]
        from_edge = np.rot90(piece.pixels, turns)
        hanging = np.rot90(np.logical_and.accumulate(from_edge, axis=0), -turns)
        if hanging.sum() >= _HANGING * piece.pixels.sum():
            found |= hanging
    return found


def _fringe(grey: Plane, found: Mask, brightest: Any) -> Mask:
    """Return bright pixels beside drawn areas, which lossy compression has blurred."""
    near = cv2.dilate(found.astype(np.uint8), np.ones((2 * _FRINGE + 1,) * 2, np.uint8))
    darkest = grey[np.isfinite(grey)].min() if grey.dtype.kind == "f" else grey.min()
    bright = grey >= darkest + 0.75 * (brightest - float(darkest))
    return np.asarray(near.astype(bool) & bright)

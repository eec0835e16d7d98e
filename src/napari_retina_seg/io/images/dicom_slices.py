"""Order, spacing and position of slices from DICOM headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from napari_retina_seg.io.images.dicom_attributes import (
    first_item,
    number_of,
    read_pixel_mm,
    value_of,
)
from napari_retina_seg.types.image import Placement

_EVEN = 0.05  # steps that differ by less of their mean are even
_PARALLEL = 0.999  # cosine between the normals of slices of one stack
_MOST_FRAMES = 2**20  # along one dimension
_SAME_MM = 1e-4  # positions nearer to each other are one

_Vector = npt.NDArray[np.float64]
_Value = TypeVar("_Value")


@dataclass(frozen=True, eq=False)
class Frame:
    """Position attributes of one frame.

    Attributes
    ----------
    position : array or None
        ``(3,)``: the middle of its first pixel in the patient, in mm.
    axes : array or None
        ``(2, 3)``: the directions in which columns and rows count up.
    location : float or None
        Where it lies along an axis of unknown direction, in mm.
    line : array or None
        ``(4,)``: row and column of its two ends on a photograph of the retina, in px.
    number : float or None
        Its number among the others.
    """

    position: _Vector | None = None
    axes: _Vector | None = None
    location: float | None = None
    line: _Vector | None = None
    number: float | None = None


@dataclass(frozen=True, eq=False)
class Slices:
    """Order and geometry of the frames of a volume.

    Attributes
    ----------
    order : tuple of int
        For each slice, which frame it is.
    distance : float or None
        From slice to slice, in mm; None if unknown or uneven.
    placement : Placement or None
        Where the pixels of the volume lie.
    warnings : tuple of str
        Sentences to be shown to the user.
    """

    order: tuple[int, ...]
    distance: float | None = None
    placement: Placement | None = None
    warnings: tuple[str, ...] = ()


def read_frames(dataset: Dataset) -> list[Frame]:
    """Read the place of each frame of a file, in the file's order."""
    count = int(dataset.get("NumberOfFrames") or 1)
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    groups = value_of(dataset, "PerFrameFunctionalGroupsSequence") or []
    if count == 1:
        sources = [dataset, shared, *list(groups)[:1]]
        return [_frame(sources, value_of(dataset, "InstanceNumber"))]
    if len(groups) != count:
        return [Frame() for _ in range(count)]
    shared_axes = _orientation([shared, dataset])
    frames = [_frame([group], None) for group in groups]
    return [replace(one, axes=shared_axes) if one.axes is None else one for one in frames]


def arrange(
    frames: Sequence[Frame],
    pixel_mm: tuple[float, float] | None,
    stated_distance: float | None,
    *,
    one_file: bool,
) -> Slices:
    """Order frames by position, then by number; frames with neither keep their stored order.

    Parameters
    ----------
    frames : sequence of Frame
        In the order in which they are stored, or files are named.
    pixel_mm : tuple of float or None
        From row to row and from column to column, in mm.
    stated_distance : float or None
        From slice to slice in mm, as the header says: used where there are no positions.
    one_file : bool
        Whether they are the frames of one file. Positions that count down are in order too, and
        are then left so: other files refer to frames by their number.

    Returns
    -------
    Slices
        Distances are measured along the normal of the slices (PS3.3 C.7.6.2.1).
    """
    stored = tuple(range(len(frames)))
    numbers = [frame.number for frame in frames]
    places, is_mm = _places(frames)
    if places is None:
        order = _sorted(numbers) if None not in numbers else stored
        distance = stated_distance if len(frames) > 1 else None
        return Slices(order, distance, _place_one(frames, pixel_mm, stated_distance))
    order = _sorted(numbers, places)
    if one_file and _is_falling(places) and not _is_falling(numbers):
        order = stored
    if not is_mm:
        return Slices(order, stated_distance)
    steps = np.abs(np.diff(np.array(places)[list(order)]))
    if np.ptp(steps) > _EVEN * steps.mean():
        return Slices(order, None, None, (_uneven(steps),))
    distance = float(steps.mean())
    warnings = () if stated_distance is None else _contradiction(distance, stated_distance)
    return Slices(order, distance, _place([frames[k] for k in order], pixel_mm), warnings)


def slice_order(dataset: Dataset) -> tuple[int, ...]:
    """Return for each slice of the image of a DICOM file which of its stored frames it is."""
    return arrange(read_frames(dataset), None, None, one_file=True).order


def read_said_distance(dataset: Dataset) -> float | None:
    """Return the distance of slices in mm that a header states; never their thickness."""
    kinds = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
    groups = (first_item(dataset, kind) for kind in kinds)
    sources = [dataset, *(first_item(group, "PixelMeasuresSequence") for group in groups)]
    spacings = (number_of(value_of(source, "SpacingBetweenSlices")) for source in sources)
    return next((abs(size) for size in spacings if size), None)


def arrange_file(dataset: Dataset) -> Slices:
    """Order the frames of one file; see `arrange`."""
    return arrange(
        read_frames(dataset), read_pixel_mm(dataset), read_said_distance(dataset), one_file=True
    )


def _frame(sources: Sequence[Dataset | None], instance: Any) -> Frame:
    planes = [*(first_item(source, "PlanePositionSequence") for source in sources), sources[0]]
    positions = (_vector(value_of(plane, "ImagePositionPatient"), 3) for plane in planes)
    contents = [first_item(source, "FrameContentSequence") for source in sources]
    numbers = [number_of(value_of(content, "InStackPositionNumber")) for content in contents]
    numbers += [_index(value_of(content, "DimensionIndexValues")) for content in contents]
    numbers += [number_of(instance)]
    locations = [number_of(value_of(source, "SliceLocation")) for source in sources]
    lines = [first_item(source, "OphthalmicFrameLocationSequence") for source in sources]
    ends = [_vector(value_of(line, "ReferenceCoordinates"), 4) for line in lines]
    return Frame(
        position=_first(positions),
        axes=_orientation(sources),
        location=_first(locations),
        line=_first(ends),
        number=_first(numbers),
    )


def _index(values: Any) -> float | None:
    """Make one number of the indices along several dimensions, of which the first counts most."""
    if number_of(values) is not None:
        return number_of(values)
    try:
        return float(reduce(lambda whole, value: whole * _MOST_FRAMES + int(value), values, 0))
    except (TypeError, ValueError, OverflowError):
        return None


def _orientation(sources: Sequence[Dataset | None]) -> _Vector | None:
    planes = [first_item(source, "PlaneOrientationSequence") for source in sources]
    for plane in (*planes, *sources):
        stated = _vector(value_of(plane, "ImageOrientationPatient"), 6)
        if stated is not None:
            axes = stated.reshape(2, 3)
            lengths = np.linalg.norm(axes, axis=1)
            if np.allclose(lengths, 1, atol=0.01) and abs(axes[0] @ axes[1]) < 0.01:
                return np.asarray(axes / lengths[:, None])
    return None


def _first(values: Iterable[_Value | None]) -> _Value | None:
    return next((value for value in values if value is not None), None)


def _vector(value: Any, length: int) -> _Vector | None:
    try:
        vector = np.array([float(number) for number in value], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return vector if vector.shape == (length,) and np.isfinite(vector).all() else None


def _normal(axes: _Vector) -> _Vector:
    return np.asarray(np.cross(axes[0], axes[1]))


def _places(frames: Sequence[Frame]) -> tuple[list[float] | None, bool]:
    """Return where each frame lies along their common axis, and whether in mm."""
    if len(frames) > 1:
        locations = [frame.location for frame in frames if frame.location is not None]
        for places in (places_along_normal(frames), locations):
            if places and len(places) == len(frames) and np.ptp(places) > _SAME_MM:
                return places, True
        places = _across_lines(frames)
        if places and np.ptp(places) > 0:
            return places, False
    return None, False


def _across_lines(frames: Sequence[Frame]) -> list[float] | None:
    """Return how far lines on a photograph are from its corner, in px; None unless parallel."""
    lines = np.array([frame.line for frame in frames if frame.line is not None])
    if len(lines) < len(frames):
        return None
    along = lines[:, 2:] - lines[:, :2]
    lengths = np.linalg.norm(along, axis=1, keepdims=True)
    if not lengths.all():
        return None
    along = along / lengths
    if (np.abs(along @ along[0]) < _PARALLEL).any():
        return None
    normal = np.array((along[0, 1], -along[0, 0]))
    normal = normal * np.sign(normal[np.abs(normal).argmax()])
    return list(map(float, lines[:, :2] @ normal))


def places_along_normal(frames: Sequence[Frame]) -> list[float] | None:
    """Return where parallel frames lie along their normal, in mm; None if that is not known."""
    positions = [frame.position for frame in frames if frame.position is not None]
    if len(positions) < len(frames):
        return None
    points = np.array(positions)
    axes = [frame.axes for frame in frames if frame.axes is not None]
    if len(axes) == len(frames):
        normals = np.array([_normal(each) for each in axes])
        if (normals @ normals[0] < _PARALLEL).any():
            return None  # a radial scan, for one
        return list(map(float, points @ normals[0]))
    # Without orientations the positions lie along the normal if they are on one line.
    middle = points - points.mean(axis=0)
    _, sizes, directions = np.linalg.svd(middle, full_matrices=False)
    if len(sizes) > 1 and sizes[1] > 0.01 * sizes[0]:
        return None
    direction = directions[0] * np.sign(directions[0][np.abs(directions[0]).argmax()])
    return list(map(float, middle @ direction))


def are_apart(frames: Sequence[Frame]) -> bool:
    """Whether frames are parallel and each lies at a position of its own."""
    if len(frames) < 2 or any(frame.position is None for frame in frames):
        return False
    places = places_along_normal(frames)
    return places is not None and bool((np.diff(sorted(places)) > _SAME_MM).all())


def _is_falling(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return len(known) == len(values) and all(a > b for a, b in pairwise(known))


def _sorted(*keys: Sequence[float | None]) -> tuple[int, ...]:
    """Sort by the last key first; frames that are equal stay as they are."""
    order = list(range(len(keys[0])))
    for key in keys:
        known = [value for value in key if value is not None]
        if len(known) == len(key):
            order.sort(key=known.__getitem__)
    return tuple(order)


def _place(frames: Sequence[Frame], pixel_mm: tuple[float, float] | None) -> Placement | None:
    """Return the affine map of parallel slices that lie evenly along a line."""
    first, last = frames[0], frames[-1]
    if pixel_mm is None or first.axes is None or first.position is None or last.position is None:
        return None
    step = (last.position - first.position) / (len(frames) - 1)
    return _affine(first.position, first.axes, pixel_mm, step)


def _place_one(
    frames: Sequence[Frame], pixel_mm: tuple[float, float] | None, distance: float | None
) -> Placement | None:
    """Return the affine map of a single slice, 1 mm thick unless the header says otherwise."""
    frame = frames[0]
    if len(frames) > 1 or pixel_mm is None or frame.axes is None or frame.position is None:
        return None
    return _affine(frame.position, frame.axes, pixel_mm, _normal(frame.axes) * (distance or 1.0))


def _affine(
    origin: _Vector, axes: _Vector, pixel_mm: tuple[float, float], step: _Vector
) -> Placement:
    matrix = np.eye(4)
    matrix[:3, 0] = step
    matrix[:3, 1] = axes[1] * pixel_mm[0]
    matrix[:3, 2] = axes[0] * pixel_mm[1]
    matrix[:3, 3] = origin
    return Placement(matrix)


def _uneven(steps: _Vector) -> str:
    return (
        f"The slices are unevenly spaced ({1000 * steps.min():.4g} to {1000 * steps.max():.4g} µm"
        " apart by their positions): their distance is taken as unknown."
    )


def _contradiction(distance: float, stated: float) -> tuple[str, ...]:
    if abs(stated - distance) <= _EVEN * distance:
        return ()
    return (
        f"The header says that slices are {1000 * stated:.4g} µm apart, their positions"
        f" {1000 * distance:.4g} µm: the positions are used.",
    )

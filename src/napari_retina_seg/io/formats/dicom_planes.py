"""The planes of a DICOM Segmentation, in the order of the slices of its image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from napari_retina_seg.io.images.dicom_slices import (
    Frame,
    arrange,
    places_along_normal,
    read_frames,
    read_said_distance,
)
from napari_retina_seg.types.errors import ReadError

_EVEN = 0.05  # as in `dicom_slices`


def read_planes(
    path: Path, dataset: Dataset, slices: int | None, order: tuple[int, ...] | None
) -> npt.NDArray[Any]:
    """Read the numbers of segments.

    Parameters
    ----------
    path : Path
        The file.
    dataset : Dataset
        What was read of it.
    slices : int or None
        How many slices the image has, if that is known.
    order : tuple of int or None
        For each slice of the image which of its frames it is; by default the positions say it.

    Returns
    -------
    array
        ``(slices, rows, columns)``; 0 where there is no segment.

    Raises
    ------
    ReadError
        If the file belongs to several images or to none, its segments overlap, or are
        probabilities.
    """
    from highdicom.seg import Segmentation

    if "SegmentationType" not in dataset:
        raise ReadError(
            f"'{path}' is a segmentation by surfaces or heights, which is not read: export it as"
            " binary segments or as a label map."
        )
    if str(dataset.SegmentationType) == "FRACTIONAL":
        raise ReadError(
            f"'{path}' holds probabilities, not classes: export it as binary segments or as a"
            " label map."
        )
    seg = Segmentation.from_dataset(dataset)
    images = seg.get_source_image_uids()
    if len(images) != 1:
        raise ReadError(
            f"'{path}' belongs to {len(images)} images: export a mask for each, or one of a volume."
        )
    sources = _source_frames(dataset)
    count = max(slices or 1, *sources)
    if order is None:
        order = _own_order(path, dataset, sources, count)
    try:
        planes = seg.get_pixels_by_source_frame(
            images[0][-1],
            [frame + 1 for frame in order],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
    except RuntimeError as error:
        raise ReadError(
            f"'{path}' has segments that overlap: a mask has one class for each pixel."
        ) from error
    return np.asarray(planes)


def _source_frames(dataset: Dataset) -> list[int]:
    """Return the number of the image's frame that each frame belongs to, from 1."""
    groups: Any = dataset.PerFrameFunctionalGroupsSequence
    return [
        max(
            (
                int(image.get("ReferencedFrameNumber") or 1)
                for derivation in group.get("DerivationImageSequence") or ()
                for image in derivation.SourceImageSequence
            ),
            default=1,
        )
        for group in groups
    ]


def _own_order(path: Path, dataset: Dataset, sources: list[int], count: int) -> tuple[int, ...]:
    """Order the image's frames as `dicom_slices` orders its slices, by the positions here."""
    known = dict(zip(sources, read_frames(dataset), strict=True))
    if len(known) == count:
        frames = [known[number + 1] for number in range(count)]
        return arrange(frames, None, None, one_file=True).order
    if len(known) > 1 and not _is_in_step(known, read_said_distance(dataset)):
        raise ReadError(
            f"'{path}' leaves out slices of an image whose frames may not be in the order of their"
            " positions: add that image to a project, and import the mask there."
        )
    return tuple(range(count))


def _is_in_step(known: dict[int, Frame], distance: float | None) -> bool:
    """Whether positions count up or down with the numbers of frames, by one distance."""
    numbers = sorted(known)
    places = places_along_normal([known[number] for number in numbers])
    if places is None:
        return True  # nothing else is known of the image either
    steps = np.diff(places) / np.diff(numbers)
    expected = abs(float(steps.mean())) if distance is None else distance
    return bool((np.abs(np.abs(steps) - expected) <= _EVEN * expected).all()) and (
        len(set(np.sign(steps))) == 1
    )

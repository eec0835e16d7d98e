"""Duke's B-scans with diabetic macular oedema (Chiu et al. 2015), boundaries by two graders.

A subject is a ``.mat`` file with ``images`` ``(rows, columns, scans)`` and ``manualLayers1`` and
``manualLayers2`` ``(8, columns, scans)``: rows counted from 1, NaN where not traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import Layout, absent, find_visible
from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.io.images.matlab import as_bytes, load_matlab
from napari_retina_seg.types.errors import DataError, ReadError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import DUKE_LAYERS

_Array = npt.NDArray[Any]
_BOUNDARIES = len(DUKE_LAYERS.surfaces)


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    return tuple(
        image for path in find_visible(folder, "Subject_*.mat") for image in _read_subject(path)
    )


def _read_subject(path: Path) -> Iterator[LabelledImage]:
    """List the B-scans that the first grader traced, cropped to the columns with tracings."""
    try:
        first, second = _read_tracings(path)
    except (DataError, ReadError) as error:
        yield _image(path, path.stem, absent(str(error)), absent(str(error)))
        return
    traced = [k for k in range(first.shape[2]) if _run(first[..., k]).stop]
    # A subject is 180 MB when decompressed: that is done once, and what was not traced is dropped.
    read_scans = cache(partial(_read_scans, path, tuple(traced)))
    for place, k in enumerate(traced):
        both = _run(first[..., k] + second[..., k])
        columns = both if both.stop else _run(first[..., k])
        heights = np.maximum.accumulate(first[:, columns, k], axis=0)
        others = np.maximum.accumulate(second[:, columns, k], axis=0) if both.stop else None
        yield _image(
            path,
            f"{path.stem}_{k:02d}",
            partial(_crop, read_scans, place, columns),
            partial(_draw, read_scans, heights),
            heights,
            {"grader2": partial(_draw, read_scans, others)} if others is not None else {},
        )


def _image(
    path: Path,
    name: str,
    read_pixels: Callable[[], _Array],
    read_labels: Callable[[], _Array],
    heights: _Array | None = None,
    references: dict[str, Callable[[], _Array]] | None = None,
) -> LabelledImage:
    return LabelledImage(
        name=name,
        dataset="duke",
        group=path.stem,
        modality=Modality.OCT,
        scheme=DUKE_LAYERS.name,
        path=path,
        read_pixels=read_pixels,
        read_labels=read_labels,
        references=references or {},
        read_heights=None if heights is None else heights.copy,
    )


def _read_tracings(path: Path) -> tuple[_Array, _Array]:
    """Return both graders' boundaries, ``(8, columns, scans)`` with rows counted from 0."""
    found = load_matlab(path, "manualLayers1", "manualLayers2")
    first = found.get("manualLayers1", np.empty(0))
    second = found.get("manualLayers2", np.full_like(first, np.nan, dtype=float))
    if first.ndim != 3 or len(first) != _BOUNDARIES or second.shape != first.shape:
        raise DataError(
            f"'{path}' is not a subject of Chiu et al. 2015: it needs 'manualLayers1' and"
            f" 'manualLayers2' of the shape ({_BOUNDARIES}, columns, scans)."
        )
    return _from_matlab(first), _from_matlab(second)


def _from_matlab(rows: _Array) -> npt.NDArray[np.float64]:
    """Count rows from 0; those before the first are no rows, and became of NaN in some copies."""
    return np.where(rows >= 1, rows, np.nan) - 1


def _run(heights: _Array) -> slice:
    """Return the longest run of columns with all boundaries; an empty one if there is none."""
    traced = np.isfinite(heights).all(axis=0)
    steps = np.diff(np.concatenate([[0], traced.astype(int), [0]]))
    starts, stops = np.flatnonzero(steps > 0), np.flatnonzero(steps < 0)
    if not starts.size:
        return slice(0, 0)
    longest = (stops - starts).argmax()
    return slice(int(starts[longest]), int(stops[longest]))


def _read_scans(path: Path, scans: tuple[int, ...]) -> _Array:
    """Return ``(scans, rows, columns)``, uint8 where that loses nothing."""
    images = load_matlab(path, "images").get("images", np.empty(0))
    if images.ndim != 3 or images.shape[2] <= max(scans):
        raise DataError(f"'{path}' is not a subject of Chiu et al. 2015: it needs its 'images'.")
    return as_bytes(np.moveaxis(images[..., list(scans)], -1, 0))


def _crop(read_scans: Callable[[], _Array], place: int, columns: slice) -> _Array:
    return np.ascontiguousarray(read_scans()[place, :, columns])


def _draw(read_scans: Callable[[], _Array], heights: _Array) -> npt.NDArray[np.uint8]:
    return to_labels(heights, read_scans().shape[1])


LAYOUT = Layout("'Subject_01.mat' with 'manualLayers1' (Chiu et al. 2015)", _read)

"""Interpolate boundary lines between corrected B-scans."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.editing.consistency import draw, reconcile
from napari_retina_seg.imaging.surfaces import Heights
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.progress import CancelToken, Progress


@dataclass(frozen=True, eq=False)
class Between:
    """The interpolated scans.

    Attributes
    ----------
    slices : array
        Indices of the scans that were drawn, in order.
    heights : array
        float32 ``(len(slices), boundaries, columns)`` in px.
    labels : array
        uint8 ``(len(slices), rows, columns)``.
    """

    slices: npt.NDArray[np.intp]
    heights: Heights
    labels: npt.NDArray[np.uint8]


def interpolate(before: Heights, after: Heights, share: float) -> Heights:
    """Interpolate lines linearly between two scans, which keeps their order.

    Parameters
    ----------
    before, after : array
        ``(boundaries, columns)`` in px; NaN in columns without layers.
    share : float
        How far from the one to the other, 0 to 1.

    Returns
    -------
    array
        float32 of the same shape; NaN where one of the two has no layers.
    """
    return np.asarray((1 - share) * before + share * after, np.float32)


def iter_draw_between(
    labels: npt.NDArray[Any], heights: Heights, human: npt.NDArray[np.bool_], token: CancelToken
) -> Generator[Progress, None, Between]:
    """Interpolate all scans between two corrected scans.

    Parameters
    ----------
    labels : array
        ``(slices, rows, columns)`` class values.
    heights : array
        ``(slices, boundaries, columns)`` in px: the last known lines; see `reconcile`.
    human : array
        ``(slices,)`` bool: the scans that a person made. They are never touched; nor are those
        before the first and after the last of them.
    token : CancelToken
        Looked at before each scan.

    Yields
    ------
    Progress
        A step for each scan.

    Returns
    -------
    Between
        The scans drawn. In columns where one of the two corrected scans has no layers, they stay
        as they are.

    Raises
    ------
    ImageError
        If nothing lies between scans that a person made.
    Cancelled
        If `token` was cancelled.
    """
    made = np.flatnonzero(human)
    slices = np.flatnonzero(~human)
    slices = slices[(slices > made.min(initial=len(human))) & (slices < made.max(initial=-1))]
    if not slices.size:
        raise ImageError(
            "There are no scans between corrected ones: correct two scans with others between"
            " them first."
        )
    rows, result, drawn = labels.shape[1], [], []
    for done, index in enumerate(slices):
        token.raise_if_cancelled()
        yield Progress(done, len(slices), f"Slice {index}")
        first, last = made[made < index].max(), made[made > index].min()
        lines = interpolate(
            reconcile(heights[first], labels[first]),
            reconcile(heights[last], labels[last]),
            (index - first) / (last - first),
        )
        known = ~np.isnan(lines).any(axis=0)
        result.append(np.where(known, lines, reconcile(heights[index], labels[index])))
        drawn.append(np.where(known, draw(lines, rows), labels[index]))
    yield Progress(len(slices), len(slices), "Done")
    return Between(slices, np.stack(result), np.stack(drawn).astype(np.uint8))

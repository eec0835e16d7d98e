"""Tell masks of other programs from images by the values that they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.types.image import RetinaImage

MOST_CLASSES = 32  # distinct values of a mask; most images have more
_FEW = 12  # values; in an image of so few nothing can be seen
_FLAT = 0.8  # share of pixels like their right neighbour; 0.98 in masks, 0.4 in dark images
_STEP = 16  # every so many pixels are looked at first: most images show more values there already
_PACK = np.array((2**16, 2**8, 1))  # colours to one number each


def count_class_values(image: RetinaImage) -> int:
    """Return how many distinct values or colours an image has, if it looks like a mask.

    That is if they are very few, or few and lie in areas: dark or posterised images have few
    values, too, but change from pixel to pixel.

    Parameters
    ----------
    image : RetinaImage
        Read from any file; a lazy one is looked at slice by slice.

    Returns
    -------
    int
        0 if there are more than `MOST_CLASSES`, values that are not whole numbers from 0 to 255, or
        no areas of more than 12 values. Of 1 it can't be told whether it is an empty mask.

    Examples
    --------
    >>> count_class_values(RetinaImage(np.tile(np.uint8([0, 1, 2]), (16, 6))))
    3
    """
    found: set[int] = set()
    flat: list[float] = []
    for index in range(image.n_slices):
        plane = image.plane(index)
        some = _whole_numbers(plane[::_STEP, ::_STEP], color=image.color)
        if some is None or len(np.unique(some)) > MOST_CLASSES:
            return 0
        values = _whole_numbers(plane, color=image.color)
        if values is None:
            return 0
        found.update(np.unique(values).tolist())
        if len(found) > MOST_CLASSES:
            return 0
        flat.append(float(np.mean(values[:, 1:] == values[:, :-1])))
    return len(found) if len(found) <= _FEW or np.mean(flat) > _FLAT else 0


def _whole_numbers(plane: npt.NDArray[Any], *, color: bool) -> npt.NDArray[Any] | None:
    with np.errstate(invalid="ignore"):  # NaN and infinities are no whole numbers
        values = plane.astype(np.uint8)
    if not np.array_equal(values, plane):
        return None
    return values[..., :3] @ _PACK if color else values

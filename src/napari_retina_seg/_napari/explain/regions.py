"""Convert painted labels or drawn shapes to pixels of an image."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.transforms import CompositeAffine

from napari_retina_seg._napari.layers import KEY, finest
from napari_retina_seg._napari.results import ImagePart, MaskInfo
from napari_retina_seg.imaging.target import Region


def is_region(layer: object) -> bool:
    """Whether a layer can define a region."""
    return isinstance(layer, Labels | Shapes)


def region(source: Labels | Shapes, target: ImagePart) -> Region:
    """Find the pixels of an image that a layer covers, for any transforms of the two layers.

    Parameters
    ----------
    source : Labels or Shapes
        The selected class of a mask of the plugin, all nonzero pixels of other labels, or the
        inside of shapes.
    target : Target
        The image, and whether to use one slice or all.

    Returns
    -------
    Region
        ``(rows, columns)``, or ``(slices, rows, columns)`` of a whole volume.
    """
    image = target.layer
    shape = finest(image).shape[: image.ndim]
    chosen = _chosen(source) if isinstance(source, Labels) else None
    planes = []
    for index in range(shape[-3]) if _is_stack(target) else [target.at.index]:
        place = (*target.at.leading, index)[: image.ndim - 2]
        if chosen is None:
            planes.append(_inside(source, image, place, shape[-2:]))
        else:
            planes.append(_sample(chosen, _way(image, source), place, shape[-2:]))
    return Region(np.stack(planes) if _is_stack(target) else planes[0], _describe_source(source))


def _is_stack(target: ImagePart) -> bool:
    return target.layer.ndim > 2 and target.whole


def _describe_source(source: Layer) -> str:
    known = source.metadata.get(KEY)
    if isinstance(known, MaskInfo) and source.selected_label < len(known.scheme):
        label = known.scheme.classes[int(source.selected_label)]
        return f"{label.abbreviation} in '{source.name}'"
    return f"the region in '{source.name}'"


def _chosen(source: Labels) -> np.ndarray:
    values = finest(source)
    if isinstance(source.metadata.get(KEY), MaskInfo):
        return np.asarray(values == source.selected_label)
    return np.asarray(values != 0)


def _sample(
    chosen: np.ndarray, way: np.ndarray, place: tuple[int, ...], grid: tuple[int, int]
) -> np.ndarray:
    """Sample each pixel of a plane; axes that the image lacks are projected."""
    extra = max(0, len(way) - 1 - len(place) - 2)
    chosen = np.asarray(chosen.any(axis=tuple(range(extra))))
    way = way[extra:, extra:]
    lacking = len(way) - 1 - chosen.ndim  # axes that only the image has
    corner = (way @ (*place, 0, 0, 1))[lacking:-1]
    steps = way[lacking:-1, -3:-1]
    straight = np.eye(chosen.ndim)[:, -2:]
    if np.allclose(steps, straight) and chosen.shape[-2:] == grid and not corner[-2:].any():
        index = np.rint(corner[:-2]).astype(int)
        inside = all(0 <= i < n for i, n in zip(index, chosen.shape, strict=False))
        return chosen[tuple(index)] if inside else np.zeros(grid, bool)
    rows, columns = np.indices(grid, sparse=True)
    found = [
        np.rint(start + step[0] * rows + step[1] * columns).astype(int)
        for start, step in zip(corner, steps, strict=True)
    ]
    inside = np.logical_and.reduce(
        [(axis >= 0) & (axis < n) for axis, n in zip(found, chosen.shape, strict=True)]
    )
    bounded = [np.clip(axis, 0, n - 1) for axis, n in zip(found, chosen.shape, strict=True)]
    return inside & chosen[tuple(bounded)]


def _inside(
    source: Shapes, image: Image, place: tuple[int, ...], grid: tuple[int, int]
) -> np.ndarray:
    """Fill the shapes on a plane; axes that the image lacks are projected."""
    way = np.linalg.inv(_way(image, source))
    axes = min(source.ndim, image.ndim)
    corners, kinds = [], []
    for shape, kind in zip(source.data, source.shape_type, strict=True):
        padded = np.zeros((len(shape), len(way)))
        padded[:, -1] = 1
        padded[:, len(way) - 1 - source.ndim : -1] = shape
        on_image = (padded @ way.T)[:, :-1]
        along = on_image[:, len(way) - 1 - axes : -2]
        if (np.rint(along) == place[len(place) - along.shape[1] :]).all():
            corners.append(on_image[:, -2:])
            kinds.append(kind)
    if not corners:
        return np.zeros(grid, bool)
    return np.asarray(Shapes(corners, shape_type=kinds).to_labels(grid) > 0)


def _way(image: Image, source: Layer) -> np.ndarray:
    """Return the matrix from an image's pixels to another layer's, with the axes of both."""
    axes = max(image.ndim, source.ndim)
    units = np.eye(axes + 1)
    for axis in range(1, min(image.ndim, source.ndim) + 1):
        mine, theirs = image.units[-axis], source.units[-axis]
        if mine.is_compatible_with(theirs):
            units[axes - axis, axes - axis] = (1 * mine).to(theirs).magnitude
    return np.linalg.inv(_to_world(source, axes)) @ units @ _to_world(image, axes)


def _to_world(layer: Layer, axes: int) -> np.ndarray:
    physical = CompositeAffine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear
    )
    padded = np.eye(axes + 1)
    start = axes - layer.ndim
    padded[start:, start:] = layer.affine.affine_matrix @ physical.affine_matrix
    return padded

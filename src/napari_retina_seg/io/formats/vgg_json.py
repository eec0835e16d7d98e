"""Polygons in VGG's JSON, which VIA and makesense.ai write, and the masks that they mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, FiniteFloat, ValidationError

from napari_retina_seg.types.errors import DataError, ReadError

_OUTSIDE = 1.0  # px by which a point may miss its image: tools round differently


@dataclass(frozen=True, eq=False)
class Polygon:
    """One outline.

    Attributes
    ----------
    points : array
        ``(points, 2)`` x and y in px; 0 is the left and the upper edge of the image.
    texts : tuple of str
        Its attributes, e.g. its class.
    """

    points: npt.NDArray[np.float64]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class ImagePolygons:
    """The polygons of one image, in the order in which they were drawn."""

    filename: str
    polygons: tuple[Polygon, ...]


class _Shape(BaseModel):
    name: str
    all_points_x: list[FiniteFloat] = []
    all_points_y: list[FiniteFloat] = []


class _Region(BaseModel):
    shape_attributes: _Shape
    region_attributes: dict[str, Any] = {}


class _Entry(BaseModel):
    filename: str
    regions: list[_Region] | dict[str, _Region]


def read_vgg(path: Path) -> tuple[ImagePolygons, ...] | None:
    """Read the polygons of all images in a VGG export.

    Parameters
    ----------
    path : Path
        JSON with an entry for each image; its ``regions`` are a list (VIA 2) or a dictionary
        (VIA 1, makesense.ai). A saved VIA project is read as well.

    Returns
    -------
    tuple of ImagePolygons, or None
        None if it is JSON about something else.

    Raises
    ------
    ReadError
        If it is no JSON, or a region is no polygon.
    """
    entries = read_entries(path)
    if entries is None:
        return None
    return tuple(_annotation(path, key, entry) for key, entry in entries.items())


def read_entries(path: Path) -> dict[str, dict[str, Any]] | None:
    """Read the entries of a VGG export, one for each image; None if it is about something else.

    Raises
    ------
    ReadError
        If it is no JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(
            f"'{path}' can't be read as JSON: it is damaged or cut short. Export it again."
        ) from error
    if isinstance(content, dict):
        content = content.get("_via_img_metadata", content)
    if not isinstance(content, dict) or not content:
        return None
    if not all(isinstance(entry, dict) and "regions" in entry for entry in content.values()):
        return None
    return content


def _annotation(path: Path, key: str, entry: Any) -> ImagePolygons:
    try:
        parsed = _Entry.model_validate(entry)
    except ValidationError as error:
        at = ".".join(map(str, error.errors()[0]["loc"]))
        raise ReadError(
            f"'{path}' is not a readable VGG export: check '{at}' of '{key}'."
        ) from error
    polygons = (_polygon(path, parsed, region) for region in in_order(parsed.regions))
    return ImagePolygons(parsed.filename, tuple(polygons))


def in_order(regions: list[Any] | dict[str, Any]) -> list[Any]:
    """Return the regions of an image in the order in which they were drawn."""
    if isinstance(regions, list):
        return regions
    # Their keys count the regions; whoever saved the file may have sorted them as words.
    counted = all(name.isdecimal() for name in regions)
    return [regions[name] for name in (sorted(regions, key=int) if counted else regions)]


def _polygon(path: Path, entry: _Entry, region: _Region) -> Polygon:
    shape = region.shape_attributes
    count = len(shape.all_points_x)
    if shape.name != "polygon" or count < 3 or count != len(shape.all_points_y):
        raise ReadError(
            f"'{path}' has a region of '{entry.filename}' that is no polygon ({shape.name}, {count}"
            " points): draw it as a polygon."
        )
    texts = tuple(
        text for value in region.region_attributes.values() for text in region_texts(value)
    )
    return Polygon(np.column_stack([shape.all_points_x, shape.all_points_y]), texts)


def region_texts(value: Any) -> tuple[str, ...]:
    """Return what an attribute of a region says: a text, or what is ticked."""
    if isinstance(value, dict):  # VIA's checkboxes: {"RNFL": true}
        return tuple(name for name, ticked in value.items() if ticked)
    return (str(value).strip(),) if str(value).strip() else ()


def draw(
    annotation: ImagePolygons, values: Sequence[int], shape: tuple[int, int], source: Path
) -> npt.NDArray[np.uint8]:
    """Fill polygons; where they overlap the later one counts.

    Parameters
    ----------
    annotation : ImagePolygons
        The polygons.
    values : sequence of int
        Class of each.
    shape : tuple of int
        ``(rows, columns)`` of the image.
    source : Path
        The file that messages name.

    Returns
    -------
    array
        ``(rows, columns)`` uint8, 0 outside of all. A pixel is of a polygon if its centre is.

    Raises
    ------
    DataError
        If a point lies outside of the image.
    """
    from skimage.draw import polygon as pixels_inside

    labels = np.zeros(shape, np.uint8)
    limits = np.array(shape[::-1])
    for polygon, value in zip(annotation.polygons, values, strict=True):
        if (polygon.points < -_OUTSIDE).any() or (polygon.points > limits + _OUTSIDE).any():
            raise DataError(
                f"A polygon of '{annotation.filename}' in '{source}' leaves its image of"
                f" {shape[0]} × {shape[1]} px: it was drawn over another size."
            )
        x, y = (polygon.points - 0.5).T  # the centre of the first pixel is at a half
        labels[pixels_inside(y, x, shape)] = value
    return labels

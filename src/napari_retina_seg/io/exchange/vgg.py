"""VGG's JSON, which makesense.ai and VIA open: polygons with a class each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.exchange.card import KEY, Card, make_card, parse_card, restore
from napari_retina_seg.io.exchange.named import find_value, read_json
from napari_retina_seg.io.exchange.outlines import Points, fill, trace
from napari_retina_seg.io.exchange.record import IGNORE_NAME, MaskRecord, shared_scheme
from napari_retina_seg.io.polygons import Annotation, Polygon
from napari_retina_seg.io.polygons import read_vgg as read_polygons

_OUTSIDE = 1.0  # px by which a point may miss its image: tools round differently

_Raster = npt.NDArray[np.uint8]


def write_vgg(path: Path, records: Sequence[MaskRecord]) -> None:
    """Write masks as polygons; each slice of a volume is an image of its own.

    Each connected part of a class is a polygon with the class's name as ``label``; background is
    none. VGG knows no holes: a hole is joined to the outer line by a cut that is walked there and
    back, so that programs which fill the polygon leave it out. What is questionable is called
    `ignore`. ``file_attributes`` hold the cards.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    records : sequence of MaskRecord
        Masks of one scheme.

    Raises
    ------
    WriteError
        If there are several schemes, or it can't be written.
    """
    shared_scheme(records)
    file = VggFile()
    for record in records:
        file.add(record)
    file.write(path)


class VggFile:
    """What becomes a VGG JSON, mask by mask; see `write_vgg`."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    def add(self, record: MaskRecord) -> None:
        """Describe a mask; all have one scheme, and names of their own."""
        card = make_card(record).text
        for index, plane in enumerate(record.planes):
            said = {KEY: card, "slice": str(index)}
            regions = _regions(plane, record.scheme)
            self._entries[record.file_of(index)] = {
                "fileref": "",
                "size": 0,
                "filename": record.file_of(index),
                "base64_img_data": "",
                "file_attributes": said,
                "regions": {str(number): region for number, region in enumerate(regions)},
            }

    def write(self, path: Path) -> None:
        """Write the file.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        write_atomically(path, json.dumps(self._entries).encode())


def _regions(plane: _Raster, scheme: LabelScheme) -> list[dict[str, Any]]:
    regions = []
    for value in np.unique(plane[plane > 0]).tolist():
        name = scheme.names[value] if value < len(scheme) else IGNORE_NAME
        for line in trace(plane == value):
            closed = np.vstack([line, line[:1]])  # as makesense.ai closes them
            shape = {
                "name": "polygon",
                "all_points_x": closed[:, 0].tolist(),
                "all_points_y": closed[:, 1].tolist(),
            }
            regions.append({"shape_attributes": shape, "region_attributes": {"label": name}})
    return regions


def read_vgg(
    path: Path,
    scheme: LabelScheme | None = None,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[MaskRecord, ...]:
    """Read masks from polygons; a later polygon lies over an earlier one.

    Parameters
    ----------
    path : Path
        JSON of VGG, as makesense.ai and VIA export it.
    scheme : LabelScheme, optional
        The classes, found by name or abbreviation, if another program wrote the file.
    shapes : mapping, optional
        ``(rows, columns)`` of each image by its file's name, which VGG itself does not tell.

    Returns
    -------
    tuple of MaskRecord
        A pixel is of a polygon if its centre is: exact for what `write_vgg` wrote, within half a
        pixel of the line for polygons drawn elsewhere.

    Raises
    ------
    ReadError
        If it is no VGG, a class or a size is unknown, or a polygon leaves its image.
    """
    annotations = read_polygons(path) if path.is_file() else read_json(path)
    if annotations is None:
        raise ReadError(f"'{path}' is JSON about something else: export the polygons as VGG JSON.")
    cards, records = _read_cards(path), []
    volumes: dict[str, list[tuple[int, _Raster]]] = defaultdict(list)
    for annotation in annotations:
        card, index = cards.get(annotation.filename, (None, 0))
        shape = _shape(path, annotation, card, shapes or {})
        raster = _draw(path, annotation, shape, card.scheme if card else scheme)
        if card is None:
            records.append(restore(Path(annotation.filename), raster, None, scheme, named=True))
        else:
            volumes[card.text].append((index, raster))
    for text, planes in volumes.items():
        ordered = np.stack([raster for _, raster in sorted(planes, key=lambda plane: plane[0])])
        card = parse_card(path, text)
        records.append(restore(path, ordered[0] if len(card.shape) == 2 else ordered, card, scheme))
    return tuple(records)


def _read_cards(path: Path) -> dict[str, tuple[Card, int]]:
    content = read_json(path)
    cards = {}
    for entry in content.get("_via_img_metadata", content).values():
        said = entry.get("file_attributes")
        if isinstance(said, dict) and KEY in said:
            index = str(said.get("slice", "0"))
            card = parse_card(path, str(said[KEY]))
            cards[entry["filename"]] = (card, int(index) if index.isdecimal() else 0)
    return cards


def _shape(
    path: Path, annotation: Annotation, card: Card | None, shapes: Mapping[str, tuple[int, int]]
) -> tuple[int, int]:
    name = annotation.filename
    found = card.shape[-2:] if card else shapes.get(name, shapes.get(Path(name).stem))
    if found is None:
        raise ReadError(f"'{path}' does not say how large '{name}' is: add that image first.")
    return found[0], found[1]


def _draw(
    path: Path, annotation: Annotation, shape: tuple[int, int], scheme: LabelScheme | None
) -> _Raster:
    if scheme is None:
        raise ReadError(f"'{path}' names classes, but not those of which scheme: name it.")
    raster = np.zeros(shape, np.uint8)
    drawn = (
        _find_polygon(path, annotation, polygon, shape, scheme) for polygon in annotation.polygons
    )
    # Polygons of one class in a row are filled in one go: there may be thousands of specks.
    for value, row in groupby(drawn, key=itemgetter(0)):
        raster[fill((points for _, points in row), shape)] = value
    return raster


def _find_polygon(
    path: Path,
    annotation: Annotation,
    polygon: Polygon,
    shape: tuple[int, int],
    scheme: LabelScheme,
) -> tuple[int, Points]:
    """Return the class and the points of a polygon."""
    points = polygon.points
    if (points < -_OUTSIDE).any() or (points > np.add(shape, _OUTSIDE)[::-1]).any():
        raise ReadError(
            f"A polygon of '{annotation.filename}' in '{path}' leaves its image of {shape[0]} ×"
            f" {shape[1]} px: it was drawn over another size."
        )
    values = {find_value(path, text, scheme) for text in polygon.texts}
    if len(values) != 1:
        raise ReadError(
            f"A polygon of '{annotation.filename}' in '{path}' has no class or several: give it"
            " one."
        )
    return values.pop(), points

"""VGG's JSON, which makesense.ai and VIA open: polygons with a class each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.canvas import Canvas, ellipse
from napari_retina_seg.io.formats.card import KEY, make_card, parse_card
from napari_retina_seg.io.formats.drawn import DrawnImage, Reader, Shape
from napari_retina_seg.io.formats.found import Found, Problem
from napari_retina_seg.io.formats.named import KnownShapes, read_json
from napari_retina_seg.io.formats.outlines import Points, trace
from napari_retina_seg.io.formats.record import IGNORE_NAME, MaskRecord
from napari_retina_seg.io.formats.vgg_json import in_order, read_entries, region_texts
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import LabelScheme

_Raster = npt.NDArray[np.uint8]


class VggFile:
    """A VGG JSON while it is written, mask by mask; each slice of a volume is an image of its own.

    Each connected part of a class is a polygon with the class's name as ``label``; background is
    none. VGG knows no holes: a hole is joined to the outer line by a cut that is walked there and
    back, so that programs which fill the polygon leave it out. What is questionable is called
    `ignore`. ``file_attributes`` hold the cards.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    def add(self, record: MaskRecord, files: Sequence[str] | None = None) -> None:
        """Describe a mask; all have one scheme, and names of their own.

        Parameters
        ----------
        record : MaskRecord
            The mask.
        files : sequence of str, optional
            Names of the images of its slices; by default those of `MaskRecord.file_of`.
        """
        card = make_card(record).text
        for index, plane in enumerate(record.planes):
            attributes = {KEY: card, "slice": str(index)}
            regions = _regions(plane, record.scheme)
            name = record.file_of(index) if files is None else files[index]
            self._entries[name] = {
                "fileref": "",
                "size": 0,
                "filename": name,
                "base64_img_data": "",
                "file_attributes": attributes,
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


def iter_vgg(
    path: Path,
    scheme: LabelScheme | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Found]:
    """Read VGG item by item; later polygons overwrite earlier ones.

    An image without a polygon, circle or ellipse has no mask. A pixel is of a polygon if its
    centre is: exact for what `VggFile` wrote, within half a pixel of the line for polygons drawn
    elsewhere. Faulty entries are reported and skipped.

    Parameters
    ----------
    path : Path
        JSON of VGG, as makesense.ai and VIA export it.
    scheme : LabelScheme, optional
        The classes, found by name or abbreviation, if another program wrote the file.
    shapes : mapping, optional
        ``(rows, columns)`` or ``(slices, rows, columns)`` of each image by name, which VGG itself
        does not tell.

    Raises
    ------
    ReadError
        If it is no VGG.
    """
    entries = read_entries(path) if path.is_file() else read_json(path)
    if entries is None:
        raise ReadError(f"'{path}' is JSON, but not of VGG: export the polygons as VGG JSON.")
    images, problems = [], []
    for key, content in entries.items():
        try:
            images.append(_image(path, _Entry.model_validate(content)))
        except ValidationError as error:
            at = ".".join(map(str, error.errors()[0]["loc"]))
            problems.append(f"'{key}' in '{path}' can't be read: check its '{at}'.")
    yield from map(Problem, problems)
    classes = scheme or next((image.card.scheme for image in images if image.card), None)
    yield from Reader(path, classes, KnownShapes(shapes or {})).read(images)


class _Entry(BaseModel):
    filename: str
    regions: list[Any] | dict[str, Any] = []
    file_attributes: Any = None


def _image(path: Path, entry: _Entry) -> DrawnImage:
    attributes = entry.file_attributes if isinstance(entry.file_attributes, dict) else {}
    card = parse_card(path, str(attributes[KEY])) if KEY in attributes else None
    index = str(attributes.get("slice", "0"))
    return DrawnImage(
        entry.filename,
        None,
        tuple(_shape(number, region) for number, region in enumerate(in_order(entry.regions))),
        card,
        int(index) if index.isdecimal() else 0,
    )


def _shape(number: int, region: Any) -> Shape:
    what = f"region {number}"
    region = region if isinstance(region, dict) else {}
    attributes = region.get("region_attributes")
    values = attributes.values() if isinstance(attributes, dict) else ()
    texts = [text for value in values for text in region_texts(value)]
    outline = region.get("shape_attributes")
    draws = isinstance(outline, dict) and outline.get("name") in ("polygon", "circle", "ellipse")
    return Shape(
        texts[0] if texts else "",
        what,
        partial(_draw, outline, what) if draws else None,
        others=tuple(texts[1:]),
    )


def _draw(outline: dict[str, Any], what: str, canvas: Canvas, value: int) -> None:
    try:
        points = _outline(outline)
    except (KeyError, TypeError, ValueError):
        canvas.refuse(f"{what} is no {outline['name']}: its numbers are missing or wrong")
        return
    canvas.draw_polygons(value, [points], what)


def _outline(outline: dict[str, Any]) -> Points:
    if outline["name"] == "polygon":
        x, y = outline["all_points_x"], outline["all_points_y"]
        return np.array([x, y], np.float64).T
    x, y = float(outline["cx"]), float(outline["cy"])
    if outline["name"] == "circle":
        return ellipse(x, y, float(outline["r"]), float(outline["r"]))
    turned = np.degrees(float(outline.get("theta", 0)))
    return ellipse(x, y, float(outline["rx"]), float(outline["ry"]), turned)

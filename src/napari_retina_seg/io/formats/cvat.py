"""CVAT's own XML, "CVAT for images 1.1": masks by run lengths, and polygons.

See https://docs.cvat.ai/docs/manual/advanced/xml_format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.canvas import Canvas, ellipse
from napari_retina_seg.io.formats.card import KEY, Card, make_card, parse_card
from napari_retina_seg.io.formats.drawn import DrawnImage, Reader, Shape
from napari_retina_seg.io.formats.found import Found, Problem
from napari_retina_seg.io.formats.named import KnownShapes
from napari_retina_seg.io.formats.record import IGNORE_NAME, MaskRecord
from napari_retina_seg.io.xml_files import read_xml
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import LabelScheme

_VERSION = "1.1"
_SHAPES = ("polygon", "mask", "ellipse", "box", "polyline", "points", "cuboid", "skeleton")


class CvatFile:
    """CVAT's XML for images while it is written, mask by mask; each slice of a volume is an image.

    A class of an image is one ``mask``; what is questionable is called `ignore`. The cards are in
    ``meta``, where CVAT leaves them out of account.
    """

    def __init__(self) -> None:
        self._cards: list[Card] = []
        self._has_ignored = False
        self._images: list[ET.Element] = []

    def add(self, record: MaskRecord, files: Sequence[str] | None = None) -> None:
        """Describe a mask; all have one scheme, and names of their own.

        Parameters
        ----------
        record : MaskRecord
            The mask.
        files : sequence of str, optional
            Names of the images of its slices; by default those of `MaskRecord.file_of`.
        """
        number = len(self._cards)
        self._cards.append(make_card(record))
        self._has_ignored |= record.ignore is not None
        for index, plane in enumerate(record.planes):
            image = ET.Element(
                "image",
                {
                    "id": str(len(self._images)),
                    "name": record.file_of(index) if files is None else files[index],
                    "width": str(plane.shape[1]),
                    "height": str(plane.shape[0]),
                    "record": str(number),
                    "slice": str(index),
                },
            )
            for value in np.unique(plane[plane > 0]).tolist():
                names = record.scheme.names
                name = names[value] if value < len(names) else IGNORE_NAME
                image.append(_mask(plane == value, name))
            self._images.append(image)

    def write(self, path: Path) -> None:
        """Write the file.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        root = ET.Element("annotations")
        ET.SubElement(root, "version").text = _VERSION
        meta = ET.SubElement(root, "meta")
        task = ET.SubElement(meta, "task")
        for name, text in (("size", str(len(self._images))), ("mode", "annotation")):
            ET.SubElement(task, name).text = text
        labels = ET.SubElement(task, "labels")
        for name, color in self._classes():
            label = ET.SubElement(labels, "label")
            for key, text in (("name", name), ("color", color), ("type", "any")):
                ET.SubElement(label, key).text = text
            ET.SubElement(label, "attributes")
        for card in self._cards:
            ET.SubElement(meta, KEY).text = card.text
        root.extend(self._images)
        ET.indent(root)
        write_atomically(path, ET.tostring(root, "utf-8", xml_declaration=True))

    def _classes(self) -> Iterator[tuple[str, str]]:
        for label in self._cards[0].scheme.classes[1:]:
            yield label.name, label.color
        if self._has_ignored:
            yield IGNORE_NAME, "#808080"


def _mask(region: npt.NDArray[np.bool_], label: str) -> ET.Element:
    (rows, columns) = ndimage.find_objects(region.astype(np.uint8))[0]
    part = region[rows, columns].ravel()
    changes = np.flatnonzero(np.diff(part)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [part.size]])).tolist()
    lengths = [0, *lengths] if part[0] else lengths
    return ET.Element(
        "mask",
        {
            "label": label,
            "source": "manual",
            "occluded": "0",
            "rle": ", ".join(map(str, lengths)),
            "left": str(columns.start),
            "top": str(rows.start),
            "width": str(columns.stop - columns.start),
            "height": str(rows.stop - rows.start),
            "z_order": "0",
        },
    )


def iter_cvat(
    path: Path,
    scheme: LabelScheme | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Found]:
    """Read CVAT's XML for images item by item; faulty entries are reported and skipped.

    Shapes overwrite those with a lower ``z_order``. An image without a mask, polygon or ellipse
    has no mask.

    Parameters
    ----------
    path : Path
        The XML, which CVAT calls ``annotations.xml``.
    scheme : LabelScheme, optional
        The classes, found by name or abbreviation, if another program wrote the file.
    shapes : mapping, optional
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the images that are wanted, by name.

    Raises
    ------
    ReadError
        If it is no such XML.
    """
    root = read_xml(path)
    if root.tag != "annotations" or root.find("track") is not None:
        raise ReadError(
            f"'{path}' is not an XML of 'CVAT for images 1.1': export the task in that format."
        )
    cards = [parse_card(path, element.text or "") for element in root.iterfind(f"meta/{KEY}")]
    images, problems = [], []
    for element in root.iterfind("image"):
        try:
            images.append(_image(element, cards))
        except (KeyError, ValueError):
            problems.append(
                f"Image {element.get('name', element.get('id', '?'))} in '{path}' lacks its name"
                " or size: export it again."
            )
    yield from map(Problem, problems)
    classes = scheme or (cards[0].scheme if cards else None)
    declared = {name.text or "" for name in root.iterfind("meta//label/name")}
    yield from Reader(path, classes, KnownShapes(shapes or {}), declared).read(images)


def _image(element: ET.Element, cards: list[Card]) -> DrawnImage:
    number = int(element.get("record", "-1"))
    size = (int(element.attrib["height"]), int(element.attrib["width"]))
    if min(size) < 1:
        raise ValueError(size)
    return DrawnImage(
        element.attrib["name"],
        size,
        tuple(
            _shape(index, child)
            for index, child in enumerate(each for each in element if each.tag in _SHAPES)
        ),
        cards[number] if 0 <= number < len(cards) else None,
        int(element.get("slice", "0")),
    )


def _shape(index: int, element: ET.Element) -> Shape:
    what = f"{element.tag} {index}"
    drawing = {"polygon": _draw_polygon, "mask": _draw_mask, "ellipse": _draw_ellipse}
    draw = drawing.get(element.tag)
    order = element.get("z_order", "0")
    return Shape(
        element.get("label", ""),
        what,
        partial(_draw, draw, element.attrib, what) if draw else None,
        order=int(order) if order.lstrip("-").isdecimal() else 0,
    )


def _draw(draw: Any, attributes: dict[str, str], what: str, canvas: Canvas, value: int) -> None:
    try:
        draw(attributes, what, canvas, value)
    except (KeyError, ValueError):
        canvas.refuse(f"{what} has numbers that are missing or wrong")


def _draw_polygon(attributes: dict[str, str], what: str, canvas: Canvas, value: int) -> None:
    points = [point.split(",") for point in attributes["points"].split(";") if point.strip()]
    line = np.array(list(chain.from_iterable(points)), np.float64).reshape(-1, 2)
    canvas.draw_polygons(value, [line], what)


def _draw_ellipse(attributes: dict[str, str], what: str, canvas: Canvas, value: int) -> None:
    x, y, across, down = (float(attributes[key]) for key in ("cx", "cy", "rx", "ry"))
    turned = float(attributes.get("rotation", "0"))
    canvas.draw_polygons(value, [ellipse(x, y, across, down, turned)], what)


def _draw_mask(attributes: dict[str, str], what: str, canvas: Canvas, value: int) -> None:
    left, top, width, height = (int(attributes[key]) for key in ("left", "top", "width", "height"))
    rows, columns = canvas.shape
    if min(left, top) < 0 or left + width > columns or top + height > rows:
        canvas.refuse(f"{what} lies outside of the image of {rows} × {columns} px")
        return
    lengths = [int(length) for length in attributes["rle"].split(",") if length.strip()]
    if min(lengths, default=0) < 0 or sum(lengths) != width * height:
        canvas.refuse(f"{what} has run lengths that do not fill it")
        return
    kinds = np.arange(len(lengths)) % 2 == 1
    region = np.repeat(kinds, lengths).reshape(height, width)
    canvas.draw_region(value, region, what, (top, left))

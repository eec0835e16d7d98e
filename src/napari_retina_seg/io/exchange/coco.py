"""COCO: many masks in one JSON, by RLE or as polygons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, ValidationError

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.exchange.card import (
    KEY,
    Card,
    choose_scheme,
    make_card,
    parse_card,
    restore,
)
from napari_retina_seg.io.exchange.named import find_value, read_json
from napari_retina_seg.io.exchange.outlines import fill, trace
from napari_retina_seg.io.exchange.record import IGNORE, IGNORE_NAME, MaskRecord, shared_scheme
from napari_retina_seg.io.guard import check_claim

_Region = npt.NDArray[np.bool_]


class _Rle(BaseModel):
    size: tuple[PositiveInt, PositiveInt]
    counts: str | list[int]


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int
    segmentation: _Rle | list[list[FiniteFloat]]


class _Image(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: int | str
    file_name: str
    height: PositiveInt
    width: PositiveInt
    record: int | None = None
    slice: int = 0


class _Category(BaseModel):
    id: int
    name: str


class _Document(BaseModel):
    info: dict[str, Any] = {}
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def write_coco(path: Path, records: Sequence[MaskRecord], *, polygons: bool = False) -> None:
    """Write masks as COCO; each slice of a volume is an image of its own.

    A class of an image is one annotation, background is none. What is questionable has the
    category `ignore`, and is a crowd, which COCO's own scores leave out. ``info`` holds the cards.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    records : sequence of MaskRecord
        Masks of one scheme.
    polygons : bool
        Whether regions are polygons: a list of all parts, with holes joined to their outer line
        by a cut. `read_coco` gets the same pixels from them as from RLE; a program that fills
        polygons by other rules may miss pixels beside the outline.

    Raises
    ------
    WriteError
        If there are several schemes, or it can't be written.
    """
    shared_scheme(records)
    file = CocoFile(polygons=polygons)
    for record in records:
        file.add(record)
    file.write(path)


class CocoFile:
    """What becomes a COCO file, mask by mask; see `write_coco`.

    Parameters
    ----------
    polygons : bool
        Whether regions are polygons.
    """

    def __init__(self, *, polygons: bool = False) -> None:
        self._polygons = polygons
        self._cards: list[Card] = []
        self._has_ignored = False
        self._parts: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}

    def add(self, record: MaskRecord) -> None:
        """Describe a mask; all have one scheme, and names of their own."""
        self._cards.append(make_card(record))
        self._has_ignored |= record.ignore is not None
        number = len(self._cards) - 1
        for index, plane in enumerate(record.planes):
            _add_plane(self._parts, record, number, index, plane, polygons=self._polygons)

    def write(self, path: Path) -> None:
        """Write the file.

        Raises
        ------
        WriteError
            If it can't be written.
        """
        scheme = self._cards[0].scheme
        ignored = [{"id": IGNORE, "name": IGNORE_NAME}] if self._has_ignored else []
        document = {
            "info": {
                "description": f"Masks with the classes of {scheme.name}",
                KEY: [card.model_dump(mode="json") for card in self._cards],
            },
            **self._parts,
            "categories": [*_categories(scheme), *ignored],
        }
        write_atomically(path, json.dumps(document).encode())


def _categories(scheme: LabelScheme) -> list[dict[str, Any]]:
    return [
        {
            "id": label.value,
            "name": label.name,
            "supercategory": scheme.name,
            "abbreviation": label.abbreviation,
            "color": list(label.rgb),
        }
        for label in scheme.classes[1:]
    ]


def _add_plane(
    document: dict[str, list[dict[str, Any]]],
    record: MaskRecord,
    number: int,
    index: int,
    plane: npt.NDArray[np.uint8],
    *,
    polygons: bool,
) -> None:
    image = len(document["images"]) + 1
    rows, columns = plane.shape
    document["images"].append(
        {
            "id": image,
            "file_name": record.file_of(index),
            "height": rows,
            "width": columns,
            "record": number,
            "slice": index,
        }
    )
    for value in np.unique(plane[plane > 0]).tolist():
        questionable = value == IGNORE and record.ignore is not None
        document["annotations"].append(
            {
                "id": len(document["annotations"]) + 1,
                "image_id": image,
                "category_id": value,
                "iscrowd": int(questionable),
                **_describe(plane == value, polygons=polygons and not questionable),
            }
        )


def _describe(region: _Region, *, polygons: bool) -> dict[str, Any]:
    from pycocotools import mask

    rle = mask.encode(np.asfortranarray(region, dtype=np.uint8))
    described = {"area": int(mask.area(rle)), "bbox": mask.toBbox(rle).tolist()}
    if polygons:
        return described | {"segmentation": [line.ravel().tolist() for line in trace(region)]}
    return described | {
        "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
    }


def read_coco(path: Path, scheme: LabelScheme | None = None) -> tuple[MaskRecord, ...]:
    """Read masks from COCO; a later annotation lies over an earlier one.

    Parameters
    ----------
    path : Path
        JSON with images, annotations (RLE, compressed or not, or polygons) and categories.
    scheme : LabelScheme, optional
        The classes, found by name or abbreviation, if another program wrote the file.

    Returns
    -------
    tuple of MaskRecord
        Of RLE to the bit. A pixel is of a polygon if its centre is: exact for what `write_coco`
        wrote, within half a pixel of the line for polygons drawn elsewhere.

    Raises
    ------
    ReadError
        If it is no COCO, a category is none of the classes, or a region leaves its image.
    """
    document = _parse(path)
    cards = [parse_card(path, json.dumps(card)) for card in document.info.get(KEY, ())]
    classes = choose_scheme(path, cards[0] if cards else None, scheme)
    values = {
        category.id: find_value(path, category.name, classes) for category in document.categories
    }
    planes = {image.id: _Plane(image, _blank(path, image)) for image in document.images}
    for annotation in document.annotations:
        if annotation.image_id not in planes or annotation.category_id not in values:
            raise ReadError(
                f"'{path}' has an annotation of an image or a category that it does not list:"
                " export it again."
            )
        raster = planes[annotation.image_id].raster
        raster[_region(path, annotation, raster.shape)] = values[annotation.category_id]
    return _assemble(path, list(planes.values()), cards, classes)


def _parse(path: Path) -> _Document:
    content = read_json(path)
    try:
        return _Document.model_validate(content)
    except ValidationError as error:
        at = ".".join(map(str, error.errors()[0]["loc"])) or "its beginning"
        raise ReadError(f"'{path}' is no COCO file that can be read: look at '{at}'.") from error


@dataclass(frozen=True, eq=False)
class _Plane:
    image: _Image
    raster: npt.NDArray[np.uint8]


def _blank(path: Path, image: _Image) -> npt.NDArray[np.uint8]:
    check_claim(f"An image in '{path}'", (image.height, image.width))
    return np.zeros((image.height, image.width), np.uint8)


def _region(path: Path, annotation: _Annotation, shape: tuple[int, ...]) -> _Region:
    rows, columns = shape
    found = annotation.segmentation
    if isinstance(found, list):
        if any(len(line) < 6 or len(line) % 2 for line in found):
            raise ReadError(f"'{path}' has a polygon of less than three points: draw it again.")
        return fill((np.reshape(line, (-1, 2)) for line in found), (rows, columns))
    if found.size != (rows, columns):
        raise ReadError(
            f"'{path}' has a region of {found.size[0]} × {found.size[1]} px on an image of {rows} ×"
            f" {columns}: export it again."
        )
    return _decode(path, found)


def _decode(path: Path, found: _Rle) -> _Region:
    rows, columns = found.size
    counts = found.counts if isinstance(found.counts, list) else _unpack(found.counts)
    # The library's own decoder leaves what a short RLE does not reach to chance.
    if min(counts, default=0) < 0 or sum(counts) != rows * columns:
        raise ReadError(f"'{path}' has an RLE that does not fill its image: export it again.")
    kinds = np.arange(len(counts)) % 2 == 1
    return np.repeat(kinds, counts).reshape((rows, columns), order="F")


def _unpack(text: str) -> list[int]:
    """Return the counts of a compressed RLE; from the fourth on, the step from two before it.

    Each is written in digits of five bits, the lowest first, as the character 48 + digit; the bit
    above says that another follows, and the highest bit of the last digit is the sign.
    """
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        digit = ord(character) - 48
        number |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, shift = 0, 0
    return counts


def _assemble(
    path: Path, planes: list[_Plane], cards: list[Card], scheme: LabelScheme
) -> tuple[MaskRecord, ...]:
    records = []
    for number, card in enumerate(cards):
        own = sorted(
            (plane for plane in planes if plane.image.record == number),
            key=lambda plane: plane.image.slice,
        )
        if len({plane.raster.shape for plane in own}) != 1:
            raise ReadError(f"'{path}' lacks images of '{card.name}': export it again.")
        stack = np.stack([plane.raster for plane in own])
        records.append(restore(path, stack[0] if len(card.shape) == 2 else stack, card, None))
    for plane in planes:
        if not cards or plane.image.record is None:
            image = Path(plane.image.file_name)
            records.append(restore(image, plane.raster, None, scheme, named=True))
    return tuple(records)

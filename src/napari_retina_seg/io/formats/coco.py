"""COCO: many masks in one JSON, by RLE or as polygons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, PositiveInt, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.canvas import Canvas, Region
from napari_retina_seg.io.formats.card import KEY, Card, choose_scheme, make_card, parse_card
from napari_retina_seg.io.formats.coco_rle import Rle, decode
from napari_retina_seg.io.formats.drawn import DrawnImage, Reader, Shape
from napari_retina_seg.io.formats.found import Found, Problem
from napari_retina_seg.io.formats.named import KnownShapes, read_json
from napari_retina_seg.io.formats.outlines import trace
from napari_retina_seg.io.formats.record import IGNORE_NAME, MaskRecord
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import LabelScheme


def _as_id(value: Any) -> Any:
    """Return an id as text: some tools write 1.0 or "1" in one place and 1 in another."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value) if isinstance(value, int | float | str) else value


_Id = Annotated[str, BeforeValidator(_as_id)]
# Tools that have not opened an image write no size, null or 0.
_Size = Annotated[PositiveInt | None, BeforeValidator(lambda value: value or None)]


class _Annotation(BaseModel):
    id: _Id = ""
    image_id: _Id
    category_id: _Id
    segmentation: Any = None


class _Image(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: _Id
    file_name: str
    height: _Size = None
    width: _Size = None
    record: int | None = None
    slice: int = 0

    @property
    def shape(self) -> tuple[int, int] | None:
        """``(rows, columns)`` if both are stated."""
        return (self.height, self.width) if self.height and self.width else None


class _Category(BaseModel):
    id: _Id
    name: str
    supercategory: str | None = None


_Model = TypeVar("_Model", _Image, _Annotation, _Category)


class _Document(BaseModel):
    info: Any = None
    images: list[Any]
    annotations: list[Any] = []
    categories: list[Any] = []


class CocoFile:
    """A COCO file while it is written, mask by mask; each slice of a volume is an image.

    A class of an image is one annotation, background is none. What is questionable has the
    category `ignore`, and is a crowd, which COCO's own scores leave out. ``info`` holds the cards.

    Parameters
    ----------
    polygons : bool
        Whether regions are polygons: a list of all parts, with holes joined to their outer line
        by a cut; see `outlines.trace` for what programs make of them. RLE is exact everywhere.
    """

    def __init__(self, *, polygons: bool = False) -> None:
        self._polygons = polygons
        self._cards: list[Card] = []
        self._has_ignored = False
        self._parts: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}

    def add(self, record: MaskRecord, files: Sequence[str] | None = None) -> None:
        """Describe a mask; all have one scheme, and names of their own.

        Parameters
        ----------
        record : MaskRecord
            The mask.
        files : sequence of str, optional
            Names of the images of its slices; by default those of `MaskRecord.file_of`.
        """
        self._cards.append(make_card(record))
        self._has_ignored |= record.ignore is not None
        number = len(self._cards) - 1
        for index, plane in enumerate(record.planes):
            name = record.file_of(index) if files is None else files[index]
            image = {"file_name": name, "record": number, "slice": index}
            _add_plane(self._parts, record, image, plane, polygons=self._polygons)

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
    described: dict[str, Any],
    plane: npt.NDArray[np.uint8],
    *,
    polygons: bool,
) -> None:
    image = len(document["images"]) + 1
    rows, columns = plane.shape
    document["images"].append({"id": image, "height": rows, "width": columns, **described})
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


def _describe(region: Region, *, polygons: bool) -> dict[str, Any]:
    from pycocotools import mask

    rle = mask.encode(np.asfortranarray(region, dtype=np.uint8))
    described = {"area": int(mask.area(rle)), "bbox": mask.toBbox(rle).tolist()}
    if polygons:
        return described | {"segmentation": [line.ravel().tolist() for line in trace(region)]}
    return described | {
        "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}
    }


def iter_coco(
    path: Path,
    scheme: LabelScheme | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Found]:
    """Read COCO item by item; later annotations overwrite earlier ones.

    An image without an annotation, or with a box only, has no mask. A pixel is of a polygon if its
    centre is: exact for what `CocoFile` wrote, within half a pixel of the line for polygons drawn
    elsewhere. See `Canvas` for polygons within others or beyond the image.

    Parameters
    ----------
    path : Path
        JSON with images, annotations (RLE, compressed or not, or polygons) and categories.
    scheme : LabelScheme, optional
        The classes, found by name, abbreviation or supercategory, if another program wrote the
        file.
    shapes : mapping, optional
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the images that are wanted, by name.

    Raises
    ------
    ReadError
        If it is no COCO.
    """
    document = _parse(path)
    info = document.info if isinstance(document.info, dict) else {}
    cards = [parse_card(path, json.dumps(card)) for card in info.get(KEY) or ()]
    classes = choose_scheme(path, cards[0] if cards else None, scheme)
    images, problems = _read_each(path, "images", document.images, _Image)
    categories, more = _read_each(path, "categories", document.categories, _Category)
    yield from (*problems, *more)
    ids = (_as_id(entry.get("id")) for entry in document.images if isinstance(entry, dict))
    listed = {number for number in ids if isinstance(number, str)}
    shapes_of, problems = _collect(path, document.annotations, categories, listed)
    yield from problems
    times = Counter(image.id for image in images)
    for image in images:
        if times[image.id] > 1 and shapes_of.pop(image.id, []):
            yield Problem(
                f"'{path}' has several images with the id {image.id}: its annotations may be of any"
                " of them, and are left out."
            )
    declared = {category.name for category in categories}
    yield from Reader(path, classes, KnownShapes(shapes or {}), declared).read(
        DrawnImage(
            image.file_name,
            image.shape,
            tuple(shapes_of.get(image.id, ())),
            _card_of(image, cards),
            image.slice,
        )
        for image in images
    )


def _parse(path: Path) -> _Document:
    content = read_json(path)
    try:
        return _Document.model_validate(content)
    except ValidationError as error:
        at = ".".join(map(str, error.errors()[0]["loc"])) or "its beginning"
        raise ReadError(f"'{path}' is not a readable COCO file: check '{at}'.") from error


def _card_of(image: _Image, cards: list[Card]) -> Card | None:
    number = image.record
    return cards[number] if number is not None and 0 <= number < len(cards) else None


def _read_each(
    path: Path, part: str, contents: list[Any], kind: type[_Model]
) -> tuple[list[_Model], list[Problem]]:
    """Return the entries of a list, and a sentence for each that can't be read."""
    found, problems = [], []
    for place, content in enumerate(contents):
        try:
            found.append(kind.model_validate(content))
        except ValidationError as error:
            at = ".".join(map(str, error.errors()[0]["loc"])) or "its beginning"
            name = (
                content.get("file_name", content.get("name")) if isinstance(content, dict) else ""
            )
            called = f" ('{name}')" if name else ""
            problems.append(
                Problem(f"{part}.{place}{called} of '{path}' can't be read: check its '{at}'.")
            )
    return found, problems


def _collect(
    path: Path, contents: list[Any], categories: list[_Category], images: Container[str]
) -> tuple[dict[str, list[Shape]], list[Problem]]:
    """Return the shapes of each image by its id, and those of no image."""
    annotations, problems = _read_each(path, "annotations", contents, _Annotation)
    named = {category.id: category for category in categories}
    doubtful = _find_doubtful(categories)
    problems += [
        Problem(
            f"'{path}' calls category {number} {' and '.join(map(repr, names))}: its annotations"
            " may be of any of them, and are left out."
        )
        for number, names in doubtful.items()
    ]
    shapes: dict[str, list[Shape]] = {}
    for place, annotation in enumerate(annotations):
        what = f"annotation {annotation.id or place}"
        category = named.get(annotation.category_id)
        if annotation.image_id not in images:
            problems.append(
                Problem(
                    f"{what.capitalize()} of '{path}' is of an image that it does not list"
                    f" ({annotation.image_id}): left out."
                )
            )
        elif annotation.category_id not in doubtful:
            shapes.setdefault(annotation.image_id, []).append(
                Shape(
                    category.name if category else f"category {annotation.category_id}",
                    what,
                    _find_drawing(annotation.segmentation, what),
                    group=(category.supercategory or "") if category else "",
                )
            )
    return shapes, problems


def _find_doubtful(categories: list[_Category]) -> dict[str, list[str]]:
    """Return the ids that several categories have, with their names."""
    names: dict[str, dict[str, None]] = {}
    for category in categories:
        names.setdefault(category.id, {})[category.name] = None
    return {number: list(found) for number, found in names.items() if len(found) > 1}


def _find_drawing(segmentation: Any, what: str) -> Any:
    """Return what draws a segmentation; None if there is nothing to draw."""
    if isinstance(segmentation, list):
        rings = [ring for ring in segmentation if ring not in ([], None)]
        if segmentation and all(isinstance(number, int | float) for number in segmentation):
            rings = [segmentation]  # one polygon without the list around it
        return partial(_draw_rings, rings, what) if rings else None
    if segmentation in (None, {}, ""):
        return None
    return partial(_draw_rle, segmentation, what)


def _draw_rings(rings: list[Any], what: str, canvas: Canvas, value: int) -> None:
    lines = []
    for ring in rings:
        try:
            lines.append(np.array(ring, np.float64).reshape(-1, 2))
        except (ValueError, TypeError):
            canvas.refuse(f"{what} has a polygon that is not a list of x and y")
    canvas.draw_polygons(value, lines, what)


def _draw_rle(content: Any, what: str, canvas: Canvas, value: int) -> None:
    try:
        found = Rle.model_validate(content)
    except ValidationError:
        canvas.refuse(f"{what} has a segmentation that is neither RLE nor polygons")
        return
    if found.size != canvas.shape:
        canvas.refuse(
            f"{what} is a region of {found.size[0]} × {found.size[1]} px on an image of"
            f" {canvas.shape[0]} × {canvas.shape[1]} px"
        )
        return
    region = decode(found)
    if region is None:
        canvas.refuse(f"{what} has an RLE that does not fill its image")
        return
    canvas.draw_region(value, region, what)

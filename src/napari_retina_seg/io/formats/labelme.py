"""labelme's JSON, one for each image: polygons, and masks as PNG within the text.

See https://github.com/wkentaro/labelme; its files name the image that lies beside them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.canvas import Canvas, ellipse
from napari_retina_seg.io.formats.card import KEY, Card, make_card, parse_card
from napari_retina_seg.io.formats.drawn import DrawnImage, Reader, Shape
from napari_retina_seg.io.formats.found import Found
from napari_retina_seg.io.formats.named import KnownShapes, read_json, split_slice
from napari_retina_seg.io.formats.outlines import Points, trace
from napari_retina_seg.io.formats.record import IGNORE_NAME, MaskRecord
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import LabelScheme

_VERSION = "5.5.0"  # of labelme, whose form this is


class _Document(BaseModel):
    shapes: list[Any]
    image: str = Field(alias="imagePath")
    rows: int | None = Field(None, alias="imageHeight")
    columns: int | None = Field(None, alias="imageWidth")
    stated: Any = Field(None, alias=KEY)


def write_labelme(
    folder: Path, record: MaskRecord, files: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write a mask as labelme's JSON, a file for each slice.

    Each connected part of a class is a polygon, with holes joined to the outer line by a cut; see
    `outlines.trace`. What is questionable is called `ignore`. The images are not written here:
    labelme opens a JSON only with its image beside it.

    Parameters
    ----------
    folder : Path
        Folder; each file has the name of its image.
    record : MaskRecord
        The mask.
    files : sequence of str, optional
        Names of the images of its slices; by default those of `MaskRecord.file_of`.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    WriteError
        If one can't be written.
    """
    card = make_card(record)
    written = []
    for index, plane in enumerate(record.planes):
        name = record.file_of(index) if files is None else files[index]
        document = {
            "version": _VERSION,
            "flags": {},
            "shapes": list(_shapes(plane, record.scheme)),
            "imagePath": name,
            "imageData": None,
            "imageHeight": plane.shape[0],
            "imageWidth": plane.shape[1],
            KEY: {"card": card.text, "slice": index},
        }
        written.append(folder / f"{image_name(Path(name))}.json")
        write_atomically(written[-1], json.dumps(document).encode())
    return tuple(written)


def _shapes(plane: Any, scheme: LabelScheme) -> Iterator[dict[str, Any]]:
    for value in np.unique(plane[plane > 0]).tolist():
        name = scheme.names[value] if value < len(scheme) else IGNORE_NAME
        for line in trace(plane == value):
            yield {
                "label": name,
                "points": line.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }


def is_labelme(content: Any) -> bool:
    """Whether JSON is labelme's."""
    return isinstance(content, dict) and "shapes" in content and "imagePath" in content


def slices_of(path: Path) -> tuple[Path, ...]:
    """Return the files of the mask that one of `write_labelme` is part of.

    Returns
    -------
    tuple of Path
        The file itself; of a volume all slices if it is the first, else none, so that of a folder
        each volume is read once.
    """
    image = _read(path)
    place = split_slice(path.stem)
    if image.card is None or len(image.card.shape) == 2 or place is None:
        return (path,)
    others = ((split_slice(each.stem), each) for each in path.parent.iterdir())
    every = sorted(
        each
        for found, each in others
        if each.suffix == path.suffix and found is not None and found[0] == place[0]
    )
    return tuple(every) if path.name == every[0].name else ()


def iter_labelme(
    paths: Sequence[Path],
    scheme: LabelScheme | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Found]:
    """Read labelme's JSONs item by item; later shapes overwrite earlier ones.

    An image without a polygon, mask or circle has no mask.

    Parameters
    ----------
    paths : sequence of Path
        The files; those of one volume together.
    scheme : LabelScheme, optional
        The classes, found by name or abbreviation, if another program wrote the files.
    shapes : mapping, optional
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the images that are wanted, by name.

    Raises
    ------
    ReadError
        If one is no such JSON.
    """
    if not paths:
        return
    images = [_read(path) for path in paths]
    classes = scheme or next((image.card.scheme for image in images if image.card), None)
    where = paths[0] if len(paths) == 1 else paths[0].parent
    yield from Reader(where, classes, KnownShapes(shapes or {})).read(images)


def _read(path: Path) -> DrawnImage:
    try:
        document = _Document.model_validate(read_json(path))
    except ValidationError as error:
        at = ".".join(map(str, error.errors()[0]["loc"])) or "its beginning"
        raise ReadError(f"'{path}' is not a readable labelme file: check '{at}'.") from error
    rows, columns = document.rows, document.columns
    card, index = _find_card(path, document.stated)
    return DrawnImage(
        document.image,
        (rows, columns) if rows and columns else None,
        tuple(_shape(number, content) for number, content in enumerate(document.shapes)),
        card,
        index,
    )


def _find_card(path: Path, stated: Any) -> tuple[Card | None, int]:
    if not isinstance(stated, dict) or "card" not in stated:
        return None, 0
    index = stated.get("slice", 0)
    return parse_card(path, str(stated["card"])), index if isinstance(index, int) else 0


def _shape(number: int, content: Any) -> Shape:
    what = f"shape {number}"
    content = content if isinstance(content, dict) else {}
    kind = str(content.get("shape_type") or "polygon")
    draws = kind in ("polygon", "circle", "mask")
    drawn = partial(_draw, kind, content, what) if draws else None
    return Shape(str(content.get("label", "")), what, drawn)


def _draw(kind: str, content: dict[str, Any], what: str, canvas: Canvas, value: int) -> None:
    from PIL import Image

    try:
        points = np.array(content["points"], np.float64).reshape(-1, 2)
        if kind == "mask":
            _draw_mask(content["mask"], points, what, canvas, value)
        elif kind == "circle":
            (x, y), rim = points
            radius = float(np.hypot(*(rim - (x, y))))
            canvas.draw_polygons(value, [ellipse(x, y, radius, radius)], what)
        else:
            canvas.draw_polygons(value, [points], what)
    except (KeyError, TypeError, ValueError, OSError, Image.DecompressionBombError):
        canvas.refuse(f"{what} has points or a mask that can't be read")


def _draw_mask(text: str, points: Points, what: str, canvas: Canvas, value: int) -> None:
    from PIL import Image

    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(what) from error
    with Image.open(BytesIO(packed)) as picture:
        width, height = picture.size
        if height > canvas.shape[0] or width > canvas.shape[1]:  # before it is unpacked
            canvas.refuse(f"{what} is a mask that is larger than the image")
            return
        region = np.asarray(picture.convert("L")) > 0
    left, top = np.rint(points[0]).astype(int).tolist()
    canvas.draw_region(value, region, what, (top, left))

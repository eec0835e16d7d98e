"""OCTID's B-scans with polygons that were drawn in makesense.ai or VIA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import (
    Layout,
    absent,
    file_readers,
    find_files,
    find_visible,
    read_plane,
)
from napari_retina_seg.io.formats.vgg_json import ImagePolygons, Polygon, draw, read_vgg
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed, last_part, safe_name
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCTID_LAYERS

# What browsers, Windows, macOS and people put behind the name of a copy.
_COPY = re.compile(r"(?: ?\(\d+\)|[ _-]+copy(?:[ _-]?\d+| ?\(\d+\))?)$", re.IGNORECASE)


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    files = find_files(folder / "images") or find_files(folder)
    if not files:
        return ()
    owners: dict[Path, str] = {}
    images: list[LabelledImage] = []
    for source, annotation in _read_annotations(folder):
        image = _image(annotation, source, files, folder)
        if image.path in owners:
            raise DataError(
                f"The image '{image.path}' has two sets of polygons, of '{owners[image.path]}' and"
                f" of '{annotation.filename}' in '{source}': keep one of them."
            )
        owners[image.path] = annotation.filename
        images.append(image)
    return tuple(images)


def _read_annotations(folder: Path) -> Iterator[tuple[Path, ImagePolygons]]:
    for path in find_visible(folder, "*.json"):
        for annotation in read_vgg(path) or ():
            if annotation.polygons:  # VIA also lists images without annotation
                yield path, annotation


def _image(
    annotation: ImagePolygons, source: Path, files: dict[str, Path], folder: Path
) -> LabelledImage:
    values = tuple(_value_of(polygon, annotation, source) for polygon in annotation.polygons)
    path = _find_image(annotation.filename, files)
    where = path or folder / safe_name(last_part(annotation.filename))
    nowhere = absent(
        f"'{annotation.filename}' has polygons in '{source}', but there is no such image in"
        f" '{folder}': add it."
    )
    image = LabelledImage(
        name=where.stem,
        dataset="octid",
        group=where.stem,
        group_guessed=True,
        modality=Modality.OCT,
        scheme=OCTID_LAYERS.name,
        path=where,
        **file_readers(where),
        read_labels=partial(_read_labels, annotation, values, where, source),
    )
    return image if path else replace(image, read_pixels=nowhere, read_labels=nowhere)


def _find_image(filename: str, files: dict[str, Path]) -> Path | None:
    """Return the image of this name, or else the only one that is its copy or its original.

    ``NORMAL (1)`` and ``NORMAL (2)`` may be two scans: neither is taken for the other.
    """
    stem = composed(Path(filename).stem)
    if stem in files:
        return files[stem]
    origins = _origins(stem)
    found = [path for name, path in files.items() if name in origins or stem in _origins(name)]
    if len(found) > 1:
        listed = ", ".join(f"'{path.name}'" for path in found)
        raise DataError(f"The polygons of '{filename}' may be those of {listed}: rename one.")
    return found[0] if found else None


def _origins(stem: str) -> set[str]:
    """Return what a file may have been called before it was copied, once or more."""
    origins = set()
    while (shorter := _COPY.sub("", stem)) != stem:
        origins.add(shorter)
        stem = shorter
    return origins


def _read_labels(
    annotation: ImagePolygons, values: tuple[int, ...], path: Path, source: Path
) -> npt.NDArray[np.uint8]:
    rows, columns = read_plane(path).shape[:2]
    return draw(annotation, values, (rows, columns), source)


def _value_of(polygon: Polygon, annotation: ImagePolygons, source: Path) -> int:
    values = {_VALUES[_plain(text)] for text in polygon.texts if _plain(text) in _VALUES}
    if len(values) != 1:
        names = ", ".join(f"'{text}'" for text in polygon.texts) or "nothing"
        raise DataError(
            f"A polygon of '{annotation.filename}' in '{source}' is called {names}: its class must"
            f" be one of {', '.join(label.abbreviation for label in OCTID_LAYERS.classes)}."
        )
    return values.pop()


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


# Other names of the same layers, by abbreviation: older ones (IS/OS is the ellipsoid zone since
# IN·OCT), American spelling, and merged layers in either order. A part of a layer is not the layer.
_ALIASES = {
    "RNFL": ("NFL", "Nerve fibre layer", "Nerve fiber layer", "Retinal nerve fiber layer"),
    "GCL+IPL": ("IPL+GCL", "GCIPL", "Inner plexiform + ganglion cell layer"),
    "EZ": ("IS/OS", "IS/OS junction", "Ellipsoid"),
    "RPE": ("RPE+BM", "BM+RPE", "RPE+Bruch's membrane", "RPE complex"),
}
_VALUES = {
    _plain(name): label.value
    for label in OCTID_LAYERS.classes
    for name in (label.name, label.abbreviation, *_ALIASES.get(label.abbreviation, ()))
}

LAYOUT = Layout("images with their polygons in a '.json' (VGG, as makesense.ai exports)", _read)

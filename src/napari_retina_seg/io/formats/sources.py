"""Find mask files in folders, and read each by its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_retina_seg.io.formats.boundaries import (
    BoundaryRecord,
    read_boundary_csv,
    read_boundary_json,
)
from napari_retina_seg.io.formats.coco import iter_coco
from napari_retina_seg.io.formats.contents import CONTENTS
from napari_retina_seg.io.formats.cvat import iter_cvat
from napari_retina_seg.io.formats.found import Found, Problem
from napari_retina_seg.io.formats.labelme import is_labelme, iter_labelme, slices_of
from napari_retina_seg.io.formats.named import read_json
from napari_retina_seg.io.formats.networks import NOTES, read_network_folder
from napari_retina_seg.io.formats.nifti import is_nifti, read_nifti
from napari_retina_seg.io.formats.raster import read_png, read_tiff
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.formats.stacks import read_stacks
from napari_retina_seg.io.formats.training import read_training_folder
from napari_retina_seg.io.formats.vgg import iter_vgg
from napari_retina_seg.io.images.content import (
    SUFFIXES,
    is_dicom_content,
    is_image_content,
    is_read_as_dicom,
    is_tiff_content,
)
from napari_retina_seg.io.names import image_name
from napari_retina_seg.io.xml_files import read_xml
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.file_names import last_part, name_key
from napari_retina_seg.types.image import Placement
from napari_retina_seg.types.labels import LabelScheme

Record = MaskRecord | BoundaryRecord
Item = Found | BoundaryRecord

_STACK = "masks.npy"
_MASKS = ("masks", "labels", "annotations")
_DICOM = (".dcm", ".dicom", ".dic")
_CVAT = b"<annotations"
_HEAD = 1000  # bytes in which XML says what it is
_KINDS = "napari-retina-seg"  # how JSON that is no mask by itself, but about some, begins


@dataclass(frozen=True)
class Expected:
    """Expected scheme and images of the masks.

    Attributes
    ----------
    scheme : LabelScheme
        Their classes.
    shapes : mapping
        ``(rows, columns)`` or ``(slices, rows, columns)`` of the images by the keys (`name_key`)
        of their names; ``()`` if images of different shapes have one.
    remap : mapping
        What values stand for in files of other programs, e.g. ``{255: 1}``.
    order : tuple of int or None
        For each slice of the DICOM image that a segmentation refers to, which frame it is.
    placements : tuple of Placement
        Where the image of a NIfTI file may lie in the patient.
    """

    scheme: LabelScheme
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    remap: Mapping[int, int] = field(default_factory=dict)
    order: tuple[int, ...] | None = None
    placements: tuple[Placement, ...] = ()


def find_sources(path: Path) -> tuple[Path, ...]:
    """List the mask files in a path, which may be a file or a folder.

    Parameters
    ----------
    path : Path
        A file, a training folder, a folder with stacks, or one with masks, which may lie in a
        folder ``masks``, ``labels`` or ``annotations`` in it. Predictions of an export are left
        out, and images that a file of shapes beside them refers to.

    Raises
    ------
    ReadError
        If there is nothing in it.
    """
    if path.is_file() or _is_whole(path):
        return (path,)
    if not path.is_dir():
        raise ReadError(f"There is no '{path}': check its name and folder.")
    inside = {folder.name.lower(): folder for folder in path.iterdir() if folder.is_dir()}
    folder = next((inside[name] for name in _MASKS if name in inside), path)
    if _is_whole(folder):
        return (folder,)
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] != ".")
    pictures = {name for file in files for name in _pictures_of(file)}
    found = tuple(
        file for file in files if _may_hold_masks(file) and name_key(file.name) not in pictures
    )
    if not found:
        raise ReadError(f"There is no mask in '{path}': choose the folder that holds them.")
    return found


def _is_whole(path: Path) -> bool:
    """Whether a folder is read as one source."""
    return (
        (path / _STACK).is_file()
        or (path / NOTES).is_file()
        or ((path / CONTENTS).is_file() and (path / "masks").is_dir())
    )


def _may_hold_masks(file: Path) -> bool:
    name = file.name.lower()
    if name.endswith(".json"):
        return not _is_about_others(file)
    if name.endswith(".xml"):
        with file.open("rb") as opened:
            return _CVAT in opened.read(_HEAD)
    return name.endswith((*SUFFIXES, ".csv")) or is_image_content(file) or is_nifti(file)


def _pictures_of(file: Path) -> Iterator[str]:
    """Yield the keys (`name_key`) of the images that a file of shapes refers to."""
    try:
        if file.suffix.lower() == ".xml" and _may_hold_masks(file):
            names = [image.get("name", "") for image in read_xml(file).iterfind("image")]
        elif file.suffix.lower() == ".json":
            names = _names_in(read_json(file))
        else:
            return
    except (ReadError, OSError):
        return  # the error is reported when the file is read
    yield from (name_key(last_part(name)) for name in names if isinstance(name, str))


def _names_in(content: Any) -> list[Any]:
    if not isinstance(content, dict):
        return []
    if is_labelme(content):
        return [content["imagePath"]]
    entries = content.get("images") if _is_coco(content) else list(content.values())
    key = "file_name" if _is_coco(content) else "filename"
    listed = entries if isinstance(entries, list) else []
    return [entry.get(key) for entry in listed if isinstance(entry, dict)]


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and "images" in content and "categories" in content


def _is_about_others(file: Path) -> bool:
    try:
        content = read_json(file)
    except ReadError:
        return False  # the error is reported when it is read
    kind = content.get("kind") if isinstance(content, dict) else None
    return str(kind).startswith(_KINDS) and "boundaries" not in content


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by content, or by suffix and not another image."""
    if is_dicom_content(path):
        return True
    return path.name.lower().endswith(_DICOM) and is_read_as_dicom(path)


def read_source(path: Path, expected: Expected) -> tuple[Record, ...]:
    """Read the masks of one of `find_sources`.

    Raises
    ------
    ReadError
        If it can't be read, does not hold the classes that are expected, or has shapes that can't
        be drawn; `iter_source` reads the rest.
    """
    items = list(iter_source(path, expected))
    for item in items:
        if isinstance(item, Problem):
            raise ReadError(item.sentence)
    return tuple(item for item in items if isinstance(item, MaskRecord | BoundaryRecord))


def iter_source(path: Path, expected: Expected) -> Iterator[Item]:
    """Read one of `find_sources` item by item: masks, problems and images without annotation.

    Raises
    ------
    ReadError
        If it can't be read, or does not hold the classes that are expected.
    """
    name = path.name.lower()
    if path.is_file() and name.endswith(".xml"):
        yield from iter_cvat(path, expected.scheme, expected.shapes)
    elif path.is_file() and name.endswith(".json"):
        yield from _read_json(path, expected)
    else:
        yield from _read_masks(path, expected)


def _read_masks(path: Path, expected: Expected) -> tuple[Record, ...]:
    """Read files with a value per pixel, or boundary heights."""
    scheme, remap = expected.scheme, expected.remap
    name = path.name.lower()
    if path.is_dir():
        if (path / _STACK).is_file():
            return read_stacks(path, scheme, remap)
        if (path / NOTES).is_file():
            return read_network_folder(path)
        return read_training_folder(path)
    if name.endswith(".csv"):
        return (read_boundary_csv(path, scheme),)
    if is_nifti(path):
        return (read_nifti(path, scheme, remap, expected.placements),)
    if is_dicom(path):
        from napari_retina_seg.io.formats.dicom_seg import read_dicom_seg

        shape = expected.shapes.get(name_key(image_name(path)), ())
        slices = shape[0] if len(shape) == 3 else None
        return (read_dicom_seg(path, scheme, slices, remap, expected.order),)
    read = read_tiff if is_tiff_content(path) else read_png
    return (read(path, scheme, remap),)


def _read_json(path: Path, expected: Expected) -> Iterable[Item]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise ReadError(f"'{path}' is JSON, but holds no masks.")
    if "boundaries" in content:
        return (read_boundary_json(path, expected.scheme),)
    if is_labelme(content):
        return iter_labelme(slices_of(path), expected.scheme, expected.shapes)
    if "images" in content and ("annotations" in content or "categories" in content):
        return iter_coco(path, expected.scheme, expected.shapes)
    return iter_vgg(path, expected.scheme, expected.shapes)

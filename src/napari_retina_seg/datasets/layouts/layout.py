"""What a layout is, and what several of them share: reading a plane, a binary mask, a gap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.imaging.pixels import Plane, to_grey
from napari_retina_seg.io import SUFFIXES, read_image
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed, name_key
from napari_retina_seg.types.image import RetinaImage, Spacing
from napari_retina_seg.types.splits import SplitName

_FIELDS = ("fov", "mask")

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Layout:
    """A way in which a data set is handed out.

    Attributes
    ----------
    expected : str
        What it looks like, for messages.
    read : callable
        Lists the images of a folder; nothing if the folder is not in this layout.
    """

    expected: str
    read: Callable[[Path], tuple[LabelledImage, ...]]


class FileReaders(TypedDict):
    """The arguments of `LabelledImage` that an image file answers by itself."""

    read_pixels: Callable[[], Plane]
    read_valid: Callable[[], npt.NDArray[np.bool_] | None]
    read_spacing: Callable[[], Spacing]


def file_readers(path: Path) -> FileReaders:
    """Return readers of all that an image file states; they raise as `read_plane` does."""
    return {
        "read_pixels": partial(read_plane, path),
        "read_valid": partial(_read_valid, path),
        "read_spacing": partial(_read_spacing, path),
    }


def read_plane(path: Path) -> Plane:
    """Read an image file of one plane.

    Returns
    -------
    array
        ``(rows, columns)`` or ``(rows, columns, 3)`` RGB, in the file's own dtype.

    Raises
    ------
    DataError
        If it is missing, or holds several slices.
    ReadError
        If it can't be read.
    """
    image = _read_single(path)
    plane = image.plane()
    return plane[..., :3] if image.color else plane


def _read_valid(path: Path) -> npt.NDArray[np.bool_] | None:
    return _read_single(path).valid_plane()


def _read_spacing(path: Path) -> Spacing:
    return _read_single(path).spacing


def _read_single(path: Path) -> RetinaImage:
    if not path.is_file():
        raise DataError(f"'{path.name}' is missing in '{path.parent}': put it back.")
    stat = path.stat()
    image = _read_again(path, stat.st_mtime_ns, stat.st_size)
    if image.is_volume:
        raise DataError(
            f"'{path}' holds {image.n_slices} slices: save each B-scan as a file of its own."
        )
    return image


@lru_cache(1)  # pixels, valid pixels and spacing are asked for one after the other
def _read_again(path: Path, _changed: int, _size: int) -> RetinaImage:
    return read_image(path)


def read_binary(path: Path) -> npt.NDArray[np.uint8]:
    """Read a mask whose values are dark and bright, however they are written, as 0 and 1."""
    grey = to_grey(read_plane(path).astype(np.float32))
    return np.asarray(grey > grey.max() / 2, np.uint8)


def read_field(path: Path) -> npt.NDArray[np.bool_]:
    """Read a field of view, ``(rows, columns)`` bool."""
    return read_binary(path).astype(bool)


def find_given_field(path: Path) -> Callable[[], npt.NDArray[np.bool_]] | None:
    """Return a reader of the field of view that a data set gives beside an image.

    It lies in a folder ``fov`` or ``mask`` in the image's folder or beside it, under the name of
    the image or with ``_mask`` or ``_fov`` added, as DRIVE has it.
    """
    beside = (parent / name for parent in (path.parent, path.parent.parent) for name in _FIELDS)
    wanted = [name_key(f"{path.stem}{ending}") for ending in ("", "_mask", "_fov")]
    for folder in filter(Path.is_dir, beside):
        files = _list_fields(folder, folder.stat().st_mtime_ns)
        found = next((files[key] for key in wanted if key in files), None)
        if found is not None:
            return partial(read_field, found)
    return None


@lru_cache(8)
def _list_fields(folder: Path, _changed: int) -> dict[str, Path]:
    """Return the image files of a folder by their stems' keys (`name_key`)."""
    files = find_visible(folder, "*")
    return {name_key(path.stem): path for path in files if path.suffix.lower() in SUFFIXES}


def absent(message: str) -> Callable[[], Any]:
    """Return a reader that raises `DataError`, for what an image should have and has not."""
    return partial(_refuse, message)


def _refuse(message: str) -> NoReturn:
    raise DataError(message)


def find_visible(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern in the order of their names, less macOS' hidden companions."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def find_files(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder by their stems, accents composed, ordered by name.

    Raises
    ------
    DataError
        If two have the same stem.
    """
    found: dict[str, Path] = {}
    for path in find_visible(folder, "*"):
        if path.suffix.lower() not in SUFFIXES:
            continue
        stem = composed(path.stem)
        if stem in found:
            raise DataError(
                f"'{found[stem].name}' and '{path.name}' in '{folder}' have the same name: keep one"
                " of them."
            )
        found[stem] = path
    return found

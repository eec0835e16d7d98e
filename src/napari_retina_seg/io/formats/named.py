"""Match images and classes by name, for JSON and XML formats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_retina_seg.io.formats.record import IGNORE_NAME
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.file_names import last_part, name_key
from napari_retina_seg.types.labels import LabelScheme

# What tools put around the name of an image that is uploaded to them.
_LABEL_STUDIO = re.compile(r"^[0-9a-f]{8}-(?=.)")
_ROBOFLOW = re.compile(r"_(?:jpe?g|png|tiff?|bmp|webp)\.rf\.[0-9a-z]+$", re.IGNORECASE)
_SLICE = re.compile(r"^(.+)_(\d{4,})$")

# Other words for the classes, by abbreviation: American spelling, older names, plain words.
_ALIASES = {
    "Vessel": ("Blood vessel", "Retinal vessel", "Retinal blood vessel", "Vasculature"),
    "RNFL": ("NFL", "Nerve fibre layer"),
    "GCL+IPL": ("IPL+GCL", "GCIPL", "GCL-IPL", "Inner plexiform + ganglion cell layer"),
    "EZ": ("IS/OS", "IS/OS junction", "Ellipsoid"),
    "RPE": ("RPE+BM", "BM+RPE", "RPE complex"),
    "BG": ("Back ground",),
}


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ReadError
        If there is none, or it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ReadError(f"There is no file '{path}': check its name and folder.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(
            f"'{path}' can't be read as JSON: it is damaged or cut short. Export it again."
        ) from error


def find_value(name: str, scheme: LabelScheme, group: str = "") -> int | None:
    """Return the value of a class by its name in a file; None if the scheme has no such class.

    Parameters
    ----------
    name : str
        Name, abbreviation or value of a class, in any spelling of it that means only one.
    scheme : LabelScheme
        The classes.
    group : str
        What the file counts it among (COCO's supercategory), taken if the name is unknown.
    """
    if name_key(name.strip()) == IGNORE_NAME and len(scheme) <= IGNORE:
        return IGNORE
    for text in (name, group):
        if not text.strip():
            continue
        try:
            return scheme.find(text).value
        except RetinaSegError:
            found = [label.value for label in scheme.classes if _plain(text) in _spellings(label)]
        if len(found) == 1:
            return found[0]
    return None


def require_value(path: Path, name: str, scheme: LabelScheme) -> int:
    """Return the value of a class by its name in a file.

    Raises
    ------
    ReadError
        If the scheme has no such class.
    """
    value = find_value(name, scheme)
    if value is None:
        raise ReadError(f"'{path}' holds other classes: {unknown_class(name, scheme)}.")
    return value


def _spellings(label: Any) -> set[str]:
    spellings = (label.name, label.abbreviation, *_ALIASES.get(label.abbreviation, ()))
    return {_plain(word) for word in spellings}


def _plain(text: str) -> str:
    """Return a name normalised for comparison: no punctuation, one spelling, singular."""
    letters = "".join(filter(str.isalnum, name_key(text))).replace("fiber", "fibre")
    return re.sub(r"(layer|class|mask)?s?$", "", letters) or letters


def unknown_class(name: str, scheme: LabelScheme) -> str:
    """Return the start of a message about an unknown class."""
    known = ", ".join(label.abbreviation for label in scheme.classes[1:])
    return f"'{name}' is not a class of '{scheme.name}' ({known})"


def image_of(file_name: str) -> str:
    """Return the name of an image from its path on any system."""
    return image_name(Path(last_part(file_name)))


def possible_names(name: str) -> Iterator[str]:
    """Yield the keys (`name_key`) of possible image names, the likeliest first.

    Parameters
    ----------
    name : str
        What another program calls it, without suffix, but with what Label Studio
        (``3f2a9b1c-a``) and Roboflow (``a_jpg.rf.3f2a9b1c``) add.
    """
    bare = (_LABEL_STUDIO.sub("", name), _ROBOFLOW.sub("", name))
    yield from dict.fromkeys(map(name_key, (name, *bare)))


def split_slice(stem: str) -> tuple[str, int] | None:
    """Return the volume's name and the number in the name of a slice, e.g. ``scan_0003``."""
    found = _SLICE.match(stem)
    return (found[1], int(found[2])) if found else None


class KnownShapes:
    """The grids of the expected images, by their names in files.

    Parameters
    ----------
    shapes : mapping
        ``(rows, columns)`` or ``(slices, rows, columns)`` by name, with or without suffix; ``()``
        if images of different shapes have it.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = {name_key(name): shape for name, shape in shapes.items()}

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def is_ambiguous(self, file_name: str) -> bool:
        """Whether images of different shapes have this name."""
        return next(self._named(file_name), None) == ()

    def _named(self, file_name: str) -> Iterator[tuple[int, ...]]:
        keys = (name_key(last_part(file_name)), *possible_names(image_of(file_name)))
        return (self._shapes[key] for key in keys if key in self._shapes)

    def find(self, file_name: str) -> tuple[int, int] | None:
        """Return ``(rows, columns)`` of an image or a slice; None if it is unknown."""
        for shape in self._named(file_name):
            return (shape[-2], shape[-1]) if shape else None
        keys = [name_key(last_part(file_name)), *possible_names(image_of(file_name))]
        for key in keys:
            place = split_slice(key)
            shape = self._shapes.get(place[0], ()) if place else ()
            if place and len(shape) == 3 and place[1] < shape[0]:
                return shape[1], shape[2]
        return None

"""Label schemes of one's own, from TOML files."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.labels import OCTID_LAYERS, SCHEMES, LabelScheme

ENDING = ".toml"
_BACKGROUND = "#000000"
_COLORS = tuple(label.color for label in OCTID_LAYERS.classes[1:])
_SCHEME = TypeAdapter(LabelScheme)
_EXAMPLE = "e.g. name = 'lesions' and classes = ['Background', 'Drusen', 'Fluid']"


def find_scheme(scheme: LabelScheme | str | Path) -> LabelScheme:
    """Return a label scheme by its name, or from a TOML file.

    Parameters
    ----------
    scheme : LabelScheme, str or Path
        The scheme itself, a name such as ``"oct-layers"``, or a file with a table ``[scheme]`` as
        recipes have it, or with its keys alone.

    Raises
    ------
    DataError
        If there is none, or the file is wrong.

    Examples
    --------
    >>> find_scheme("fundus-vessels").names
    ('Background', 'Vessel')
    """
    if isinstance(scheme, LabelScheme):
        return scheme
    if str(scheme) in SCHEMES:
        return SCHEMES[str(scheme)]
    path = Path(scheme).expanduser()
    if path.suffix.lower() != ENDING:
        raise DataError(
            f"There is no scheme '{scheme}': choose one of {', '.join(SCHEMES)}, or name a"
            f" TOML file with classes of your own, {_EXAMPLE}."
        )
    return _read(path)


def _read(path: Path) -> LabelScheme:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"There is no file '{path}' with a label scheme.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"The label scheme '{path}' can't be read: {error}.") from error
    table = values.get("scheme", values)
    if isinstance(table, str):
        return find_scheme(table)
    try:
        scheme = make_scheme(table)
        if SCHEMES.get(scheme.name, scheme) != scheme:
            raise ValueError(f"there is another scheme '{scheme.name}': choose another name.")
        return scheme
    except ValueError as error:
        raise DataError(f"The label scheme '{path}' is wrong: {error}") from error


def make_scheme(table: Any) -> LabelScheme:
    """Make a label scheme of a table ``[scheme]``.

    Parameters
    ----------
    table : dict
        With ``name`` and ``classes``: names, or tables in which value, abbreviation and colour may
        be left out. Layers have ``surfaces``, too, one more than there are layers.

    Raises
    ------
    ValueError
        If something is missing or wrong, in a sentence.
    """
    if not isinstance(table, dict) or not isinstance(table.get("classes"), list):
        raise ValueError(f"it needs a name and a list of classes, {_EXAMPLE}.")
    classes = [_completed(label, place) for place, label in enumerate(table["classes"])]
    surfaces = [
        {"name": surface} if isinstance(surface, str) else surface
        for surface in table.get("surfaces", [])
    ]
    try:
        scheme = _SCHEME.validate_python(
            {**table, "classes": classes, "surfaces": surfaces}, extra="forbid"
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"at '{where}': {first['msg']}.") from error
    except RetinaSegError as error:
        raise ValueError(str(error)) from error
    _check(scheme)
    return scheme


def _completed(label: Any, place: int) -> Any:
    """Return a class with value, abbreviation and colour."""
    if isinstance(label, str):
        label = {"name": label}
    if not isinstance(label, dict) or not isinstance(label.get("name"), str):
        raise ValueError(f"the class {place} needs a name.")
    color = _BACKGROUND if place == 0 else dict(enumerate(_COLORS, 1)).get(place)
    usual = {"value": place, "abbreviation": label["name"]}
    return {**usual, **({} if color is None else {"color": color}), **label}


def _check(scheme: LabelScheme) -> None:
    """Raise `ValueError` if a scheme has no name, or a class could be mistaken for another."""
    if not scheme.name.strip():
        raise ValueError("it needs a name.")
    for texts in (
        [label.name for label in scheme.classes],
        [label.abbreviation for label in scheme.classes],
    ):
        key, times = Counter(map(name_key, texts)).most_common(1)[0]
        if times > 1:
            twice = next(text for text in texts if name_key(text) == key)
            raise ValueError(f"two classes are called '{twice}'.")

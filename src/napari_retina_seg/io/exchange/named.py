"""What formats share that keep classes by name, in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_retina_seg.core.errors import ReadError, RetinaSegError
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.io.exchange.record import IGNORE, IGNORE_NAME


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


def find_value(path: Path, name: str, scheme: LabelScheme) -> int:
    """Return the value of a class that a file calls by its name or abbreviation.

    Raises
    ------
    ReadError
        If the scheme has no such class.
    """
    if name.strip().casefold() == IGNORE_NAME and len(scheme) <= IGNORE:
        return IGNORE
    try:
        return scheme.find(name).value
    except RetinaSegError as error:
        raise ReadError(f"'{path}' holds other classes: {error}") from error

"""What all reports have in common: how figures are written as CSV and JSON, and put on the disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

from napari_retina_seg import __version__
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.metrics.measures import MEASURES, Key
from napari_retina_seg.types.text import csv_cell, displayed_json

_WHOLE = "all"


def write_files(contents: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Write the files of a report.

    Parameters
    ----------
    contents : mapping
        Text by file name.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.

    Returns
    -------
    tuple of Path
        The files, in the order of their names.

    Raises
    ------
    WriteError
        If one can't be written; nothing of it is left then.
    """
    for name, text in contents.items():
        write_atomically(folder / name, text.encode())
    return tuple(folder / name for name in contents)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table, whose numbers have six significant digits and are left out if unknown."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, header))
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}" if isfinite(value) else ""
    return "" if value is None else csv_cell(value)


def to_json(content: Mapping[str, Any]) -> str:
    """Write what programs read, after the version of its form and of this program."""
    head = {"schema_version": 1, "program": f"napari-retina-seg {__version__}"}
    text = json.dumps(head | dict(content), indent=1, ensure_ascii=False, allow_nan=False)
    return displayed_json(text) + "\n"


def format_number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Write a number as it is shown, with a minus sign; nothing if there is none."""
    if not isfinite(value):
        return ""
    rounded = round(value, decimals)
    sign = "+" if signed and rounded else ""
    return f"{rounded or 0.0:{sign}.{decimals}f}".replace("-", "−")


def in_order(keys: Iterable[Key]) -> list[Key]:
    """Sort scores by measure, those of the whole first and their parts as they came."""
    order = list(MEASURES)
    return sorted(keys, key=lambda key: (order.index(key.measure), bool(key.part)))


def column_name(key: Key) -> str:
    """Return what the column of a score is called in a table."""
    return " ".join(filter(None, key))


def nested(scores: Mapping[Key, Any]) -> dict[str, dict[str, Any]]:
    """Return scores as measure, then part, ``all`` for the whole."""
    result: dict[str, dict[str, Any]] = {}
    for key, value in scores.items():
        result.setdefault(key.measure, {})[key.part or _WHOLE] = value
    return result

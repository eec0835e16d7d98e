"""Tables of measurements as CSV, JSON and XLSX."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import BytesIO, StringIO
from math import isfinite
from pathlib import Path

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.measurement.tables import Table, Value
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.text import csv_cell, displayed_json

SUFFIXES = (".csv", ".json", ".xlsx")


def check_table_path(path: Path) -> None:
    """Raise `WriteError` if the suffix is none of a table's."""
    if path.suffix.lower() not in SUFFIXES:
        raise WriteError(f"'{path}' is no table: name a file that ends in {', '.join(SUFFIXES)}.")


def table_paths(path: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of `save_tables`: JSON and XLSX hold all tables, a CSV file one.

    The first table has the name itself, each other one its own beside it:
    ``table.csv``, ``table_etdrs.csv``.
    """
    check_table_path(path)
    if path.suffix.lower() != ".csv":
        return [path]
    return [path, *(path.with_name(f"{path.stem}_{name}{path.suffix}") for name in names[1:])]


def save_tables(path: Path, tables: Sequence[Table]) -> tuple[Path, ...]:
    """Write tables in the form that the suffix says; files of these names are replaced.

    Parameters
    ----------
    path : Path
        Ends in ``.csv``, ``.json`` or ``.xlsx``.
    tables : sequence of Table
        At least one.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    WriteError
        If the suffix is another one, or nothing can be written.
    """
    paths = table_paths(path, [table.name for table in tables])
    kind = path.suffix.lower()
    if kind == ".json":
        contents = [_json(tables)]
    elif kind == ".xlsx":
        contents = [_xlsx(tables)]
    else:
        contents = [_csv(table).encode() for table in tables]
    for target, content in zip(paths, contents, strict=True):
        write_atomically(target, content)
    return tuple(paths)


def _csv(table: Table) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, table.columns))
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return text.getvalue()


def _cell(value: Value) -> object:
    known = _known(value)
    if known is None:
        return ""
    return f"{known:.6g}" if isinstance(known, float) else csv_cell(known)


def _known(value: Value) -> Value:
    return None if isinstance(value, float) and not isfinite(value) else value


def _json(tables: Sequence[Table]) -> bytes:
    content = {
        "schema_version": 1,
        "tables": {
            table.name: {
                "columns": table.columns,
                "rows": [[_known(value) for value in row] for row in table.rows],
            }
            for table in tables
        },
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return (displayed_json(text) + "\n").encode()


def _xlsx(tables: Sequence[Table]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for table in tables:
        sheet = book.create_sheet(table.name)
        sheet.append([csv_cell(column) for column in table.columns])
        for row in table.rows:
            sheet.append([csv_cell(_known(value)) for value in row])
    file = BytesIO()
    book.save(file)
    return file.getvalue()

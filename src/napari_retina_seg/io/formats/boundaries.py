"""Boundary heights as CSV and JSON, with the DICOM codes of their surfaces."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import from_labels, to_labels
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import (
    Card,
    choose_scheme,
    hash_values,
    make_card,
    parse_card,
    read_sidecar,
    write_sidecar,
)
from napari_retina_seg.io.formats.endings import check_ending
from napari_retina_seg.io.formats.named import read_json
from napari_retina_seg.io.formats.record import Attribution, MaskRecord
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import LabelScheme

Heights = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BoundaryRecord:
    """Boundaries read from a file.

    Attributes
    ----------
    heights : array
        float32 in px, ``(surfaces, columns)`` or ``(slices, surfaces, columns)``; NaN is unknown.
    scheme, name, spacing, laterality, attribution, image_sha256
        As of `MaskRecord`.
    rows : int or None
        Of the image, if the file says so.
    """

    heights: Heights
    scheme: LabelScheme
    name: str
    spacing: Spacing
    laterality: Laterality
    attribution: Attribution
    rows: int | None
    image_sha256: str | None = None


def find_heights(record: MaskRecord) -> Heights:
    """Return the boundaries of a record: its own, or else those of its mask.

    Returns
    -------
    array
        float32 in px, ``(surfaces, columns)`` or ``(slices, surfaces, columns)``.

    Raises
    ------
    WriteError
        If its classes are no layers, or the mask is not made of layers in their order.
    """
    scheme = record.scheme
    if not scheme.surfaces:
        raise WriteError(f"'{scheme.name}' has no boundaries: export '{record.name}' as a mask.")
    if record.boundaries is not None:
        return record.boundaries
    planes = record.labels if record.is_volume else record.labels[np.newaxis]
    heights = np.stack([from_labels(plane, len(scheme.surfaces)) for plane in planes])
    for index, (plane, lines) in enumerate(zip(planes, heights, strict=True)):
        seen = ~np.isnan(lines[0])
        if not np.array_equal(to_labels(lines[:, seen], len(plane)), plane[:, seen]):
            where = f" in slice {index}" if record.is_volume else ""
            raise WriteError(
                f"The mask of '{record.name}' is not made of layers in their order{where}, so that"
                " it has no boundaries: correct it, or export it as a mask."
            )
    return heights if record.is_volume else np.asarray(heights[0])


def write_boundary_csv(path: Path, record: MaskRecord) -> None:
    """Write a row for each column of the image and a column for each surface, in px from the top.

    A surface's column is headed by its name and code, e.g. ``ILM [SCT:280677004]``; before them
    come ``column``, and for a volume ``slice``, both from 0. What is unknown is left empty.
    ``<stem>.json`` beside it says the rest.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    record : MaskRecord
        With boundaries, or with a mask of layers.

    Raises
    ------
    WriteError
        If it has no boundaries, or they can't be written.
    """
    heights = find_heights(record)
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    surfaces = [
        f"{surface.name} [{surface.code}]" if surface.code else surface.name
        for surface in record.scheme.surfaces
    ]
    if record.is_volume:
        writer.writerow(["slice", "column", *surfaces])
        for index, lines in enumerate(heights):
            writer.writerows([index, *row] for row in _rows(lines))
    else:
        writer.writerow(["column", *surfaces])
        writer.writerows(_rows(heights))
    write_sidecar(path, make_card(record, heights))
    write_atomically(path, text.getvalue().encode())


def _rows(lines: Heights) -> Iterator[list[str]]:
    for column, heights in enumerate(lines.T):
        # The shortest decimals that mean the same float32.
        yield [str(column), *("" if np.isnan(height) else str(height) for height in heights)]


def write_boundary_json(path: Path, record: MaskRecord) -> None:
    """Write the card, and ``boundaries`` with name, code and heights in px of each surface.

    Heights are a list for each slice, or one list for an image of one slice; null is unknown.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    record : MaskRecord
        With boundaries, or with a mask of layers.

    Raises
    ------
    WriteError
        If it has no boundaries, or they can't be written.
    """
    heights = find_heights(record)
    content = make_card(record, heights).model_dump(mode="json")
    content["unit"] = "px"
    content["boundaries"] = [
        {"name": surface.name, "code": surface.code, "heights": _listed(heights[..., k, :])}
        for k, surface in enumerate(record.scheme.surfaces)
    ]
    write_atomically(path, json.dumps(content, allow_nan=False).encode())


def _listed(lines: npt.NDArray[Any]) -> list[Any]:
    if lines.ndim > 1:
        return [_listed(line) for line in lines]
    return [None if np.isnan(height) else float(str(height)) for height in lines]


def read_boundary_csv(path: Path, scheme: LabelScheme | None = None) -> BoundaryRecord:
    """Read boundaries from a CSV of this program; also one that ``segment`` wrote.

    Parameters
    ----------
    path : Path
        The file. Rows without numbers of slices or columns are in their order.
    scheme : LabelScheme, optional
        Scheme of the surfaces, if there is no ``<stem>.json``.

    Raises
    ------
    ReadError
        If it can't be read, or its surfaces are others.
    """
    card = read_sidecar(path)
    classes = choose_scheme(path, card, scheme)
    text, header, rows = _read_table(path)
    has_codes = any("[" in cell for cell in header)
    check_ending(path, text, ends_lines=card is not None or has_codes)
    names = [cell.partition(" [")[0] for cell in header]
    surfaces = [surface.name for surface in classes.surfaces]
    if not surfaces or names[-len(surfaces) :] != surfaces:
        raise ReadError(
            f"'{path}' has the columns {', '.join(names)}: those of '{classes.name}' are"
            f" {', '.join(surfaces) or 'none'}."
        )
    try:
        table = np.array(
            [[float(cell) if cell.strip() else np.nan for cell in row] for row in rows], np.float64
        ).reshape(len(rows), len(header))
        heights = _in_order(table, names)[..., -len(surfaces) :].astype(np.float32)
    except (ValueError, OverflowError) as error:
        raise ReadError(
            f"'{path}' is not a table of boundaries: it needs a number or nothing in each cell, and"
            " a row for each column of each slice."
        ) from error
    lines = heights.transpose(0, 2, 1)
    return _make(path, lines if "slice" in names else lines[0], card, classes)


def _in_order(table: npt.NDArray[np.float64], names: list[str]) -> npt.NDArray[np.float64]:
    """Return ``(slices, columns, cells)`` by the numbers of slice and column, if there are any.

    Raises
    ------
    ValueError
        If one is missing or there twice.
    """
    unnumbered = np.zeros(len(table))
    slices, columns = (
        table[:, names.index(name)] if name in names else unnumbered for name in ("slice", "column")
    )
    order = np.lexsort((columns, slices))  # rows of the same numbers stay as they are
    table = table[order].reshape(int(slices.max()) + 1, -1, table.shape[1])
    for axis, name in enumerate(("slice", "column")):
        if name in names:
            numbers = np.moveaxis(table[..., names.index(name)], axis, 0)
            if (numbers != np.arange(len(numbers))[:, np.newaxis]).any():
                raise ValueError(f"a {name} is missing or there twice")
    return table


def _read_table(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """Return the content of a table, its header and its rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
        header, *rows = csv.reader(StringIO(text, newline=""))
    except FileNotFoundError as error:
        raise ReadError(f"There is no file '{path}': check its name and folder.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise ReadError(
            f"'{path}' can't be read as CSV: it is damaged or cut short. Export it again."
        ) from error
    if not rows:
        raise ReadError(f"'{path}' has no rows: export the boundaries again.")
    return text, header, rows


def read_boundary_json(path: Path, scheme: LabelScheme | None = None) -> BoundaryRecord:
    """Read boundaries from a JSON of this program.

    Parameters
    ----------
    path : Path
        The file.
    scheme : LabelScheme, optional
        Scheme of the surfaces.

    Raises
    ------
    ReadError
        If it can't be read, or its surfaces are others.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "boundaries" not in content:
        raise ReadError(f"'{path}' is JSON, but holds no boundaries.")
    card = parse_card(path, json.dumps(content))
    classes = choose_scheme(path, card, scheme)
    try:
        heights = np.stack(
            [np.array(surface["heights"], np.float32) for surface in content["boundaries"]], axis=-2
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ReadError(
            f"'{path}' has heights that are not numbers, or not as many for each surface: export it"
            " again."
        ) from error
    return _make(path, heights, card, classes)


def _make(path: Path, heights: Heights, card: Card | None, scheme: LabelScheme) -> BoundaryRecord:
    heights = np.ascontiguousarray(heights, np.float32)
    if card is None:
        return BoundaryRecord(
            heights, scheme, image_name(path), Spacing(), Laterality.UNKNOWN, Attribution(), None
        )
    *slices, rows, columns = card.shape
    expected = (*slices, len(scheme.surfaces), columns)
    if heights.shape != expected:
        raise ReadError(
            f"'{path}' holds heights of shape {heights.shape}, and its image wants {expected}:"
            " export it again."
        )
    unchanged = hash_values(heights) == card.values_sha256
    return BoundaryRecord(
        heights,
        scheme,
        card.name,
        card.spacing,
        card.laterality,
        card.attribution if unchanged else Attribution(),
        rows,
        card.image_sha256,
    )

"""Options for data sets: patients, and other mask values."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.text import plain_cell

_ReadClasses = Callable[[], npt.NDArray[Any]]


@dataclass(frozen=True)
class ReadOptions:
    r"""Options for reading a data set.

    Attributes
    ----------
    group_pattern : str or None
        Regular expression that finds the patient or eye in an image's name: its first group, or
        the whole match, e.g. ``^(\d+)_`` for ``017_left_3``.
    groups : Path or None
        CSV with the columns ``name`` and ``group`` (or ``patient``), a row for each image.
    remap : mapping
        Mask values and what they stand for, e.g. ``{255: 1}``; other values stay.
    """

    group_pattern: str | None = None
    groups: Path | None = None
    remap: Mapping[int, int] = field(default_factory=dict)


def apply_options(
    images: tuple[LabelledImage, ...], options: ReadOptions
) -> tuple[LabelledImage, ...]:
    """Return the images with the groups and mask values that a user asked for.

    Raises
    ------
    DataError
        If there are two sources of groups, one can't be read, or an image is in none.
    """
    if options.group_pattern is not None and options.groups is not None:
        raise DataError("Groups come from a pattern or from a CSV: give one of the two.")
    if options.group_pattern is not None:
        images = _group_by_pattern(images, options.group_pattern)
    if options.groups is not None:
        images = _group_by_table(images, options.groups)
    if options.remap:
        images = tuple(_remap(image, options.remap) for image in images)
    return images


def _group_by_pattern(images: tuple[LabelledImage, ...], pattern: str) -> tuple[LabelledImage, ...]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"The group pattern '{pattern}' is not a regular expression: {error}."
        ) from (error)
    grouped = []
    for image in images:
        found = compiled.search(image.name)
        group = found and (found[1] if compiled.groups else found[0])
        if not group:
            raise DataError(
                f"The group pattern '{pattern}' finds no patient in '{image.name}': widen it, or"
                " name the groups in a CSV."
            )
        grouped.append(replace(image, group=group, group_guessed=False))
    return tuple(grouped)


def _group_by_table(images: tuple[LabelledImage, ...], path: Path) -> tuple[LabelledImage, ...]:
    groups = read_groups(path)
    grouped = []
    for image in images:
        group = groups.get(composed(image.name)) or groups.get(composed(image.path.name))
        if not group:
            raise DataError(f"'{path}' has no row for the image '{image.name}': add its group.")
        grouped.append(replace(image, group=group, group_guessed=False))
    return tuple(grouped)


def read_groups(path: Path) -> dict[str, str]:
    """Read a CSV with the group of each image.

    Parameters
    ----------
    path : Path
        CSV with the columns ``name`` and ``group`` (or ``patient``), a row for each image.

    Returns
    -------
    dict
        Groups by names.

    Raises
    ------
    DataError
        If it can't be read, lacks a column, or puts an image into two groups.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The groups in '{path}' can't be read: {error}.") from error
    column = next((one for one in ("group", "patient") if rows and one in rows[0]), None)
    if column is None or "name" not in rows[0]:
        raise DataError(
            f"'{path}' needs the columns 'name' and 'group' (or 'patient'), and a row per image."
        )
    groups: dict[str, str] = {}
    for row in rows:
        name, group = (composed(plain_cell(row[key] or "")).strip() for key in ("name", column))
        if groups.setdefault(name, group) != group:
            raise DataError(f"'{path}' puts '{name}' into two groups: keep one row of it.")
    return groups


def _remap(image: LabelledImage, remap: Mapping[int, int]) -> LabelledImage:
    def changed(read: _ReadClasses) -> _ReadClasses:
        return lambda: _replace_values(read(), remap)

    return replace(
        image,
        scheme=None,  # what the values mean is now for the user to say
        own_scheme=None,
        read_labels=changed(image.read_labels),
        references={name: changed(read) for name, read in image.references.items()},
    )


def _replace_values(values: npt.NDArray[Any], remap: Mapping[int, int]) -> npt.NDArray[Any]:
    result = values.astype(int)
    for old, new in remap.items():
        result[values == old] = new
    return result

"""Options shared by all commands on training data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError
from napari_retina_seg.types.errors import RetinaSegError

if TYPE_CHECKING:
    from napari_retina_seg.datasets.layouts import ReadOptions
    from napari_retina_seg.types.labels import LabelScheme

Data = Annotated[
    list[Path],
    typer.Option(metavar="DIR", help="A data set, or a folder of data sets; may be repeated."),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out files that can't be read, and name them.")
]
GroupPattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Finds the patient or eye in an image's name, e.g. '^([^_]+)_'.",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        exists=True,
        dir_okay=False,
        help="CSV with the columns name,group: the patient or eye of each image.",
    ),
]
Remap = Annotated[
    list[str] | None,
    typer.Option(
        "--remap",
        "--map",
        metavar="VALUE:CLASS",
        help="What a mask value stands for, e.g. 255:1; may be repeated.",
    ),
]


def read_options(
    group_pattern: str | None, groups: Path | None, remap: Sequence[str] | None
) -> ReadOptions:
    """Parse the options to `ReadOptions`."""
    from napari_retina_seg.datasets.layouts import ReadOptions

    if group_pattern is not None and groups is not None:
        raise UsageError("--group-pattern and --groups both assign patients: give only one.")
    try:
        re.compile(group_pattern or "")
    except re.error as error:
        raise UsageError(
            f"'--group-pattern {group_pattern}' is not a regular expression: {error}."
        ) from error
    return ReadOptions(group_pattern, groups, dict(map(_pair, remap or ())))


def _pair(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,3})[:=](\d{1,3})", text)
    if not found or max(map(int, found.groups())) > 255:
        raise UsageError(
            f"'--remap {text}' is not a pair of numbers up to 255: write VALUE:CLASS, e.g. 255:1."
        )
    return int(found[1]), int(found[2])


def named_scheme(text: str) -> LabelScheme:
    """Return the scheme of an option ``--scheme``: a name, or a TOML file."""
    from napari_retina_seg.io.schemes import find_scheme

    try:
        return find_scheme(text)
    except RetinaSegError as error:
        raise UsageError(str(error)) from error

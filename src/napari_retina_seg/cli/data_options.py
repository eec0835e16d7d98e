"""Options that every command about training data has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError

if TYPE_CHECKING:
    from napari_retina_seg.data.layouts import ReadOptions

GroupPattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Finds the patient or eye in an image's name, e.g. '^([^_]+)_'.",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="A table of name,group: whose images they are."),
]
Remap = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUE:CLASS", help="What a mask value stands for, e.g. 255:1; may be repeated."
    ),
]


def read_options(
    group_pattern: str | None, groups: Path | None, remap: Sequence[str] | None
) -> ReadOptions:
    """Make `ReadOptions` of what was typed."""
    from napari_retina_seg.data.layouts import ReadOptions

    return ReadOptions(group_pattern, groups, dict(map(_pair, remap or ())))


def _pair(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if not found:
        raise UsageError(f"'--remap {text}' is no pair of numbers: write VALUE:CLASS, e.g. 255:1.")
    return int(found[1]), int(found[2])

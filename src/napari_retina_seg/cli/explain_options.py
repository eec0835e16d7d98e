"""Options of ``explain``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class MethodName(StrEnum):
    """How activations and gradients become a map."""

    GRAD_CAM = "grad-cam"
    GRAD_CAM_PLUS_PLUS = "grad-cam++"
    HIRES_CAM = "hirescam"
    LAYER_CAM = "layercam"


class Format(StrEnum):
    """Of the figure."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class MapFormat(StrEnum):
    """Of the maps."""

    NPY = "npy"
    TIFF = "tiff"


ClassNames = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        "-c",
        metavar="CLASS",
        help="Name, abbreviation or value of a class, such as RNFL; can be given several times."
        " By default all classes.",
    ),
]
LayerName = Annotated[
    str,
    typer.Option(
        help="Layer of the network, such as 'encoder 2', 'bottleneck' or 'decoder 1'; by default"
        " the recommended one.",
        show_default=False,
    ),
]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(
        case_sensitive=False,
        help="How a map is computed; by default Grad-CAM for a class, HiResCAM for a place.",
    ),
]
Slice = Annotated[
    int | None,
    typer.Option(
        "--slice", min=0, help="Only this slice of a volume, counted from 0 as in the window."
    ),
]
RegionFile = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK",
        help="Ask about the pixels that are not 0 in this file, of the image's size; by default"
        " about all pixels that the model gives the class.",
    ),
]
PointText = Annotated[
    str | None,
    typer.Option(metavar="ROW,COLUMN", help="Ask about one pixel, such as 240,400."),
]
FormatOption = Annotated[
    Format, typer.Option("--format", case_sensitive=False, help="Of the figure.")
]
MapOption = Annotated[MapFormat, typer.Option(case_sensitive=False, help="Of the maps.")]
